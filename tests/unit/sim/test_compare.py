"""Truth against ledger: equal is equal, and every difference is a sentence with both numbers."""

from __future__ import annotations

from tallystick_sim.compare import Booked, ChannelKey, compare, expected, mismatches
from tallystick_sim.laundry import Laundry
from tallystick_sim.plan import WASHERS

IDLE = {"washer-4": 0, "washer-5": 0, "washer-6": 0}
NO_WASH: dict[str, dict[str, int]] = {name: {} for name in IDLE}
TRUTH = {
    "watt_hours": {"washer-1": 200, "washer-2": 0, "washer-3": 7, **IDLE, "house": 500},
    "milliwatt_hours": {"dryer": 1_234},
    "cycles": {"washer-1": {"30": 1, "60": 2}, "washer-2": {}, "washer-3": {}, **NO_WASH},
    "millilitres": 9_000,
}


def booked() -> dict[ChannelKey, Booked]:
    return {e.key: Booked(e.truth, 0, 0, e.programmes) for e in expected(TRUTH)}


def test_equal_is_no_mismatch() -> None:
    assert mismatches(compare(TRUTH, booked())) == []


def test_exceptions_count_as_booked() -> None:
    ledger = booked()
    ledger[ChannelKey("attic", 2)] = Booked(450, 50, 0)
    assert mismatches(compare(TRUTH, ledger)) == []


def test_missing_double_open_and_unknown_are_each_named() -> None:
    ledger = booked()
    del ledger[ChannelKey("cellar", 11)]
    ledger[ChannelKey("attic", 2)] = Booked(1_000, 0, 0)
    ledger[ChannelKey("cellar", 4)] = Booked(9_000, 0, 5)
    ledger[ChannelKey("cellar", 99)] = Booked(1, 0, 0)
    assert mismatches(compare(TRUTH, ledger)) == [
        "cellar/11 washer-1 [cycles]: used 3, booked 0, programmes {'30': 1, '60': 2} as {}",
        "cellar/4 hot-water [ml]: used 9000, booked 9000, still open 5",
        "attic/2 house [Wh]: used 500, booked 1000",
        "cellar/99 unknown [counts]: used 0, booked 1",
    ]


def test_a_wash_billed_as_another_programme_is_named() -> None:
    ledger = booked()
    ledger[ChannelKey("cellar", 11)] = Booked(3, 0, 0, {"30": 2, "60": 1})
    (sentence,) = mismatches(compare(TRUTH, ledger))
    assert "{'30': 1, '60': 2} as {'30': 2, '60': 1}" in sentence


def test_a_wash_whose_programme_nobody_saw_stands_open_and_is_no_mismatch() -> None:
    ledger = booked()
    ledger[ChannelKey("cellar", 11)] = Booked(2, 1, 0, {"30": 1, "60": 1})
    assert mismatches(compare(TRUTH, ledger)) == []
    ledger[ChannelKey("cellar", 11)] = Booked(2, 1, 0, {"30": 2})
    assert len(mismatches(compare(TRUTH, ledger))) == 1


def test_every_channel_of_the_world_is_expected() -> None:
    laundry = Laundry(tuple(w.name for w in WASHERS), "seed")
    truth = laundry.truth()
    values = {
        "watt_hours": truth.watt_hours,
        "milliwatt_hours": truth.milliwatt_hours,
        "cycles": truth.cycles,
        "millilitres": truth.millilitres,
    }
    assert len(expected(values)) == 15
