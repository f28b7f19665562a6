"""A washing machine over a restart of its gateway: an energy that may be an old one told again is held until that is
known, and no wash is lost, doubled or misnamed by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from support.edge import BOOT, BOOT_2, COUNTER, EVERY_MS, HandClock, plans, sample, wash_30, wash_60
from tallystick_edge.desk import Desk
from tallystick_edge.items import Happening
from tallystick_edge.metering.counter import CONFIRM_COUNT, CounterRule
from tallystick_edge.usage.wash import forgetful
from tallystick_protocol.codes import EventCode

STARTED, BILLABLE, ENDED = EventCode.USE_STARTED, EventCode.USE_BILLABLE, EventCode.USE_ENDED
RULE = CounterRule(None, COUNTER.rated_max_per_h, EVERY_MS, still_ms=0)
REST = (2, 300)


def readings(programme: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(watts, Wh) every 5 s of (watts, seconds), from 1,000 Wh on."""
    found, joules = [], 0
    for watts, seconds in programme:
        for _ in range(seconds * 1_000 // EVERY_MS):
            joules += watts * EVERY_MS // 1_000
            found.append((watts, 1_000 + joules // 3_600))
    return found


def over_a_restart(
    programme: Sequence[tuple[int, int]], off: range, told_again: int = 0, lost: int = 0, restored: bool = False
) -> list[Happening]:
    """Events of the machine; the gateway is off during the polls of `off`, and the first values after it are what it
    heard last. So many polls before it were `lost` with the power, or its card was `restored`."""
    first, second = Desk(plans(RULE), HandClock(), BOOT), Desk(plans(RULE), HandClock(), BOOT_2)
    values = readings(programme)
    for index, (watts, energy) in enumerate(values[: off.start - lost]):
        first.sample(sample(index * EVERY_MS, energy, watts))
    machines = {number: forgetful(state) if restored else state for number, state in first.machines.items()}
    second.load(first.channels, machines, {})
    old = values[off.start - 1][1]
    for index, (watts, energy) in enumerate(values[off.stop :]):
        shown = old if index < told_again else energy
        polled = sample((off.stop + index) * EVERY_MS, shown, watts)
        second.sample(replace(polled, uptime_ms=index * EVERY_MS))
    items = [*first.unflushed().items, *second.unflushed().items]
    return [item for item in items if isinstance(item, Happening) and item.use is not None]


HEATING = range(28, 112)  # from its first seconds into the drum
WHOLE = range(12, 168)  # more than the whole wash


@pytest.mark.parametrize("told_again", [0, 1, 2])
@pytest.mark.parametrize("lost", [0, 1, 3])
@pytest.mark.parametrize("off", [HEATING, WHOLE])
def test_heating_that_nobody_saw_names_no_cheaper_programme_and_hides_no_wash(
    off: range, told_again: int, lost: int
) -> None:
    events = over_a_restart([(2, 60), *wash_60(), REST], off, told_again, lost)
    assert [each.code for each in events if each.code in (STARTED, BILLABLE, ENDED)] == [STARTED, BILLABLE, ENDED]
    assert {each.programme for each in events if each.code in (BILLABLE, ENDED)} <= {None, "60"}
    assert [each.total for each in events if each.code is ENDED] == [1]


@pytest.mark.parametrize("start_at", range(1, CONFIRM_COUNT + 1))
@pytest.mark.parametrize("restored", [False, True])
def test_a_wash_that_begins_just_after_a_restart_has_its_own_times_and_name(start_at: int, restored: bool) -> None:
    """A card that was put back names it too where the machine was seen at rest before (docs/adr/0609)."""
    off = range(24, 60)
    programme = [(2, (off.stop + start_at) * EVERY_MS // 1_000), (900, 60), *wash_30()[1:], REST]
    events = over_a_restart(programme, off, restored=restored)
    assert [each.code for each in events] == [STARTED, BILLABLE, ENDED]
    assert events[0].at.uptime_ms == start_at * EVERY_MS
    assert events[1].programme == "30"
    assert events[1].at.utc_ms == over_a_restart(programme, range(off.start, off.start))[1].at.utc_ms


def test_a_restart_after_the_heating_was_seen_still_tells_the_programme() -> None:
    events = over_a_restart([(2, 60), *wash_60(), REST], range(112, 116))
    assert [each.programme for each in events if each.code is ENDED] == ["60"]
