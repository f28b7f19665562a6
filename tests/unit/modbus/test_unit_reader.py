"""What a unit refuses is split off and remembered: no reading is lost to it, and it is not asked for again."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tallystick_edge.drivers.due import EDGE_MS, next_due
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import Refused
from tallystick_edge.drivers.modbus_read import UnitReader
from tallystick_edge.profile import Limits, Span


@dataclass
class Meter:
    """A link to a meter that has only some registers and gives only so many at a time."""

    has: set[int]
    most: int = 125
    asked: list[Span] = field(default_factory=list)
    numbers_answers: bool = True
    heard_at: float = 0.0

    async def ask(self, unit: int, span: Span) -> tuple[int, ...]:
        self.asked.append(span)
        if span.count > self.most:
            raise Refused(3, "too many")
        if not set(range(span.address, span.end)) <= self.has:
            raise Refused(2, "no such register")
        return tuple(range(span.address, span.end))


def reader(meter: Meter, holes: int = 8) -> UnitReader:
    return UnitReader(LineGuard(meter, GuardTimes(0, 0)), 1, Limits(40), holes)


A, B, C = Span(4, 0, 2), Span(4, 2, 2), Span(4, 10, 2)


async def test_a_hole_that_is_refused_is_read_around_at_once_and_from_then_on() -> None:
    meter = Meter(set(range(5)) | {10, 11})
    asking = reader(meter)
    for _ in range(2):
        assert [read.span for read in await asking.read([A, B, C])] == [Span(4, 0, 4), C]
    assert meter.asked == [Span(4, 0, 12), Span(4, 0, 4), C, Span(4, 0, 4), C]
    assert asking.absent == set()


async def test_a_register_the_unit_lacks_costs_the_others_nothing() -> None:
    meter = Meter({0, 1, 10, 11})
    asking = reader(meter, holes=0)
    for _ in range(2):
        assert [read.span for read in await asking.read([A, B, C])] == [A, C]
    assert asking.absent == {B}
    assert meter.asked == [Span(4, 0, 4), A, B, C, A, C]


async def test_neighbours_given_only_one_at_a_time_are_asked_so_from_then_on() -> None:
    meter = Meter(set(range(20)), most=2)
    asking = reader(meter, holes=0)
    for _ in range(2):
        assert [read.span for read in await asking.read([A, B])] == [A, B]
    assert meter.asked == [Span(4, 0, 4), A, B, A, B]
    assert asking.absent == set()


async def test_a_unit_that_has_nothing_of_it_refuses() -> None:
    asking = reader(Meter(set()), holes=0)
    for _ in range(2):
        with pytest.raises(Refused):
            await asking.read([A])
    asking.forget()
    assert asking.absent == set()


@pytest.mark.parametrize(
    ("now_s", "every_s", "due_s"),
    [(0, 60, 60), (59, 60, 60), (60, 60, 120), (880, 40, 900), (899, 40, 900), (900, 40, 920), (0, 86_400, 900)],
)
def test_a_meter_is_read_at_its_interval_and_at_every_quarter_hour(now_s: int, every_s: int, due_s: int) -> None:
    assert next_due(now_s * 1_000, every_s * 1_000) == due_s * 1_000


def test_every_local_midnight_of_any_zone_falls_on_a_contract_edge() -> None:
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo, available_timezones

    for name in sorted(available_timezones() - {"localtime"}):
        for month in (1, 7):
            midnight = datetime(2026, month, 15, tzinfo=ZoneInfo(name)).astimezone(UTC)
            assert (midnight - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(milliseconds=EDGE_MS) == timedelta(0), name
