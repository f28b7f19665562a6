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
CROWDED_M = 40
"""Gateways nearer than this stand on one site; they are drawn side by side."""
SIDE_BY_SIDE_M = 150


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
    found: dict[bytes, tuple[int, int]] = {}
    for gid, place in placed:
        x, y = _metres(centre, place)
        crowd = sum(math.hypot(x - ox, y - oy) < CROWDED_M + SIDE_BY_SIDE_M * 4 and abs(y - oy) < CROWDED_M
                    for ox, oy in found.values())  # fmt: skip
        found[gid] = (x + SIDE_BY_SIDE_M * crowd, y)
    return found


def draw(marks: Sequence[Mark], title: str) -> str:
    """The whole SVG element."""
    box = _box(marks)
    labelled = len(marks) <= LABELS_MAX
    body = "".join(_mark(one, labelled) for one in marks)
    crowd = "few" if labelled else "many"
    return (
        f'<svg class="city {crowd}" viewBox="{box}" preserveAspectRatio="xMidYMid meet" role="img" '
        f'aria-label="{escape(title)}">{base()}<g id="sites">{body}</g></svg>'
    )


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


def _mark(one: Mark, labelled: bool) -> str:
    name = f'<text x="74" y="30">{escape(one.name)}</text>' if labelled else ""
    return (
        f'<g id="m-{one.id}" transform="translate({one.x} {one.y})"><title>{escape(one.name)}: {escape(one.note)}'
        f'</title><use href="#m-{one.shape}" class="{one.shape}" transform="scale({one.percent / 100:g})"/>{name}</g>'
    )


def _box(marks: Iterable[Mark]) -> str:
    width = max([HALF_WIDTH_M, *(abs(one.x) + 300 for one in marks)])
    height = max([HALF_HEIGHT_M, *(abs(one.y) + 300 for one in marks)])
    return f"{-width} {-height} {2 * width} {2 * height}"


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
