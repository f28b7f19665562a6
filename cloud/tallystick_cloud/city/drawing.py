"""A made-up city, drawn from a seed: our own data, no licence, no tile server. It stands behind the true positions.

It never claims to be a survey; an operator's own districts replace it."""

import math
import random
from dataclasses import dataclass
from functools import lru_cache

from tallystick_cloud.city.geometry import TURN, Line, Point, blob, cells, even_seeds, hatch, middle, waver

SEED = 7
HALF_WIDTH_M, HALF_HEIGHT_M = 3_760, 1_790
"""Half of what the map shows; the wide form of the panel it stands in."""
BEYOND_M = 9_000
"""How far roads, river and railway go on outside, so that no screen sees them end."""
NAMES = (
    "Centro", "Borgo Alto", "Molini", "Le Fonti", "San Biagio", "Campo Rosso", "Porta Nuova", "Santa Lucia",
    "Orti", "Vigna", "Stazione", "Lungofiume", "Collina", "Ronchi", "Pontevecchio", "Aurora",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class City:
    """Everything that is drawn, in metres from the centre, y to north."""

    outline: Line
    districts: list[Line]
    labels: list[tuple[str, Point]]
    river: Line
    stream: Line
    parks: list[Line]
    streets: list[Line]
    avenues: list[Line]
    country: list[Line]
    railway: Line
    fields: list[Line]


@lru_cache(maxsize=1)
def city() -> City:
    """The city; always the same one."""
    rng = random.Random(SEED)
    outline = blob(rng, (0, 0), 3_330, 1_560, 0.085, 180)
    districts = cells(outline, even_seeds(rng, outline, (-120, 60), len(NAMES), 9))
    middle_of_river = _river(rng)
    return City(
        outline=outline,
        districts=districts,
        labels=[(name, middle(cell)) for name, cell in zip(NAMES, districts, strict=True)],
        river=_band(middle_of_river),
        stream=_stream(rng),
        parks=_parks(rng, districts),
        streets=[line for number, cell in enumerate(districts) for line in _streets(rng, cell, number == 0)],
        avenues=_rings(rng),
        country=_radials(rng),
        railway=_railway(),
        fields=_fields(rng),
    )


def _river(rng: random.Random) -> Line:
    wave = waver(rng, 3)
    return [(x, -430 + 330 * wave(x / 1_900)) for x in range(-BEYOND_M, BEYOND_M + 1, 130)]


def _band(line: Line) -> Line:
    width = [52 + 15 * math.sin(x / 640) for x, _ in line]
    upper = [(x, y + w) for (x, y), w in zip(line, width, strict=True)]
    lower = [(x, y - w) for (x, y), w in zip(line, width, strict=True)]
    return [*upper, *reversed(lower)]


def _stream(rng: random.Random) -> Line:
    wave = waver(rng, 4)
    return [(980 + y * 0.42 + 130 * wave(y / 800), y) for y in range(-420, 4_000, 90)]


def _parks(rng: random.Random, districts: list[Line]) -> list[Line]:
    chosen = [cell for number, cell in enumerate(districts) if number % 3 == 1]
    sizes = [rng.uniform(130, 250) for _ in chosen]
    return [
        blob(rng, (x + rng.uniform(-180, 180), y + rng.uniform(-90, 90)), size * 1.35, size, 0.16, 30)
        for (x, y), size in zip(map(middle, chosen), sizes, strict=True)
    ]


def _streets(rng: random.Random, cell: Line, is_old: bool) -> list[Line]:
    angle = rng.uniform(0, math.pi)
    step = 88 if is_old else rng.uniform(112, 165)
    along = hatch(rng, cell, angle, step, 0.3)
    across = hatch(rng, cell, angle + math.pi / 2 + rng.uniform(-0.14, 0.14), step * 1.45, 0.4)
    return [*along, *across]


def _rings(rng: random.Random) -> list[Line]:
    found = []
    for radius in (0.3, 0.66):
        wave = waver(rng, 4)
        angles = [TURN * step / 90 for step in range(91)]
        found.append(
            [
                (
                    -60 + 3_450 * radius * (1 + 0.05 * wave(a)) * math.cos(a),
                    30 + 1_640 * radius * (1 + 0.05 * wave(a)) * math.sin(a),
                )
                for a in angles
            ]
        )
    return found


def _radials(rng: random.Random) -> list[Line]:
    found = []
    for number in range(8):
        angle, wave = TURN * (number + rng.uniform(0.2, 0.6)) / 8, waver(rng, 3)
        line = []
        for reach in range(40, BEYOND_M, 190):
            turned = angle + 0.16 * wave(reach / 2_300)
            line.append((reach * math.cos(turned) - 120, reach * 0.72 * math.sin(turned) + 60))
        found.append(line)
    return found


def _railway() -> Line:
    return [(x, 720 + 130 * math.sin(x / 1_500) - x * 0.07) for x in range(-BEYOND_M, BEYOND_M + 1, 160)]


def _fields(rng: random.Random) -> list[Line]:
    """Borders of fields around the town, so that land does not look like nothing."""
    wide, high = float(BEYOND_M), 4_000.0
    country: Line = [(-wide, -high), (wide, -high), (wide, high), (-wide, high)]
    return cells(country, even_seeds(rng, country, (0, 0), 150, 1))
