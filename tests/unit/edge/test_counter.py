"""Metering: totals never fall, wrong values are set aside with a reason, new levels join on without a jump."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.edge import BOOT_2, COUNTER, moment
from tallystick_edge.items import Moment
from tallystick_edge.journal_rows import decode_channel, encode_channel
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import (
    CONFIRM_COUNT,
    GLITCH_POLLS,
    STILL_MS,
    CounterRule,
    Metered,
    Seen,
    meter,
)
from tallystick_edge.metering.silence import gap
from tallystick_protocol import cbor
from tallystick_protocol.codes import EventCode, Reason, TimeQuality

EVERY = 5_000


def feed(
    values: list[int],
    state: ChannelState | None = None,
    rule: CounterRule = COUNTER,
    serial: str | None = "A",
    start_ms: int = 0,
) -> tuple[ChannelState, list[Metered]]:
    state = state or ChannelState(1)
    steps: list[Metered] = []
    for index, value in enumerate(values):
        metered = meter(state, rule, Seen(moment(start_ms + index * EVERY), value, serial))
        state = metered.state
        steps.append(metered)
    return state, steps


def codes(steps: list[Metered]) -> list[EventCode]:
    return [event.code for each in steps for event in each.events]


def test_the_first_value_begins_the_channel() -> None:
    state, [first] = feed([1_834_207])
    assert first.reading is not None
    assert (first.reading.total, first.reading.mark) == (1_834_207, Reason.BEGIN)
    assert (state.generation, state.base) == (0, 0)


def test_a_rising_register_is_read_as_it_is() -> None:
    _, steps = feed([100, 101, 101, 107])
    assert [each.reading.total for each in steps if each.reading] == [100, 101, 101, 107]
    assert codes(steps) == []


def test_a_fallen_value_is_set_aside_and_the_next_good_one_goes_on() -> None:
    state, steps = feed([100, 3, 101])
    assert steps[1].reading is None
    assert (steps[1].events[0].code, steps[1].events[0].reason) == (EventCode.QUARANTINED, Reason.FELL)
    assert state.total == 101
    assert state.suspect is None


def test_a_jump_beyond_rated_power_is_set_aside() -> None:
    _, steps = feed([100, 90_100, 101])
    assert steps[1].events[0].reason is Reason.IMPLAUSIBLE_JUMP
    assert [each.reading is not None for each in steps] == [True, False, True]


def test_a_glitch_never_becomes_plausible_by_waiting_for_it() -> None:
    _, steps = feed([100, 90_100, 101, 90_100, 102, 90_100, 103])
    assert max(each.reading.total for each in steps if each.reading) == 103


def test_a_reset_is_believed_after_a_while_and_the_unseen_part_is_not_billed() -> None:
    state, steps = feed([1_000, *range(0, CONFIRM_COUNT * 2, 2)])
    assert codes(steps) == [EventCode.QUARANTINED, EventCode.RESET]
    assert state.generation == 1
    assert state.total == 1_000 + 2 * (CONFIRM_COUNT - 1)


def test_a_wrong_value_right_after_a_reset_hides_nothing_of_what_the_new_register_counted() -> None:
    """Seed 2000185 of the simulation: a reset, a value, a wrong one."""
    state, steps = feed([1_000, 0, 2, 90_000_000, 4, 6, 8])
    assert codes(steps) == [EventCode.QUARANTINED, EventCode.QUARANTINED, EventCode.RESET]
    assert state.total == 1_008


@pytest.mark.parametrize("wrong_at", range(5))
def test_a_register_that_fell_to_0_and_wrongly_says_so_again_after_an_outage_hides_no_use(wrong_at: int) -> None:
    """Seed 3200138 of the simulation: the wrong value fits the level before the outage, at whatever poll."""
    state, _ = feed([370_000, 0, 0, 0])
    after = [2_000, 2_000, 2_000, 2_000, 2_001, 2_002, 2_003, 2_004, 2_005]
    after.insert(wrong_at, 0)
    for index, value in enumerate(after):
        state = meter(state, COUNTER, Seen(unset_clock(index * EVERY), value, "A")).state
    assert (state.total, state.generation) == (372_005, 1)


@pytest.mark.parametrize("rest", [3, 24])
def test_a_wrong_first_value_that_comes_again_hides_nothing_of_what_the_true_level_counts(rest: int) -> None:
    """Seed 3300196 of the simulation: the true values had all stood still until then."""
    state, steps = feed([50_100, *[100_100] * rest, 50_100, *range(100_101, 100_106)])
    assert codes(steps) == [EventCode.QUARANTINED, EventCode.RESET]
    assert state.total == 50_105


@pytest.mark.parametrize("begins_at", [50_000, 200_000])
@pytest.mark.parametrize("used", [0, 1, 3])
def test_what_a_wrong_value_that_comes_again_brought_is_not_counted_twice(begins_at: int, used: int) -> None:
    """Seeds 4000143 and 4000306 of the simulation: the channel's first value was wrong by so much, and so was another
    one after the meter had moved: the total had its rise already when the true level was believed."""
    state, steps = feed([begins_at, *[100_000] * 24, begins_at + used, *range(100_000 + used, 100_006)])
    assert codes(steps)[-1] is EventCode.RESET
    assert state.total == begins_at + 5


def test_a_level_that_is_lower_than_what_was_counted_meanwhile_makes_no_total_fall() -> None:
    state, steps = feed([50_000, *[100_000] * 24, 50_005, *range(100_000, 100_004), 100_009])
    totals = [step.reading.total for step in steps if step.reading is not None]
    assert totals == sorted(totals)
    assert state.total >= 50_005


def test_a_level_that_three_good_values_contradict_is_forgotten() -> None:
    """A converter that hung, and does it once more, does not gather company over good values."""
    state, _ = feed([100, *[50_100] * 30, 101, 102])
    assert state.suspect is not None
    assert decode_channel(encode_channel(state)) == state
    state, _ = feed([103], state, start_ms=40 * EVERY)
    assert state.suspect is None


def test_another_serial_is_an_exchange_with_both_serials_and_values() -> None:
    state, _ = feed([1_000])
    after, steps = feed([7, 9, 12], state, serial="B", start_ms=EVERY)
    assert codes(steps) == [EventCode.EXCHANGE]
    assert steps[-1].events[0].exchange == ("A", 1_000, "B", 7)
    assert (after.total, after.generation, after.serial) == (1_005, 1, "B")


@pytest.mark.parametrize("wrong_at", range(4))
def test_a_wrong_value_among_an_exchanged_meters_first_ones_neither_bills_nor_hides_anything(wrong_at: int) -> None:
    values = [20_100, 20_101, 20_102, 20_103]
    values.insert(wrong_at, 70_100)
    state, _ = feed([100])
    state, steps = feed(values, state, serial="B", start_ms=EVERY)
    assert codes([step for step in steps if step.reading])[:1] == [EventCode.EXCHANGE]
    assert state.total == 103


def test_a_wrong_first_value_of_an_exchanged_meter_bills_nothing_when_the_power_goes_before_the_second() -> None:
    """Seed 3500049 of the simulation: the true value was 50 kWh above it, and a month without power may bring that."""
    state, _ = feed([100])
    state, _ = feed([20_100], state, serial="B", start_ms=EVERY)
    assert decode_channel(encode_channel(state)) == state
    steps = []
    for index in range(3):
        steps.append(meter(state, COUNTER, Seen(unset_clock(index * EVERY), 70_100 + index, "B")))
        state = steps[-1].state
    assert codes(steps) == [EventCode.EXCHANGE]
    assert (state.total, state.generation) == (102, 1)


def test_what_an_exchanged_meter_counts_without_power_is_billed_once_it_was_known() -> None:
    state, _ = feed([100])
    state, _ = feed([20_100] * 3, state, serial="B", start_ms=EVERY)
    for index in range(CONFIRM_COUNT):
        state = meter(state, COUNTER, Seen(unset_clock(index * EVERY), 70_100 + index, "B")).state
    assert state.total == 100 + 50_000 + CONFIRM_COUNT - 1


def test_a_register_that_wraps_goes_on_without_a_step() -> None:
    rule = replace(COUNTER, modulus=10_000)
    state, steps = feed([9_995, 3], rule=rule)
    assert codes(steps) == [EventCode.WRAP]
    assert (state.total, state.generation) == (10_003, 1)


def test_a_fall_that_is_no_wrap_is_set_aside_although_the_register_can_wrap() -> None:
    _, steps = feed([5_000, 3], rule=replace(COUNTER, modulus=10_000))
    assert steps[1].events[0].reason is Reason.FELL


def set_clock(uptime_ms: int, off_ms: int) -> Moment:
    return replace(moment(off_ms + uptime_ms), boot=BOOT_2, uptime_ms=uptime_ms)


def test_a_day_of_use_while_the_gateway_was_off_is_billed_whole_once_it_has_company() -> None:
    state, _ = feed([100])
    for index in range(CONFIRM_COUNT):
        step = meter(state, COUNTER, Seen(set_clock(index * EVERY, 86_400_000), 100 + 11_000 * 20 + index, "A"))
        assert (step.reading is None, step.events) == (index + 1 < CONFIRM_COUNT, ())
        state = step.state
    assert step.reading is not None
    assert step.reading.mark is Reason.BOOT
    assert state.total == 100 + 11_000 * 20 + CONFIRM_COUNT - 1


def test_two_clocks_that_are_set_may_each_be_an_hour_off_and_no_more() -> None:
    """One was stepped ahead and back again over a restart, so that a minute seems to have passed."""
    state, _ = feed([100])
    within = meter(state, COUNTER, Seen(set_clock(0, 60_000), 100 + COUNTER.rated_max_per_h * 2, "A"))
    beyond = meter(state, COUNTER, Seen(set_clock(0, 60_000), 100 + COUNTER.rated_max_per_h * 3, "A"))
    assert (within.reading, within.events) == (None, ())
    assert (beyond.reading, beyond.events[0].reason) == (None, Reason.IMPLAUSIBLE_JUMP)


def test_a_wrong_first_value_after_a_night_is_not_believed_because_a_night_could_bring_it() -> None:
    state, _ = feed([100])
    night = 8 * 3_600_000
    first = meter(state, COUNTER, Seen(set_clock(0, night), 50_100, "A"))
    then = meter(first.state, COUNTER, Seen(set_clock(EVERY, night), 101, "A"))
    assert first.reading is None
    assert [(each.code, each.total) for each in then.events] == [(EventCode.QUARANTINED, 50_100)]
    assert then.state.total == 101


def test_a_wrong_first_value_of_a_meter_that_was_silent_for_a_night_needs_company_as_well() -> None:
    state, _ = feed([100])
    night = 8 * 3_600_000
    state, steps = feed([50_100, 101], state, start_ms=night)
    assert [(each.code, each.total) for each in steps[1].events] == [(EventCode.QUARANTINED, 50_100)]
    assert state.total == 101
    state, steps = feed([1_000 + index for index in range(CONFIRM_COUNT)], state, start_ms=2 * night)
    assert [each.reading is None for each in steps] == [True] * (CONFIRM_COUNT - 1) + [False]
    assert state.total == 1_000 + CONFIRM_COUNT - 1


def unset_clock(uptime_ms: int) -> Moment:
    return replace(moment(uptime_ms), boot=BOOT_2, quality=TimeQuality.U)


def test_without_a_clock_a_month_at_rated_power_is_the_limit() -> None:
    state, _ = feed([100])
    within = meter(state, COUNTER, Seen(unset_clock(0), 100 + 11_000 * 24 * 30, "A"))
    beyond = meter(state, COUNTER, Seen(unset_clock(0), 100 + 11_000 * 24 * 40, "A"))
    assert (within.reading, within.events) == (None, ())  # it waits for company
    assert (beyond.reading, beyond.events[0].reason) == (None, Reason.IMPLAUSIBLE_JUMP)


def test_a_small_rise_after_a_boot_without_a_clock_is_believed_at_once() -> None:
    state, _ = feed([100])
    step = meter(state, COUNTER, Seen(unset_clock(0), 101, "A"))
    assert step.reading is not None
    assert step.reading.mark is Reason.BOOT


def after_dark(
    values: list[int], rule: CounterRule = COUNTER, before: int = 100, readings: int = CONFIRM_COUNT + 1
) -> tuple[ChannelState, list[Metered]]:
    """`readings`: how many the channel had before the outage."""
    state, _ = feed([before] * readings, rule=rule)
    steps: list[Metered] = []
    for index, value in enumerate(values):
        steps.append(meter(state, rule, Seen(unset_clock(index * EVERY), value, "A")))
        state = decode_channel(encode_channel(steps[-1].state))  # a restart at any place forgets nothing
    return state, steps


def test_a_wrong_rise_after_an_unknown_outage_is_contradicted_and_told() -> None:
    state, steps = after_dark([50_100, 101, 102])
    assert [each.reading is None for each in steps] == [True, False, False]
    assert [(each.code, each.reason, each.total) for each in steps[1].events] == [
        (EventCode.QUARANTINED, Reason.IMPLAUSIBLE_JUMP, 50_100)
    ]
    assert state.total == 102


@pytest.mark.parametrize("wrong_at", range(CONFIRM_COUNT))
@pytest.mark.parametrize(("before", "modulus"), [(100, None), (90_000, 100_000)])
def test_a_wrong_value_at_the_old_level_hides_nothing_of_what_was_used_without_power(
    wrong_at: int, before: int, modulus: int | None
) -> None:
    """Seed 3600093 of the simulation: behind a wrap, the second value after an outage was 0; the others were true."""
    rule = replace(COUNTER, modulus=modulus, still_ms=0)
    values = [(before + 20_000 + index) % (modulus or 10**9) for index in range(2 * CONFIRM_COUNT)]
    values.insert(wrong_at, (before + 10) % (modulus or 10**9))
    state, steps = after_dark(values, rule, before=before)
    assert state.total == before + 20_000 + 2 * CONFIRM_COUNT - 1
    assert EventCode.RESET not in codes(steps)


@pytest.mark.parametrize("wrong_at", range(CONFIRM_COUNT))
@pytest.mark.parametrize("times", range(1, GLITCH_POLLS + 1))
@pytest.mark.parametrize("still_ms", [0, STILL_MS])
def test_a_meter_that_says_0_while_it_starts_hides_nothing_where_its_register_wrapped_without_power(
    wrong_at: int, times: int, still_ms: int
) -> None:
    """Seed 5001344 of the simulation: 56 Wh below its end before the outage, 0 passed for the wrap that had been."""
    rule = replace(COUNTER, modulus=100_000, still_ms=still_ms)
    values = [1_461 + index for index in range(3 * CONFIRM_COUNT)]
    values[wrong_at:wrong_at] = [0] * times
    state, steps = after_dark(values, rule, before=99_999)
    assert state.total == 100_000 + 1_461 + 3 * CONFIRM_COUNT - 1
    assert EventCode.RESET not in codes(steps)


@pytest.mark.parametrize("pattern", ["o", "oo", "oto", "oott", "ooto", "totoo", "otto"])
@pytest.mark.parametrize("still_ms", [0, STILL_MS])
@pytest.mark.parametrize(("before", "modulus"), [(100, None), (90_000, 100_000)])
def test_a_converter_that_tells_the_old_value_again_after_an_outage_hides_nothing(
    pattern: str, still_ms: int, before: int, modulus: int | None
) -> None:
    """`o`: what it said before the outage, `t`: true."""
    rule = replace(COUNTER, modulus=modulus, still_ms=still_ms)
    true = [(before + 20_000 + index) % (modulus or 10**9) for index in range(3 * CONFIRM_COUNT)]
    values = [before if each == "o" else true.pop(0) for each in pattern] + true
    state, steps = after_dark(values, rule, before=before)
    assert state.total == before + 20_000 + 3 * CONFIRM_COUNT - 1
    assert EventCode.RESET not in codes(steps)
    assert state.after_break is None


def test_five_values_that_say_that_nothing_was_used_without_power_are_believed() -> None:
    _, steps = after_dark([100] * CONFIRM_COUNT + [20_100])
    assert [(each.code, each.reason) for each in steps[-1].events] == [(EventCode.QUARANTINED, Reason.IMPLAUSIBLE_JUMP)]


def test_a_channel_s_very_first_value_that_comes_again_after_an_outage_is_not_one_told_again() -> None:
    """It may have been wrong: then what follows is no use of the outage, but the true level."""
    for readings in range(1, CONFIRM_COUNT + 1):
        state, steps = after_dark([100, *range(20_100, 20_120)], readings=readings)
        assert EventCode.RESET in codes(steps)
        assert state.total == 100 + 19


@pytest.mark.parametrize("is_first_wrong", [False, True])
def test_a_wrong_value_below_a_level_with_company_is_not_where_it_begins_after_an_outage(is_first_wrong: bool) -> None:
    """Seed 5500265 of the simulation: a first value 50 kWh too high, true ones at rest, one 50 kWh too low as the last
    before an outage or the first after it; the way from there was billed, 50 kWh that nobody had used."""
    before = [100_000, *[50_000] * 5] + [1] * (not is_first_wrong)
    state, _ = feed(before)
    values = [1] * is_first_wrong + [50_000, *range(50_000, 50_020)]
    for index, value in enumerate(values):
        step = meter(state, COUNTER, Seen(unset_clock(index * EVERY), value, "A"))
        state = decode_channel(encode_channel(step.state))
    assert state.total == 100_000 + 19


def test_a_level_that_had_company_is_not_young() -> None:
    """Seed 6000171 of the simulation: a reset, four values, an outage and an old value; 192 Wh were free."""
    reset, _ = feed([100, *range(50_100, 50_106)])
    exchanged, _ = feed([500, 501, 502], feed([100])[0], serial="B")
    for state in (reset, exchanged):
        assert decode_channel(encode_channel(state)) == state
        assert state.generation == 1
        assert not state.is_young


def test_a_wrong_rise_that_comes_again_between_good_values_gathers_no_company() -> None:
    values = [level + index for index in range(3 * CONFIRM_COUNT) for level in (50_100, 101)]
    state, _ = after_dark(values, replace(COUNTER, still_ms=0))
    assert state.total == values[-1]


def test_what_waited_when_the_meter_was_exchanged_is_told() -> None:
    state, _ = after_dark([50_100])
    told = []
    for index in range(3):
        step = meter(state, COUNTER, Seen(unset_clock(EVERY * (index + 1)), 90_000, "B"))
        state, told = step.state, told + [(each.code, each.total) for each in step.events]
    assert told == [(EventCode.QUARANTINED, 50_100), (EventCode.EXCHANGE, 100)]


def test_a_register_that_a_use_hangs_on_needs_company_and_no_time() -> None:
    waiting, _ = after_dark([50_100] * CONFIRM_COUNT)
    believed, _ = after_dark([50_100] * CONFIRM_COUNT, replace(COUNTER, still_ms=0))
    assert (waiting.total, believed.total) == (100, 50_100)


def test_a_wrap_in_an_unknown_outage_waits_for_company_too() -> None:
    rule = replace(COUNTER, modulus=100_000, still_ms=0)
    state, steps = after_dark([30_000] * CONFIRM_COUNT, rule, before=90_000)
    assert codes(steps) == [EventCode.WRAP]
    assert (state.total, state.generation) == (130_000, 1)


def test_what_waited_beyond_a_wrap_is_told_where_it_would_have_been_however_it_is_contradicted() -> None:
    rule = replace(COUNTER, modulus=100_000)
    for contradiction in (29_000, 90_005):  # behind the wrap as well, and before it, where the register really is
        state, steps = after_dark([30_000, contradiction], rule, before=90_000)
        [told] = [each for each in steps[1].events if each.reason is Reason.IMPLAUSIBLE_JUMP]
        assert (told.code, told.total) == (EventCode.QUARANTINED, 130_000), contradiction
    assert state.total == 90_005


def test_a_register_that_wraps_while_it_waits_contradicts_nothing_and_one_that_fell_does() -> None:
    rule = replace(COUNTER, modulus=100_000)
    _, steps = after_dark([99_000, 20_000], rule, before=90_000)
    assert codes(steps) == []
    _, steps = after_dark([30_100, 50], rule, before=100)
    assert (EventCode.QUARANTINED, Reason.IMPLAUSIBLE_JUMP, 30_100) in [
        (each.code, each.reason, each.total) for each in steps[1].events
    ]


def test_a_level_that_could_not_be_reached_does_not_become_reachable_by_waiting() -> None:
    """The first value was wrong by 50 kWh and the meter stands still over night: it is a reset, not a night's use."""
    state, _ = feed([100, 50_100, 50_100, 50_100])
    night = 8 * 3_600_000
    state, steps = feed([50_100, *range(50_101, 50_101 + CONFIRM_COUNT)], state, start_ms=night)
    assert codes(steps) == [EventCode.RESET]
    assert state.total == 100 + CONFIRM_COUNT


def test_a_negative_value_is_a_decoding_error_and_never_believed() -> None:
    _, steps = feed([100, *[-5] * (CONFIRM_COUNT * 3)])
    assert steps[1].events[0].reason is Reason.DECODE
    assert all(each.reading is None for each in steps[1:])


def test_a_silent_meter_has_one_gap_after_three_missed_polls() -> None:
    state, _ = feed([100])
    assert gap(state, EVERY, moment(2 * EVERY)) is None
    found = gap(state, EVERY, moment(3 * EVERY))
    assert found is not None
    assert (found.code, found.reason, found.total) == (EventCode.GAP, Reason.METER_SILENT, 100)


def test_a_channel_state_survives_the_journal() -> None:
    state, _ = feed([100, 3])
    assert decode_channel(encode_channel(state)) == state
    state, _ = after_dark([100])
    assert state.after_break is not None
    assert decode_channel(encode_channel(state)) == state


def test_a_level_with_company_is_not_forgotten_for_one_wrong_value() -> None:
    """All that was counted on it since it began is billed, also after a restart."""
    state, _ = feed([100, 50_100, 50_100, 50_100, 90_000_000])
    assert decode_channel(encode_channel(state)) == state
    assert state.suspect is not None
    assert state.suspect.older is not None
    state, steps = feed([50_101, 50_102], decode_channel(encode_channel(state)), start_ms=5 * EVERY)
    assert codes(steps) == [EventCode.RESET]
    assert state.total == 102


def test_a_suspect_of_an_older_agent_is_read() -> None:
    state, _ = feed([100, 3])
    assert state.suspect is not None
    version, number, level, numbers, aside = cast(list[object], cbor.decode(encode_channel(state)))
    old = cbor.encode([version, number, level, numbers, cast(list[object], aside)[:5]])
    assert decode_channel(old) == state


@pytest.mark.parametrize("wrongs", [(0,), (1,), (2,), (0, 2), (1, 3), (0, 1)])
@pytest.mark.parametrize("errors", [(50_000, 2_000_000_000), (-50_000, 50_000)])
def test_an_exchanged_meter_counts_from_its_first_true_value_on_beside_two_wrong_ones(
    wrongs: tuple[int, ...], errors: tuple[int, int]
) -> None:
    """Seed 5800079 of the simulation: two of the first three were wrong, and 8 Wh free."""
    values = [60_000 + 8 * index for index in range(CONFIRM_COUNT)]
    for number, place in enumerate(wrongs):
        values.insert(place, values[min(place, len(values) - 1)] + errors[number % 2])
    state, _ = feed([100])
    state, steps = feed(values, decode_channel(encode_channel(state)), serial="B", start_ms=EVERY)
    assert state.total == 100 + 8 * (CONFIRM_COUNT - 1)
    assert codes(steps).count(EventCode.EXCHANGE) == 1


def test_an_exchanged_meter_counts_from_its_first_value_after_an_outage_beside_a_wrong_one() -> None:
    """Seed 5700337: one value, the power gone, one value more, a wrong one; 68 Wh of the boot that believed it were
    free."""
    state, _ = feed([100])
    state, _ = feed([60_000], state, serial="B", start_ms=EVERY)
    for index, value in enumerate([61_300, 2_000_061_300, *range(61_310, 61_350, 10)]):
        step = meter(state, COUNTER, Seen(unset_clock(index * EVERY), value, "B"))
        state = decode_channel(encode_channel(step.state))
    assert state.total == 100 + 61_340 - 61_300


@pytest.mark.parametrize("wrong", [809_895, 50_000])
def test_a_register_that_began_anew_counts_from_there_between_two_wrong_values_and_an_outage(wrong: int) -> None:
    """Cellar 7102397: a wrong first value, 0 of a register that was reset, the power gone, and a wrong first value
    again, which over an outage can be reached from the 0: 54 Wh until the next value were free."""
    state, _ = feed([*range(859_870, 859_875)])
    for boot, values in enumerate(([wrong, 0], [50_046, *range(54, 110, 9)])):
        for index, value in enumerate(values):
            at = replace(unset_clock(index * EVERY), boot=bytes([boot]) * 8)
            state = decode_channel(encode_channel(meter(state, COUNTER, Seen(at, value, "A")).state))
    assert state.total == 859_874 + 108


@pytest.mark.parametrize("values", [1, 2])
def test_a_level_that_a_boot_s_first_value_goes_on_from_stays_one(values: int) -> None:
    """Seed 6803643: a channel's first value 50 kWh too low, the same error three times in two minutes, and a boot. The
    first value after it bore the level out; the second was taken for what the outage brought: 50 kWh were billed."""
    state, _ = feed([100, *[50_100] * values])
    for index, value in enumerate([50_100, 50_100, 50_100, 50_100, 50_102, 50_105]):
        step = meter(state, COUNTER, Seen(unset_clock(index * EVERY), value, "A"))
        state = decode_channel(encode_channel(step.state))
    assert state.total == 100 + 5


def test_a_channel_of_an_older_agent_has_readings_enough() -> None:
    state, _ = feed([100, 101])
    assert state.is_young
    version, number, level, *rest = cast(list[object], cbor.decode(encode_channel(state)))
    older = cbor.encode([version, number, cast(list[object], level)[:5], *rest])
    assert decode_channel(older) == state._replace(readings=CONFIRM_COUNT + 1)


@pytest.mark.parametrize("rest", [GLITCH_POLLS + 1, 39])
def test_a_wrong_value_that_came_before_a_level_and_comes_again_does_not_end_it(rest: int) -> None:
    """Seed 6400987: reset, a wrong value, 39 true ones of a meter at rest, the wrong one again: 1 Wh was free."""
    state, _ = feed([183_129, 50_000, *[0] * rest, 50_000, 8, 16, 24, 32, 40])
    assert state.total == 183_129 + 40


@pytest.mark.parametrize("wrongs", [(0, 2), (1, 3), (2, 4), (0, 3)])
def test_the_same_error_twice_among_an_exchanged_meter_s_first_values_hides_nothing(wrongs: tuple[int, ...]) -> None:
    """It goes on from itself, and the true level between the two stays beside it: 4 Wh were free."""
    values = [60_000 + 8 * index for index in range(CONFIRM_COUNT)]
    for place in wrongs:
        values.insert(place, values[min(place, len(values) - 1)] - 50_000)
    state, _ = feed([100])
    state, steps = feed(values, state, serial="B", start_ms=EVERY)
    assert state.total == 100 + 8 * (CONFIRM_COUNT - 1)
    assert codes(steps).count(EventCode.EXCHANGE) == 1


@pytest.mark.parametrize("values", range(1, CONFIRM_COUNT))
@pytest.mark.parametrize(("begins", "gone"), [(92_000, 0), (20, 90_005 - 20)])
def test_an_old_value_told_again_is_no_company_for_what_waits(values: int, begins: int, gone: int) -> None:
    """A rise, or a register that fell, waits, the power goes, and the converter first tells what it told before: that
    was believed, the true value behind it could not be reached from it, and what was used in the dark was free."""
    state, _ = feed([*range(90_000, 90_006)])
    begun = [begins + 8 * index for index in range(values)]
    again = [begun[-1], *(begun[-1] + 1_000 + 8 * index for index in range(7))]
    for boot, each in enumerate((begun, again)):
        for index, value in enumerate(each):
            at = replace(unset_clock(index * EVERY), boot=bytes([boot]) * 8)
            state = decode_channel(encode_channel(meter(state, COUNTER, Seen(at, value, "A")).state))
    assert state.total == again[-1] + gone


@pytest.mark.parametrize("after", [5 * EVERY, 5 * 3_600_000])
@pytest.mark.parametrize("first", [99_949_773, 50_000_000])
def test_a_level_whose_register_wraps_goes_on_over_it(after: int, first: int) -> None:
    """A channel's first value was wrong, the true ones at rest, and the register wrapped in the dark: the way from the
    wrong value was billed, 50 kWh of it, or what was counted before the wrap was free."""
    rule = replace(COUNTER, modulus=100_000_000)
    state, _ = feed([first, *[99_999_998] * 9], rule=rule)
    for index, value in enumerate([4, 8, 12, 16, 20, 24]):
        step = meter(state, rule, Seen(moment(9 * EVERY + after + index * EVERY), value, "A"))
        state = decode_channel(encode_channel(step.state))
    assert state.total == first + 26
    assert state.base + 24 == state.total


@given(st.lists(st.integers(-10, 200_000), max_size=60))
def test_totals_never_fall_whatever_a_meter_says(values: list[int]) -> None:
    _, steps = feed(values, rule=replace(COUNTER, modulus=100_000))
    totals = [each.reading.total for each in steps if each.reading]
    assert totals == sorted(totals)
    generations = [each.reading.generation for each in steps if each.reading]
    assert generations == sorted(generations)
