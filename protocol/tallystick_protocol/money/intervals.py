"""Cutting a meter's totals into interval uses: from readings and edges to slices, the same however the readings arrive.
It never prices a slice and never invents consumption: between readings it interpolates, over a hole it does not."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from tallystick_protocol.errors import BadValue


class Point(NamedTuple):
    """A reading of one channel: UTC ms and total (base + register) in counts; totals never fall."""

    t_ms: int
    total: int


class Cut(NamedTuple):
    """How far a channel is cut: the last edge and the total there."""

    t_ms: int
    total: int


class IntervalSlice(NamedTuple):
    """Counts from_total..to_total used in [start_ms, end_ms]; `gap`: spans a hole, priced by the gap rule.

    The number of the interval use is `from_total`.
    """

    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    gap: bool = False


def cut(
    points: Sequence[tuple[int, int]], last: Cut | None, edges: Iterable[int], max_gap_ms: int | Callable[[int], int]
) -> tuple[list[IntervalSlice], Cut | None]:
    """Cut everything between edges that readings already surround; returns the slices and the new state.

    `points` (see Point) come in the order of their pagination and hold every reading from the last one at or before
    `last` on (more do not matter). `edges` rise. With `last` None cutting begins at the first reading.
    The total at an edge is the reading there, else linear between its neighbours, floored. When the neighbours are more
    than `max_gap_ms` apart (a number, or what holds at the time where the hole begins) nothing is known between them:
    one slice from the last known total to the next, marked.
    Only intervals with a reading at or after their end are cut, so cutting in one go equals cutting as readings come.
    A reading at or before an earlier one's time is passed over: its counts are in the total of the next one.
    Raises BadValue when a total falls or the reading before `last` is missing.
    """
    kept = _rising(points)
    if not kept:
        return [], last
    t_ms, total = last or kept[0]
    if kept[0][0] > t_ms:
        raise BadValue("points", "must begin with the last reading at or before the last cut")
    slices: list[IntervalSlice] = []
    marks = [mark for mark in edges if mark > t_ms]
    done, count = 0, len(marks)
    a_ms, a_total = kept[0]
    for b_ms, b_total in kept[1:]:
        if b_ms > t_ms:
            if b_ms - a_ms > (max_gap_ms(a_ms) if callable(max_gap_ms) else max_gap_ms):
                t_ms, total = _over_hole(slices, Cut(t_ms, total), Point(a_ms, a_total), Point(b_ms, b_total))
            while done < count and (mark := marks[done]) <= b_ms:
                done += 1
                if mark <= t_ms:
                    continue
                here = b_total if mark == b_ms else a_total + (b_total - a_total) * (mark - a_ms) // (b_ms - a_ms)
                if here != total:
                    slices.append(_slice(t_ms, mark, total, here))
                t_ms, total = mark, here
        a_ms, a_total = b_ms, b_total
    return slices, Cut(t_ms, total)


def holes(points: Iterable[tuple[int, int]], max_gap_ms: int) -> list[tuple[int, int]]:
    """Stretches (from ms, to ms) between readings more than `max_gap_ms` apart: no edge inside one is ever cut at."""
    return [(a_ms, b_ms) for (a_ms, _), (b_ms, _) in pairwise(points) if b_ms - a_ms > max_gap_ms]


def _rising(points: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """Readings in their own order without those that a clock step put at or before an earlier one's time.

    Nothing is lost with them: the next reading's total holds what they counted.
    """
    if not points:
        return points
    kept = [points[0]]
    last_ms, highest = points[0]
    for point in points[1:]:
        t_ms, total = point
        if total < highest:
            raise BadValue("points", f"total falls from {highest} to {total} at {t_ms} ms")
        highest = total
        if t_ms > last_ms:
            kept.append(point)
            last_ms = t_ms
    return kept


def _over_hole(slices: list[IntervalSlice], state: Cut, a: Point, b: Point) -> Cut:
    """Close what is known up to `a`, then one marked slice to `b`."""
    if state.t_ms < a.t_ms:
        if a.total != state.total:
            slices.append(_slice(state.t_ms, a.t_ms, state.total, a.total))
        state = Cut(*a)
    if b.total != state.total:
        slices.append(_slice(state.t_ms, b.t_ms, state.total, b.total, gap=True))
    return Cut(*b)


def _slice(start_ms: int, end_ms: int, from_total: int, to_total: int, gap: bool = False) -> IntervalSlice:
    if to_total < from_total:
        raise BadValue("last", f"its total {from_total} is above {to_total}, the total at {end_ms} ms")
    return IntervalSlice._make((start_ms, end_ms, from_total, to_total, gap))
