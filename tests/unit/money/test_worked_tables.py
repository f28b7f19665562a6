"""Tables that others worked out by hand: the engine reproduces them to the cent, each as a contract and its uses.

Sources: iCity D7.2 tables 6, 7, 8 and 12 (fees of an app platform); Trento's waste tariff of 2013 (volume, not weight);
the Italian energy communities' rules (CACER, annex 1): an hour's incentive and its division.
"""

from dataclasses import replace

import pytest
from support.money import CHAIN, CONTI, ELENA, HADDAD, T0, contract, cycles, event, interval, price
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import PartyRef, RatingPeriod, Terms
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.rating import Usage, canonical, minimum_usage, rate
from tallystick_protocol.money.split import Step, share
from tallystick_protocol.money.tariff import Band, Form, Tariff

EUR = 10**9
YEAR = Terms(rating_period=RatingPeriod.YEAR)


def fees_by_row(rows: dict[str, tuple[int, int, str]]) -> dict[str, int]:
    """Rows of (customers, units of each, price per unit): one use per customer, a band per row; the fees in EUR."""
    bands = tuple(Band(name, (price(each),), programmes=(name,)) for name, (_, _, each) in rows.items())
    version = contract(cycles(*bands), terms=YEAR)
    uses: list[Usage] = []
    for name, (customers, units, _) in rows.items():
        uses += [event(len(uses) + n, units, programme=name) for n in range(customers)]
    sums = dict.fromkeys(rows, 0)
    for rated in rate([version], CHAIN, canonical(uses), {}):
        sums[str(rated.band)] += rated.fee
    assert all(fee % EUR == 0 for fee in sums.values())
    return {name: fee // EUR for name, fee in sums.items()}


INTEGRATION = {
    "cities": (
        "0.05",
        {
            "sensors": (3, 2, 15000),
            "devices": (2, 1, 10000),
            "comm": (4, 1, 15000),
            "is": (4, 3, 15000),
            "data": (4, 5, 10000),
        },
        [90000, 20000, 60000, 180000, 200000],
        [4500, 1000, 3000, 9000, 10000],
    ),
    "companies": (
        "0.07",
        {"sensors": (4, 1, 15000), "devices": (4, 1, 10000), "is": (4, 3, 15000), "data": (4, 2, 10000)},
        [60000, 40000, 180000, 80000],
        [4200, 2800, 12600, 5600],
    ),
    "social": ("0.07", {"sensors": (2, 1, 6000), "devices": (2, 1, 8000)}, [12000, 16000], [840, 1120]),
}


@pytest.mark.parametrize("segment", INTEGRATION)
def test_fees_of_integrating_infrastructure(segment: str) -> None:
    rate_, rows, once, yearly = INTEGRATION[segment]
    one_shot = {name: (customers, units, str(each)) for name, (customers, units, each) in rows.items()}
    assert list(fees_by_row(one_shot).values()) == once
    annual = {name: (n, units, str(each * int(rate_[2:]) / 100)) for name, (n, units, each) in rows.items()}
    assert list(fees_by_row(annual).values()) == yearly


def test_all_integration_fees_together() -> None:
    assert sum(sum(once) for _, _, once, _ in INTEGRATION.values()) == 938_000
    assert sum(sum(yearly) for _, _, _, yearly in INTEGRATION.values()) == 54_660


CERTIFICATION = [
    ({"sme": (10, 150, 5), "hobby": (8, 25, 0), "social": (5, 0, 0)}, 1700, 75),
    ({"class 1": (2, 500, 5), "class 2": (2, 750, 5), "class 3": (2, 1000, 5)}, 4500, 225),
    ({"class 1": (2, 1000, 10), "class 2": (2, 1500, 10), "class 3": (2, 2000, 10)}, 9000, 900),
]


@pytest.mark.parametrize(("rows", "once", "yearly"), CERTIFICATION)
def test_fees_of_certifying_apps(rows: dict[str, tuple[int, int, int]], once: int, yearly: int) -> None:
    assert sum(fees_by_row({name: (apps, 1, str(each)) for name, (apps, each, _) in rows.items()}).values()) == once
    percent = {name: (apps, 1, f"{each * part}e-2") for name, (apps, each, part) in rows.items()}
    assert sum(fees_by_row(percent).values()) == yearly


APP_STORE = [
    ({"L1": (10, 0), "L2": (7, 800), "L3": (4, 1250), "L4": (2, 1750)}, 14100),
    ({"L1": (1, 0), "L2": (1, 1600), "L3": (2, 3000), "L4": (2, 4000)}, 15600),
    ({"L1": (1, 0), "L2": (1, 3200), "L3": (2, 6000), "L4": (2, 8000)}, 31200),
]
ANNUAL = {
    "cities": (4, 5000),
    "companies": (4, 7500),
    "social": (2, 0),
    "sme": (5, 3000),
    "corporate": (5, 10000),
    "developers": (15, 1000),
}


@pytest.mark.parametrize(("rows", "expected"), [*APP_STORE, (ANNUAL, 130_000)])
def test_fees_by_level_and_by_customer(rows: dict[str, tuple[int, int]], expected: int) -> None:
    assert sum(fees_by_row({name: (n, 1, str(each)) for name, (n, each) in rows.items()}).values()) == expected


HOUSEHOLDS = {"1": (8, 240), "2": (12, 360), "3": (16, 480), "4": (20, 600), "5": (24, 720), "6+": (28, 840)}
CENT_PER_LITRE = 100 * 10**6 // 1000  # the price is not in the source: a tenth of a cent, in nano of EUR


@pytest.mark.parametrize("household", HOUSEHOLDS)
@pytest.mark.parametrize("bin_l", [40, 120])
def test_waste_is_charged_by_volume_in_whole_bins_and_at_least_the_minimum(household: str, bin_l: int) -> None:
    bags, litres = HOUSEHOLDS[household]
    assert bags * 30 == litres
    minimum = Exact.of(litres).fraction() / 1000
    tariff = Tariff(
        Form.EVENT,
        "l",
        "l",
        0,
        Ratio(1, 1),
        (Band("bin", (price("0.001"),)),),
        step=bin_l,
        minimum=Exact.of(f"{minimum.numerator * (1000 // minimum.denominator)}e-3"),
    )
    version = contract(tariff, terms=YEAR)
    close = minimum_usage(CHAIN, version, CONTI, period_of(version, T0))
    for emptyings in (0, 1, 4, 30):
        half_full = [event(n, bin_l // 2 + 1) for n in range(emptyings)]
        rated = rate([version], CHAIN, [*half_full, close], {})
        assert all(one.fee == bin_l * 10**6 for one in rated[:-1])
        assert sum(one.fee for one in rated) == max(litres, emptyings * bin_l) * 10**6


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
