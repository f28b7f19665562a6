"""Cutting totals at edges, case by case."""

import pytest
from tallystick_protocol.errors import BadValue
from tallystick_protocol.money.intervals import Cut, IntervalSlice, Point, cut

EDGES = [0, 900, 1800, 2700, 3600, 4500]
GAP = 2000


def test_a_reading_at_the_edge_is_the_total_there() -> None:
    slices, state = cut([Point(0, 10), Point(900, 40), Point(1800, 45)], None, EDGES, GAP)
    assert slices == [IntervalSlice(0, 900, 10, 40), IntervalSlice(900, 1800, 40, 45)]
    assert state == Cut(1800, 45)


def test_between_readings_the_total_is_linear_and_floored() -> None:
    slices, state = cut([Point(100, 0), Point(1000, 10), Point(1900, 20)], None, EDGES, GAP)
    assert [(s.start_ms, s.end_ms, s.to_total) for s in slices] == [(100, 900, 8), (900, 1800, 18)]
    assert state == Cut(1800, 18)


def test_a_floor_is_taken_of_the_exact_line() -> None:
    slices, _ = cut([Point(1, 7), Point(1001, 700_007)], None, [900], GAP)
    assert slices == [IntervalSlice(1, 900, 7, 7 + 700_000 * 899 // 1000)]


def test_only_complete_intervals_are_cut() -> None:
    assert cut([Point(0, 0), Point(899, 9)], None, EDGES, GAP) == ([], Cut(0, 0))


def test_no_counts_make_no_row_and_the_next_slice_begins_at_its_edge() -> None:
    slices, _ = cut([Point(0, 5), Point(900, 5), Point(1800, 5), Point(2700, 6)], None, EDGES, GAP)
    assert slices == [IntervalSlice(1800, 2700, 5, 6)]


def test_a_hole_is_one_marked_slice_between_what_is_known() -> None:
    slices, state = cut([Point(0, 0), Point(500, 50), Point(3000, 90), Point(3700, 97)], None, EDGES, GAP)
    assert slices == [
        IntervalSlice(0, 500, 0, 50),
        IntervalSlice(500, 3000, 50, 90, gap=True),
        IntervalSlice(3000, 3600, 90, 96),
    ]
    assert state == Cut(3600, 96)


def test_a_span_as_long_as_the_longest_gap_is_no_hole() -> None:
    slices, _ = cut([Point(0, 0), Point(GAP, 20)], None, EDGES, GAP)
    assert not any(piece.gap for piece in slices)


def test_the_longest_gap_is_that_of_the_time_where_a_hole_begins() -> None:
    points = [Point(0, 0), Point(1000, 10), Point(2000, 20)]
    slices, _ = cut(points, None, EDGES, lambda t_ms: 500 if t_ms == 1000 else GAP)
    assert [piece.gap for piece in slices] == [False, False, True]


def test_nothing_in_nothing_out() -> None:
    assert cut([], None, EDGES, GAP) == ([], None)
    assert cut([], Cut(900, 5), EDGES, GAP) == ([], Cut(900, 5))
    assert cut([Point(900, 5)], Cut(900, 5), EDGES, GAP) == ([], Cut(900, 5))


def test_a_clock_that_stepped_back_loses_no_counts() -> None:
    slices, state = cut([Point(0, 0), Point(900, 9), Point(850, 12), Point(1800, 30)], None, EDGES, GAP)
    assert [(s.from_total, s.to_total) for s in slices] == [(0, 9), (9, 30)]
    assert state == Cut(1800, 30)


@pytest.mark.parametrize(
    ("points", "last", "reason"),
    [
        ([Point(0, 5), Point(900, 4)], None, "total falls from 5 to 4"),
        ([Point(900, 5)], Cut(0, 0), "last reading at or before the last cut"),
        ([Point(0, 5), Point(900, 9)], Cut(0, 20), "above 9"),
    ],
)
def test_readings_that_cannot_be_are_refused(points: list[Point], last: Cut | None, reason: str) -> None:
    with pytest.raises(BadValue, match=reason):
        cut(points, last, EDGES, GAP)
