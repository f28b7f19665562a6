"""The Italian energy communities' rules (CACER, annex 1): an hour's incentive and its division.

Tables that are reproduced by contract files and the books: test_fixtures.py.
"""

from dataclasses import replace

from support.money import CHAIN, ELENA, HADDAD, contract, interval, price
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import PartyRef
from tallystick_protocol.money.numbers import Ratio
from tallystick_protocol.money.rating import rate
from tallystick_protocol.money.split import Step, share
from tallystick_protocol.money.tariff import Band, Form, Tariff


def test_an_energy_communitys_hour_is_split_over_fund_and_members() -> None:
    shared_wh = min(8000 + 5000, 2500 + 4100 + 1900)
    assert shared_wh == 8500
    members = {"m1": 2500, "m2": 4100, "m3": 1900}
    ids = [PartyId(bytes([n]) * 16) for n in range(1, 6)]
    parties = tuple(PartyRef(f"party {n}", party, "user") for n, party in enumerate(ids))
    tariff = Tariff(Form.INTERVAL, "kWh", "Wh", 0, Ratio(1000, 1), (Band("tip", (price("0.130"),)),))
    weights = (45, 30, 20, 3, 2)
    version = replace(
        contract(),
        tariff=tariff,
        split=(Step(tuple(zip(ids, weights, strict=True))),),
        parties=parties,
        collector=ids[0],
        assets=(replace(contract().assets[0], user=ids[1]),),
    )
    use = interval(0, shared_wh)._replace(payer=ids[0])
    [rated] = rate([version], CHAIN, [use], {})
    assert rated.fee == 1_105_000_000
    assert [amount for _, amount in rated.shares] == [497_250_000, 331_500_000, 221_000_000, 33_150_000, 22_100_000]
    assert share(331_500_000, list(members.values()), use.use_id) == [97_500_000, 159_900_000, 74_100_000]
    assert {ELENA, HADDAD}.isdisjoint(ids)
