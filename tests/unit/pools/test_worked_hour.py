"""The hour that is worked out by hand: injected 8,000 and 5,000 Wh, withdrawn 8,500, at a zonal price of 100 EUR/MWh.

Source of the rules: GSE, "Regole operative CACER", annex 1 (min of the two sums per hour; plants by seniority;
TIP = min(CAP, base + max(0, 180 - Pz)) + correction by zone, here 120, 80 and 10 EUR/MWh); of the division: the default
shares of the open programme CerCollettiva, 45/30/20/3/2.
"""

from fractions import Fraction

from support.pools import CHAIN, MICRO, T0, contract, owner, party, sharing
from tallystick_protocol.money.pool_money import PoolPlan
from tallystick_protocol.money.split import Group

WH = {0: 8000, 1: 5000, 2: 2500, 3: 4100, 4: 1900}


def test_shared_energy_goes_to_the_oldest_plant_first() -> None:
    found = sharing(contract(), WH)
    assert (found.injected, found.withdrawn, found.shared) == (13_000, 8_500, 8_500)
    assert [row.allocated for row in found.plants] == [8_000, 500]
    assert [row.allocated for row in found.consumers] == [2_500, 4_100, 1_900]


def test_its_worth_is_divided_to_the_micro_euro() -> None:
    version = contract()
    plan = PoolPlan(version, CHAIN)
    found = sharing(version, WH)
    worth = plan.worth(found, Fraction(100), is_final=True)
    assert worth.plants == (1_040_000 * MICRO, 65_000 * MICRO)
    divided = plan.divide(found, worth, 0, T0, owner, {})
    groups = {group: amount for group, amount, _ in divided.groups if amount}
    assert groups == {Group.PRODUCERS: 497_250 * MICRO, Group.CONSUMERS: 331_500 * MICRO}
    named = {part.party: part.amount for part in divided.parts if part.group is None}
    assert named == {
        party("Social fund"): 221_000 * MICRO, party("CER"): 33_150 * MICRO, party("Software"): 22_100 * MICRO
    }  # fmt: skip
    members = {part.point: part.amount for part in divided.parts if part.group is not None}
    assert members == {
        0: 468_000 * MICRO, 1: 29_250 * MICRO, 2: 97_500 * MICRO, 3: 159_900 * MICRO, 4: 74_100 * MICRO
    }  # fmt: skip
    assert [(part.party, part.amount) for part in divided.charges] == [(party("GSE"), 1_105_000 * MICRO)]
