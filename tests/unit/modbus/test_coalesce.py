"""Merging reads: by cost, within limits, never across what must not be read, and always everything wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tallystick_edge.drivers.coalesce import hole_max, holes_in, plan_reads, wanted_spans
from tallystick_edge.profile import Limits, ModbusWire, Register, RegisterKind, Span, WireType, WordOrder

FREE = Limits(125)


@pytest.mark.parametrize(
    ("baud", "turnaround_us", "holes"), [(9_600, 20_000, 18), (9_600, 0, 10), (19_200, 20_000, 27)]
)
def test_the_hole_worth_reading_follows_from_the_line(baud: int, turnaround_us: int, holes: int) -> None:
    assert hole_max(baud, turnaround_us) == holes


def test_two_ranges_are_merged_up_to_the_hole_and_not_beyond() -> None:
    near = [Span(4, 0, 2), Span(4, 20, 2)]
    assert plan_reads(near, 18, FREE) == [Span(4, 0, 22)]
    assert plan_reads(near, 17, FREE) == near


def test_function_codes_limits_and_holes_keep_ranges_apart() -> None:
    assert len(plan_reads([Span(3, 0, 2), Span(4, 2, 2)], 50, FREE)) == 2
    assert len(plan_reads([Span(4, 0, 60), Span(4, 60, 60)], 50, Limits(80))) == 2
    assert len(plan_reads([Span(4, 0, 2), Span(4, 10, 2)], 50, Limits(80, (Span(4, 5, 1),)))) == 2
    assert len(plan_reads([Span(4, 0, 2), Span(4, 10, 2)], 50, FREE, [Span(4, 2, 8)])) == 2


def test_an_atomic_group_is_one_wanted_range() -> None:
    def part(name: str, address: int) -> Register:
        wire = ModbusWire(Span(3, address, 1), WireType.UINT16, WordOrder.HIGH_FIRST, 0, atomic="counter")
        return Register(name, "8-0:1.0.0", "m3", 0, RegisterKind.COUNTER, wire, rated_max_per_h=1)

    assert wanted_spans([part("low", 4), part("high", 2)]) == [Span(3, 2, 3)]


def test_holes_are_what_nobody_wanted() -> None:
    wanted = [Span(4, 0, 2), Span(4, 6, 2), Span(4, 7, 3)]
    assert holes_in(Span(4, 0, 10), wanted) == [Span(4, 2, 4)]


SPANS = st.lists(st.builds(Span, st.sampled_from([3, 4]), st.integers(0, 400), st.integers(1, 8)), max_size=20)
HOLES = st.lists(st.builds(Span, st.sampled_from([3, 4]), st.integers(0, 400), st.integers(1, 4)), max_size=4)


@given(SPANS, st.integers(0, 60), HOLES)
def test_a_plan_reads_everything_wanted_within_the_limits(wanted: list[Span], holes: int, refused: list[Span]) -> None:
    limits = Limits(40, tuple(refused))
    plan = plan_reads(wanted, holes, limits)
    assert all(any(read.covers(span) for read in plan) for span in wanted)
    assert all(read.count <= limits.registers_max for read in plan)
    assert len(plan) <= max(len(wanted), 0)
    for read in plan:
        for hole in holes_in(read, wanted):
            assert hole.count <= holes
            assert not any(hole.overlaps(other) for other in refused)
