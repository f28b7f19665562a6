"""Cutting intervals: the same slices however the readings arrive, and every count in exactly one of them."""

from hypothesis import given
from hypothesis import strategies as st
from tallystick_protocol.money.intervals import Cut, IntervalSlice, Point, cut, holes

GAP = 3_000


@st.composite
def readings(draw: st.DrawFn) -> list[Point]:
    """Readings with holes, counters that rest, and now and then a clock that steps back."""
    t, total, points = draw(st.integers(0, 5_000)), draw(st.integers(-100, 100)), []
    for _ in range(draw(st.integers(1, 30))):
        points.append(Point(t, total))
        t += draw(st.integers(1, 1_200) | st.integers(2_900, 12_000) | st.integers(-500, 0))
        t = max(t, 0)
        total += draw(st.integers(0, 50) | st.just(0))
    return points


marks = st.sets(st.integers(0, 60_000), max_size=40).map(sorted) | st.just(list(range(0, 200_000, 900)))


@given(readings(), marks, st.lists(st.integers(1, 6), max_size=30))
def test_cutting_as_readings_come_equals_cutting_in_one_go(
    points: list[Point], edges: list[int], chunks: list[int]
) -> None:
    whole, end = cut(points, None, edges, GAP)
    slices: list[IntervalSlice] = []
    state: Cut | None = None
    seen = 0
    for size in [*chunks, len(points)]:
        seen += size
        more, state = cut(points[:seen], state, edges, GAP)
        slices += more
    assert slices == whole
    assert state == end


@given(readings(), marks, st.integers(1, 29))
def test_only_readings_from_the_last_cut_on_are_needed(points: list[Point], edges: list[int], size: int) -> None:
    whole, end = cut(points, None, edges, GAP)
    first, state = cut(points[:size], None, edges, GAP)
    assert state is not None
    rising = [points[0]]
    for point in points[1:]:
        if point.t_ms > rising[-1].t_ms:
            rising.append(point)
    needed = [p for i, p in enumerate(rising) if i + 1 == len(rising) or rising[i + 1].t_ms > state.t_ms]
    more, last = cut(needed, state, edges, GAP)
    assert (first + more, last) == (whole, end)


@given(readings(), marks)
def test_every_count_lies_in_one_slice_and_slices_touch(points: list[Point], edges: list[int]) -> None:
    slices, state = cut(points, None, edges, GAP)
    assert state is not None
    total, t_ms = points[0].total, points[0].t_ms
    for piece in slices:
        assert piece.from_total == total
        assert piece.start_ms >= t_ms
        assert piece.end_ms > piece.start_ms
        assert piece.to_total > piece.from_total
        total, t_ms = piece.to_total, piece.end_ms
    assert total == state.total
    assert len({piece.from_total for piece in slices}) == len(slices)


@given(readings(), marks)
def test_slices_end_at_edges_or_beside_a_hole(points: list[Point], edges: list[int]) -> None:
    slices, _ = cut(points, None, edges, GAP)
    known = {point.t_ms for point in points}
    for piece in slices:
        assert piece.end_ms in edges or piece.end_ms in known
        if piece.gap:
            assert {piece.start_ms, piece.end_ms} <= known
            assert piece.end_ms - piece.start_ms > GAP


@given(readings(), marks, st.none() | st.integers(0, 60_000))
def test_edges_inside_a_hole_change_nothing(points: list[Point], edges: list[int], from_ms: int | None) -> None:
    rising = [point for n, point in enumerate(points) if all(point.t_ms > one.t_ms for one in points[:n])]
    last = None if from_ms is None else Cut(max(from_ms, rising[0].t_ms), rising[0].total)
    gone = [mark for a_ms, b_ms in holes(rising, GAP) for mark in edges if a_ms < mark < b_ms]
    left = [mark for mark in edges if mark not in gone]
    assert cut(rising, last, left, GAP) == cut(rising, last, edges, GAP)
