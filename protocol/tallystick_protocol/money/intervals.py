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
    points: Sequence[Point], last: Cut | None, edges: Iterable[int], max_gap_ms: int | Callable[[int], int]
) -> tuple[list[IntervalSlice], Cut | None]:
    """Cut everything between edges that readings already surround; returns the slices and the new state.

    `points` come in the order of their pagination and hold every reading from the last one at or before `last` on
    (more do not matter). `edges` rise. With `last` None cutting begins at the first reading.
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
    state = last or Cut(kept[0].t_ms, kept[0].total)
    if kept[0].t_ms > state.t_ms:
        raise BadValue("points", "must begin with the last reading at or before the last cut")
    slices: list[IntervalSlice] = []
    marks = [mark for mark in edges if mark > state.t_ms]
    done = 0
    for a, b in pairwise(kept):
        if b.t_ms <= state.t_ms:
            continue
        if b.t_ms - a.t_ms > (max_gap_ms(a.t_ms) if callable(max_gap_ms) else max_gap_ms):
            state = _over_hole(slices, state, a, b)
        while done < len(marks) and marks[done] <= b.t_ms:
            if marks[done] > state.t_ms:
                state = _to(slices, state, marks[done], _total_at(a, b, marks[done]))
            done += 1
    return slices, state


def _rising(points: Sequence[Point]) -> list[Point]:
    """Readings in their own order without those that a clock step put at or before an earlier one's time.

    Nothing is lost with them: the next reading's total holds what they counted.
    """
    kept: list[Point] = []
    highest = None
    for point in points:
        if highest is not None and point.total < highest:
            raise BadValue("points", f"total falls from {highest} to {point.total} at {point.t_ms} ms")
        highest = point.total
        if not kept or point.t_ms > kept[-1].t_ms:
            kept.append(point)
    return kept


def _over_hole(slices: list[IntervalSlice], state: Cut, a: Point, b: Point) -> Cut:
    """Close what is known up to `a`, then one marked slice to `b`."""
    if state.t_ms < a.t_ms:
        state = _to(slices, state, a.t_ms, a.total)
    return _to(slices, state, b.t_ms, b.total, gap=True)


def _to(slices: list[IntervalSlice], state: Cut, t_ms: int, total: int, gap: bool = False) -> Cut:
    """Cut at (t_ms, total); a slice without counts makes no row."""
    if total < state.total:
        raise BadValue("last", f"its total {state.total} is above {total}, the total at {t_ms} ms")
    if total > state.total:
        slices.append(IntervalSlice(state.t_ms, t_ms, state.total, total, gap))
    return Cut(t_ms, total)


def _total_at(a: Point, b: Point, t_ms: int) -> int:
    """The reading at b's time, else linear between a and b, floored."""
    if t_ms == b.t_ms:
        return b.total
    return a.total + (b.total - a.total) * (t_ms - a.t_ms) // (b.t_ms - a.t_ms)
