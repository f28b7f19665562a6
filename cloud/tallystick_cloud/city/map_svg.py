"""The map as SVG text: the drawn city, drawn once, and the gateways on it at their true positions.

It never uses a script or an inline style; state is a shape as well as a colour."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from html import escape
from itertools import pairwise

from tallystick_cloud.city.drawing import HALF_HEIGHT_M, HALF_WIDTH_M, city
from tallystick_cloud.city.geometry import Line
from tallystick_cloud.city.model import Community, Gateway, GatewayState, Place

METRES_PER_DEGREE = 111_320
"""Length of a degree of latitude (mean Earth radius 6371 km, rounded)."""
E7 = 10_000_000
LABELS_MAX = 14
"""With more gateways than this their names would cover the map; the list has them."""
PANEL_PX = 800
"""Width of the drawing on a desk; sizes that should not grow with the map are made from it."""
NEAR_HALF_WIDTH_M = 1_300
"""A single laundry is shown with its neighbourhood, not as a dot in a whole city."""
MARGIN = 1.7
"""Room around the outermost gateways, for their names."""
CROWDED_PX, APART_PX = 12, 17
"""Marks nearer than this stand on one site; they are drawn so far apart."""
LABEL_PX = 110
"""Room a name needs."""
SYMBOL_PX = 9
"""Pixels per symbol of radius 40 at scale 1: a radius of 4.4 px."""


class Measure(StrEnum):
    """What the marks on the map say; it is in the address of the page."""

    STATE = "state"
    USE = "use"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Mark:
    """One gateway on the map: where (metres, y down), which shape, how large (percent), and its words."""

    id: str
    x: int
    y: int
    shape: str
    percent: int
    name: str
    note: str


SHAPES = {
    GatewayState.ONLINE: ("ok", 100),
    GatewayState.LATE: ("warn", 125),
    GatewayState.FAULT: ("crit", 145),
    GatewayState.OFFLINE: ("off", 125),
}


def shape_of(gateway: Gateway, measure: Measure, largest: int) -> tuple[str, int]:
    """(shape, percent) of a mark; for use and value the area grows with the amount of today."""
    if measure is Measure.STATE:
        return SHAPES[gateway.state]
    amount = gateway.uses if measure is Measure.USE else gateway.fees_nano
    if amount <= 0 or largest <= 0:
        return "off", 80
    return "info", 90 + math.isqrt(10_000 * amount // largest) * 260 // 100


def largest_of(gateways: Sequence[Gateway], measure: Measure) -> int:
    """The largest amount of today, to which the marks are compared."""
    amounts = [one.uses if measure is Measure.USE else one.fees_nano for one in gateways]
    return max(amounts, default=0)


def positions(community: Community, gateways: Sequence[Gateway]) -> dict[bytes, tuple[int, int]]:
    """Gateway -> metres from the community's centre (x east, y south); those without a position are left out."""
    placed = [(one.gid, one.place) for one in gateways if one.place is not None]
    centre = community.centre or _mean([place for _, place in placed])
    if centre is None:
        return {}
    return {gid: _metres(centre, place) for gid, place in placed}


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the plane that is shown: centre and half width in metres, and metres per pixel on a desk."""

    x: int
    y: int
    half_width: int

    @property
    def half_height(self) -> int:
        """In the form of the whole city."""
        return self.half_width * HALF_HEIGHT_M // HALF_WIDTH_M

    @property
    def metres_per_px(self) -> float:
        """On a desk."""
        return 2 * self.half_width / PANEL_PX


def window_on(places: Sequence[tuple[int, int]]) -> Window:
    """The whole city, or the neighbourhood when all gateways stand close together; always all of them."""
    if not places:
        return Window(0, 0, HALF_WIDTH_M)
    xs, ys = [x for x, _ in places], [y for _, y in places]
    x, y = (min(xs) + max(xs)) // 2, (min(ys) + max(ys)) // 2
    needed = max((max(xs) - min(xs)) / 2, (max(ys) - min(ys)) / 2 * HALF_WIDTH_M / HALF_HEIGHT_M) * MARGIN
    if needed > HALF_WIDTH_M / 2:
        farthest = max(max(map(abs, xs)), max(map(abs, ys)) * HALF_WIDTH_M // HALF_HEIGHT_M)
        return Window(0, 0, max(HALF_WIDTH_M, round(farthest * 1.1)))
    return Window(x, y, max(NEAR_HALF_WIDTH_M, round(needed)))


def draw(marks: Sequence[Mark], title: str) -> str:
    """The whole SVG element."""
    shown = window_on([(one.x, one.y) for one in marks])
    labelled = len(marks) <= LABELS_MAX
    places = _spread(marks, shown)
    body = "".join(_mark(one, at, places, shown, labelled) for one, at in zip(marks, places, strict=True))
    box = f"{shown.x - shown.half_width} {shown.y - shown.half_height} {2 * shown.half_width} {2 * shown.half_height}"
    return (
        f'<svg class="city {"few" if labelled else "many"}" viewBox="{box}" preserveAspectRatio="xMidYMid meet" '
        f'font-size="{12 * shown.metres_per_px:.0f}" role="img" aria-label="{escape(title)}">'
        f'{base()}<g id="sites">{body}</g></svg>'
    )


def _spread(marks: Sequence[Mark], shown: Window) -> list[tuple[int, int]]:
    """Where each mark is drawn: at its place, or beside one that stands there already."""
    found: list[tuple[int, int]] = []
    for one in marks:
        x, y = one.x, one.y
        while any(math.hypot(x - ox, y - oy) < CROWDED_PX * shown.metres_per_px for ox, oy in found):
            x += round(APART_PX * shown.metres_per_px)
        found.append((x, y))
    return found


@lru_cache(maxsize=1)
def base() -> str:
    """Everything that never changes."""
    c = city()
    return "".join(
        (
            f'<defs><clipPath id="town"><path d="{_path([c.outline], True)}"/></clipPath></defs>',
            f'<path class="field" d="{_path(c.fields, True)}"/>',
            f'<path class="road out" d="{_path(c.country)}"/>',
            f'<path class="water" d="{_path([c.river], True)}"/>',
            f'<path class="land" d="{_path([c.outline], True)}"/>',
            '<g clip-path="url(#town)">',
            f'<path class="park" d="{_path(c.parks, True)}"/>',
            f'<path class="street" d="{_path(c.streets)}"/>',
            f'<path class="border" d="{_path(c.districts, True)}"/>',
            f'<path class="stream" d="{_path([c.stream])}"/>',
            f'<path class="water" d="{_path([c.river], True)}"/>',
            f'<path class="casing" d="{_path([*c.country, *c.avenues])}"/>',
            f'<path class="road" d="{_path([*c.country, *c.avenues])}"/>',
            "</g>",
            f'<path class="rails" d="{_path([c.railway])}"/><path class="ties" d="{_path([c.railway])}"/>',
            '<g class="names" aria-hidden="true">',
            *(f'<text x="{x:.0f}" y="{-y:.0f}">{escape(name)}</text>' for name, (x, y) in c.labels),
            "</g>",
        )
    )


def _label(name: str, at: tuple[int, int], places: list[tuple[int, int]], px: float) -> str:
    """The name beside its mark: on the right, or on the left when another mark stands in its way."""
    right = any(0 < x - at[0] < LABEL_PX * px and abs(y - at[1]) < CROWDED_PX * px for x, y in places)
    side, anchor = (-1, ' text-anchor="end"') if right else (1, "")
    return f'<text x="{side * 10 * px:.0f}" dy=".35em"{anchor}>{escape(name)}</text>'


def _mark(one: Mark, at: tuple[int, int], places: list[tuple[int, int]], shown: Window, labelled: bool) -> str:
    size = shown.metres_per_px / SYMBOL_PX
    name = _label(one.name, at, places, shown.metres_per_px) if labelled else ""
    return (
        f'<g id="m-{one.id}" transform="translate({at[0]} {at[1]})"><title>{escape(one.name)}: {escape(one.note)}'
        f'</title><g transform="scale({size:.2f})"><use href="#m-{one.shape}" class="{one.shape}" '
        f'transform="scale({one.percent / 100:g})"/></g>{name}</g>'
    )


def _path(lines: Iterable[Line], closed: bool = False) -> str:
    end = "z" if closed else ""
    return "".join(_one_path(line) + end for line in lines)


def _one_path(line: Line) -> str:
    points = [(round(x), -round(y)) for x, y in line]
    first, found = points[0], []
    for (x1, y1), (x2, y2) in pairwise(points):
        found.append(f"{x2 - x1} {y2 - y1}")
    return f"M{first[0]} {first[1]}l" + " ".join(found).replace(" -", "-")


def _metres(centre: Place, place: Place) -> tuple[int, int]:
    narrow = math.cos(math.radians(centre.latitude_e7 / E7))
    east = (place.longitude_e7 - centre.longitude_e7) / E7 * METRES_PER_DEGREE * narrow
    north = (place.latitude_e7 - centre.latitude_e7) / E7 * METRES_PER_DEGREE
    return round(east), -round(north)


def _mean(places: Sequence[Place]) -> Place | None:
    if not places:
        return None
    return Place(
        sum(one.latitude_e7 for one in places) // len(places), sum(one.longitude_e7 for one in places) // len(places)
    )
