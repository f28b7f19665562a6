"""The laundry's world: deterministic, honest about what was used, and still after it closed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tallystick_sim.appliance import MJ_PER_WH, REST_MIN_MS
from tallystick_sim.curve import MINUTE_MS
from tallystick_sim.laundry import Laundry, Truth

NIGHT = 1_800_000_000_000
WASHERS = ("washer-1", "washer-2", "washer-3")


def opened(seed: str = "seed") -> Laundry:
    laundry = Laundry(WASHERS, seed)
    laundry.advance(NIGHT)
    laundry.open(NIGHT)
    return laundry


def lived(laundry: Laundry, minutes: int, step_ms: int = 15_000) -> Truth:
    for t in range(NIGHT, NIGHT + minutes * MINUTE_MS + 1, step_ms):
        laundry.advance(t)
    return laundry.truth()


def test_registers_stand_still_until_the_doors_open() -> None:
    laundry = Laundry(WASHERS, "seed")
    laundry.advance(NIGHT)
    laundry.advance(NIGHT + 60 * MINUTE_MS)
    truth = laundry.truth()
    assert truth.still
    assert set(truth.watt_hours.values()) == {0}
    assert truth.millilitres == 0


def test_same_seed_gives_same_washes_and_another_seed_does_not() -> None:
    assert lived(opened(), 120) == lived(opened(), 120)
    assert lived(opened(), 120) != lived(opened("other"), 120)


@settings(deadline=None, max_examples=20)
@given(st.integers(min_value=2_000, max_value=60 * MINUTE_MS))
def test_truth_does_not_depend_on_how_often_somebody_looks(step_ms: int) -> None:
    once = opened()
    once.advance(NIGHT + 60 * MINUTE_MS)
    often = opened()
    for t in range(NIGHT, NIGHT + 60 * MINUTE_MS, step_ms):
        often.advance(t)
    often.advance(NIGHT + 60 * MINUTE_MS)
    assert once.truth() == often.truth()


def test_house_meter_is_the_sum_and_the_base_load() -> None:
    laundry = opened()
    truth = lived(laundry, 90)
    below = sum(truth.watt_hours[name] for name in (*WASHERS, "dryer")) + laundry.base.watt_hours
    assert below <= truth.watt_hours["house"] <= below + len(WASHERS) + 2
    assert truth.watt_hours["house"] > 500


def test_each_programme_is_washed_and_some_are_aborted_before_they_are_billable() -> None:
    laundry = opened()
    truth = lived(laundry, 24 * 60, step_ms=60_000)
    assert {programme for cycles in truth.cycles.values() for programme in cycles} == {"30", "60"}
    assert truth.aborted > 0
    started = sum(a.started for a in laundry.washers.values())
    counted = sum(sum(cycles.values()) for cycles in truth.cycles.values())
    assert counted <= started - truth.aborted <= counted + len(WASHERS)


def test_after_closing_running_washes_finish_and_nothing_moves_any_more() -> None:
    laundry = opened()
    lived(laundry, 4)
    laundry.close()
    assert laundry.base.still is False
    assert not laundry.truth().still
    laundry.advance(NIGHT + 40 * MINUTE_MS)
    truth = laundry.truth()
    assert truth.still
    assert all(sum(cycles.values()) == 1 for name, cycles in truth.cycles.items() if name != "washer-3")
    laundry.advance(NIGHT + 900 * MINUTE_MS)
    assert laundry.truth() == truth


def test_two_washes_of_one_machine_are_never_closer_than_the_rest() -> None:
    laundry = opened()
    washer = laundry.washers["washer-1"]
    rests: list[int] = []
    resting = 0
    for t in range(NIGHT, NIGHT + 300 * MINUTE_MS, 1_000):
        laundry.advance(t)
        if washer.watts:
            rests += [resting] if resting else []
            resting = 0
        else:
            resting += 1_000
    assert len(rests) > 8
    assert min(rests[1:]) >= REST_MIN_MS - 1_000


def test_wash_takes_a_plausible_amount_of_energy() -> None:
    laundry = opened()
    truth = lived(laundry, 24 * 60, step_ms=60_000)
    cycles = sum(sum(c.values()) for c in truth.cycles.values())
    energy = sum(truth.watt_hours[name] for name in WASHERS)
    assert energy / cycles == pytest.approx(180, rel=0.3)
    assert laundry.dryer.millijoules // MJ_PER_WH == laundry.dryer.watt_hours
