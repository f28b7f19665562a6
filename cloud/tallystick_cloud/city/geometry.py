"""Plane geometry for the drawn city: cutting polygons, parallel lines inside them, wavering curves. Metres, y to north.

It never knows what is drawn with it, and all randomness comes in as a seeded generator."""

import math
import random
from collections.abc import Callable, Iterator

Point = tuple[float, float]
Line = list[Point]

TURN = 2 * math.pi
SHORTEST_STREET_M = 60.0
"""Shorter pieces look like dirt on the map."""


def waver(rng: random.Random, waves: int) -> Callable[[float], float]:
    """A smooth, repeating function of an angle with values of about -1 to 1."""
    parts = [(rng.uniform(0.3, 1) / (k + 1), k + 1, rng.uniform(0, TURN)) for k in range(waves)]
    return lambda angle: sum(size * math.sin(times * angle + start) for size, times, start in parts)


def blob(rng: random.Random, centre: Point, rx: float, ry: float, unrest: float, points: int) -> Line:
    """A closed, roundish outline."""
    wave = waver(rng, 5)
    found = []
    for step in range(points):
        angle = TURN * step / points
        reach = 1 + unrest * wave(angle)
        found.append((centre[0] + rx * reach * math.cos(angle), centre[1] + ry * reach * math.sin(angle)))
    return found


def is_inside(polygon: Line, point: Point) -> bool:
    """Whether a point lies in a polygon (even-odd)."""
    x, y = point
    inside = False
    for index, (x1, y1) in enumerate(polygon):
        x2, y2 = polygon[index - 1]
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def cut(polygon: Line, near: Point, far: Point) -> Line:
    """The part of a polygon that is closer to `near` than to `far`."""
    mx, my = (near[0] + far[0]) / 2, (near[1] + far[1]) / 2
    nx, ny = far[0] - near[0], far[1] - near[1]
    found: Line = []
    for index, a in enumerate(polygon):
        b = polygon[(index + 1) % len(polygon)]
        da, db = (a[0] - mx) * nx + (a[1] - my) * ny, (b[0] - mx) * nx + (b[1] - my) * ny
        if da <= 0:
            found.append(a)
        if da * db < 0:
            t = da / (da - db)
            found.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])))
    return found


def cells(outline: Line, seeds: Line) -> list[Line]:
    """The outline shared out: each seed gets what is nearest to it."""
    found = []
    for seed in seeds:
        cell = outline
        for other in seeds:
            if other != seed:
                cell = cut(cell, seed, other)
        found.append(cell)
    return found


def middle(polygon: Line) -> Point:
    """Centre of area."""
    area = x = y = 0.0
    for index, (x1, y1) in enumerate(polygon):
        x2, y2 = polygon[index - 1]
        cross = x2 * y1 - x1 * y2
        area, x, y = area + cross, x + (x1 + x2) * cross, y + (y1 + y2) * cross
    return (x / (3 * area), y / (3 * area)) if area else polygon[0]


def even_seeds(rng: random.Random, outline: Line, first: Point, count: int, rounds: int) -> Line:
    """`count` points spread evenly over an outline, the first staying where it is."""
    xs, ys = [p[0] for p in outline], [p[1] for p in outline]
    seeds = [first]
    while len(seeds) < count:
        point = (rng.uniform(min(xs), max(xs)), rng.uniform(min(ys), max(ys)))
        if is_inside(outline, point):
            seeds.append(point)
    for _ in range(rounds):
        seeds = [first, *(middle(cell) for cell in cells(outline, seeds)[1:])]
    return seeds


def hatch(rng: random.Random, polygon: Line, angle: float, step: float, unrest: float) -> Iterator[Line]:
    """Parallel lines at `angle` inside a polygon, `step` metres apart, give or take `unrest`; some end early."""
    ca, sa = math.cos(angle), math.sin(angle)
    turned = [(x * ca + y * sa, -x * sa + y * ca) for x, y in polygon]
    level, top = min(y for _, y in turned) + step * 0.6, max(y for _, y in turned)
    while level < top:
        crossings = sorted(_crossings(turned, level))
        for start, end in zip(crossings[::2], crossings[1::2], strict=False):
            if rng.random() < 0.2:
                start += (end - start) * rng.uniform(0.1, 0.4)
            if end - start > SHORTEST_STREET_M:
                yield [(x * ca - level * sa, x * sa + level * ca) for x in (start, end)]
        level += step * rng.uniform(1 - unrest, 1 + unrest)


def _crossings(polygon: Line, level: float) -> Iterator[float]:
    for index, (x1, y1) in enumerate(polygon):
        x2, y2 = polygon[index - 1]
        if (y1 > level) != (y2 > level):
            yield (x2 - x1) * (level - y1) / (y2 - y1) + x1
