"""The wash state machine: what starts, bills, ends and aborts a use, also across outages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.edge import BOOT_2, T0, WASH_RULE, Machine, moment, wash_30, wash_60
from tallystick_edge.journal_rows import decode_wash, encode_wash
from tallystick_edge.usage.wash import Phase, WashSample, WashState, close_restored, forgetful, step
from tallystick_protocol.codes import EventCode, Reason, TimeQuality

STARTED, BILLABLE = EventCode.USE_STARTED, EventCode.USE_BILLABLE
ENDED, ABORTED = EventCode.USE_ENDED, EventCode.USE_ABORTED
WHOLE = [STARTED, BILLABLE, ENDED]


def play(machine: Machine, programme: Sequence[tuple[int, int]], rest_s: int = 180) -> None:
    for watts, seconds in programme:
        machine.run(watts, seconds)
    machine.run(2, rest_s)


def test_a_whole_wash_starts_becomes_billable_and_ends_once() -> None:
    machine = Machine()
    machine.run(2, 60)
    play(machine, wash_30())
    assert machine.codes == WHOLE
    assert [each.use for each in machine.events] == [1, 1, 1]
    assert [each.total for each in machine.events] == [0, 1, 1]
    assert machine.state.phase is Phase.IDLE


def test_the_programme_is_told_by_its_heating() -> None:
    machine = Machine()
    play(machine, wash_30())
    play(machine, wash_60())
    assert [each.programme for each in machine.events if each.code is ENDED] == ["30", "60"]


def test_only_the_start_is_personal_and_only_the_end_carries_the_samples_hash() -> None:
    machine = Machine()
    play(machine, wash_30())
    assert [each.personal for each in machine.events] == [True, False, False]
    assert [each.samples_hash is not None for each in machine.events] == [False, False, True]


def test_a_wash_stopped_while_heating_is_free() -> None:
    machine = Machine()
    machine.run(35, 60)
    machine.run(2_050, 400)  # far more energy than billable_wh
    machine.run(2, 180)
    assert machine.codes == [STARTED, ABORTED]
    assert machine.events[-1].total == 0


def test_a_wash_stopped_after_the_rinse_began_is_billed() -> None:
    machine = Machine()
    machine.run(35, 60)
    machine.run(2_050, 180)
    machine.run(160, 70)
    machine.run(2, 180)
    assert machine.codes == WHOLE


def test_the_use_ends_when_the_power_became_low_not_when_that_was_believed() -> None:
    machine = Machine()
    play(machine, wash_30(), rest_s=0)
    dark = machine.ms
    machine.run(2, 180)
    assert machine.events[-1].at.utc_ms == T0 + dark + 5_000  # the first sample after it


def test_a_pause_shorter_than_the_limit_does_not_end_the_use() -> None:
    machine = Machine()
    machine.run(2_050, 180)
    machine.run(2, 100)
    machine.run(2_050, 60)
    assert machine.codes == [STARTED]


def test_a_restart_in_the_middle_goes_on_from_the_snapshot() -> None:
    machine = Machine()
    machine.run(35, 60)
    machine.run(2_050, 100)
    again = Machine(decode_wash(encode_wash(machine.state)))
    again.ms, again.energy_mwh, again.boot = machine.ms, machine.energy_mwh, BOOT_2
    again.run(2_050, 80)
    play(again, wash_30()[2:])
    assert again.codes == [BILLABLE, ENDED]
    assert again.events[-1].use == 1


def test_an_outage_over_the_end_is_decided_by_the_energy_counter() -> None:
    machine = Machine()
    machine.run(35, 60)
    machine.run(2_050, 170)
    machine.boot = BOOT_2
    for watts, seconds in wash_30()[2:]:
        machine.unseen(watts, seconds)
    machine.unseen(2, 300)
    machine.run(2, 180)
    assert machine.codes == WHOLE
    assert machine.events[1].reason is Reason.POWER_RETURN


def test_an_outage_over_the_end_without_enough_energy_is_free() -> None:
    machine = Machine()
    machine.run(35, 30)
    machine.boot = BOOT_2
    machine.unseen(2, 600)
    machine.run(2, 180)
    assert machine.codes == [STARTED, ABORTED]


def test_an_outage_over_the_start_counts_the_energy_from_before_it() -> None:
    machine = Machine()
    machine.run(2, 60)
    machine.boot = BOOT_2
    machine.unseen(35, 60)
    machine.unseen(2_050, 180)
    play(machine, wash_30()[2:])
    assert machine.codes == WHOLE


def test_a_wash_that_nobody_saw_is_billed_once_and_says_why() -> None:
    machine = Machine()
    machine.run(2, 60)
    machine.boot = BOOT_2
    for watts, seconds in wash_60():
        machine.unseen(watts, seconds)
    machine.unseen(2, 600)
    machine.run(2, 60)
    assert machine.codes == WHOLE
    assert {each.reason for each in machine.events[1:]} == {Reason.POWER_RETURN}


def programmes(machine: Machine) -> list[str | None]:
    return [each.programme for each in machine.events if each.code in (BILLABLE, ENDED)]


@pytest.mark.parametrize(
    ("wash", "minutes", "named"),
    [
        (wash_60(), 0, None),  # off for just as long as it ran: or two short ones did
        (wash_60(), 8 * 60, None),  # off over the night: the heater, or the drum for hours
        (wash_30(), 8 * 60, "30"),  # so little energy that no other programme can have run
        ([*wash_30(), (2, 600), *wash_30()], 8 * 60, None),  # as much as one hot wash
    ],
)
def test_a_programme_that_nobody_saw_is_named_only_if_it_can_be_no_other(
    wash: Sequence[tuple[int, int]], minutes: int, named: str | None
) -> None:
    machine = Machine()
    machine.run(2, 60)
    machine.boot = BOOT_2
    for watts, seconds in wash:
        machine.unseen(watts, seconds)
    machine.unseen(2, 60 * minutes)
    machine.run(2, 60)
    assert machine.codes == WHOLE
    assert programmes(machine) == [named, named]


def test_a_gap_of_unknown_length_over_the_heating_names_no_programme() -> None:
    machine = Machine()
    machine.run(35, 60)
    for watts, seconds in wash_60()[1:3]:
        machine.unseen(watts, seconds)
    before = machine.state.last
    assert before is not None
    unknown = replace(moment(machine.ms, BOOT_2), quality=TimeQuality.U)
    machine.state, _ = step(machine.state, WASH_RULE, WashSample(unknown, 160_000, machine.energy_mwh))
    assert machine.state.maybe_mwh == machine.energy_mwh - before.energy_mwh


def test_two_washes_that_nobody_can_tell_apart_are_no_hot_one() -> None:
    """The gateway is off over the end of one and the start of the next: their heating was added up."""
    machine = Machine()
    play(machine, wash_30()[:2], rest_s=0)
    machine.boot = BOOT_2
    for watts, seconds in [*wash_30()[2:], (2, 600), (35, 60)]:
        machine.unseen(watts, seconds)
    play(machine, wash_30()[1:])
    assert machine.codes == WHOLE
    assert programmes(machine) == [None, None]


def test_an_outage_after_the_heating_was_seen_still_tells_the_programme() -> None:
    machine = Machine()
    play(machine, wash_60()[:2], rest_s=0)
    machine.boot = BOOT_2
    for watts, seconds in wash_60()[2:]:
        machine.unseen(watts, seconds)
    machine.unseen(2, 3_600)
    machine.run(2, 180)
    assert machine.codes == WHOLE
    assert programmes(machine) == ["60", "60"]


def test_a_wash_that_goes_on_when_a_card_comes_back_names_no_lesser_programme() -> None:
    """What the card remembers is closed; what goes on is a use of its own, of which the start was not seen."""
    for seen, named in (([(2_050, 120), *wash_60()[2:]], None), (wash_60()[1:], "60")):
        machine = Machine(forgetful(WashState()))
        play(machine, seen)
        assert programmes(machine) == [named, named]  # the highest can have been no other
        play(machine, wash_30())
        assert programmes(machine)[2:] == ["30", "30"]


def test_a_short_outage_in_the_heating_still_tells_the_programme() -> None:
    machine = Machine()
    machine.run(35, 60)
    machine.run(2_050, 200)
    machine.boot = BOOT_2
    machine.unseen(2_050, 100)
    machine.run(2_050, 120)
    play(machine, wash_60()[2:])
    assert programmes(machine) == ["60", "60"]


def test_a_clock_that_was_set_back_makes_no_hot_wash_of_two_short_ones() -> None:
    """Two washes and the heating of a third in the dark, and the clock says 40 s: more than the machine can take."""
    machine = Machine()
    machine.run(2, 60)
    seen_ms, machine.boot = machine.ms, BOOT_2
    for watts, seconds in [*wash_30(), *wash_30(), *wash_30()[:2]]:
        machine.unseen(watts, seconds)
    machine.ms = seen_ms + 40_000
    play(machine, wash_30()[2:])
    assert programmes(machine) == [None, None]


def test_what_may_have_been_heating_survives_a_restart_and_old_snapshots_are_read() -> None:
    machine = Machine()
    machine.run(35, 60)
    old = encode_wash(machine.state)
    assert decode_wash(old) == machine.state
    doubtful = replace(machine.state, maybe_mwh=7_000, before_mwh=5_000)
    assert decode_wash(encode_wash(doubtful)) == doubtful
    assert encode_wash(replace(doubtful, maybe_mwh=0, before_mwh=0)) == old


def test_standby_during_a_long_outage_is_no_wash() -> None:
    machine = Machine()
    machine.run(2, 60)
    machine.boot = BOOT_2
    machine.unseen(2, 20 * 3_600)
    machine.run(2, 600)
    assert machine.codes == []


def test_restarts_while_the_machine_rests_do_not_hide_the_next_wash() -> None:
    machine = Machine()
    play(machine, wash_30(), rest_s=60)
    for number in range(4):
        machine.boot = bytes([number]) * 6
        machine.unseen(0, 60)
        machine.run(0, 30)
    play(machine, wash_60())
    assert machine.codes == WHOLE + WHOLE
    assert [each.programme for each in machine.events if each.code is ENDED] == ["30", "60"]


def test_closing_a_restored_card_aborts_the_open_use_and_nothing_else() -> None:
    machine = Machine()
    machine.run(2_050, 60)
    closed, events = close_restored(machine.state, WASH_RULE, moment(machine.ms))
    assert [(each.code, each.reason) for each in events] == [(ABORTED, Reason.RESTORED)]
    assert closed.phase is Phase.IDLE
    assert close_restored(closed, WASH_RULE, moment(machine.ms)) == (closed, ())


def test_the_samples_hash_changes_with_any_sample() -> None:
    one, other = Machine(), Machine()
    play(one, wash_30())
    other.energy_mwh += 1
    play(other, wash_30())
    assert one.events[-1].samples_hash != other.events[-1].samples_hash


spans = st.tuples(st.sampled_from([0, 5, 10, 35, 160, 2_050]), st.integers(5, 200), st.booleans())


@given(st.lists(spans, max_size=40))
def test_whatever_happens_uses_are_whole_and_counted_once(story: list[tuple[int, int, bool]]) -> None:
    machine = Machine()
    for watts, seconds, seen in story:
        if seen:
            machine.run(watts, seconds)
        else:
            machine.unseen(watts, seconds)
            machine.look(watts)
    machine.run(0, 200)
    billed = [each.use for each in machine.events if each.code is BILLABLE]
    started = [each.use for each in machine.events if each.code is STARTED]
    closed = [each.use for each in machine.events if each.code in (ENDED, ABORTED)]
    assert started == closed == list(range(1, len(started) + 1))
    assert machine.state.count == len(billed) == len(set(billed))
    assert set(billed) == {each.use for each in machine.events if each.code is ENDED}
