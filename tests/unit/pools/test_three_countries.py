"""Three countries as contract files, the templates themselves: Italy's threshold, Spain's coefficients, Dutch quarters.

Sources: GSE, "Regole operative CACER", annex 1 (55 % of what is injected in a year, above it not to businesses; advance
by the month, settlement by the year); RD 244/2019 (coefficients per hour that make 1, own use is the less of part and
consumption; the file's lines CUPS;HHHH;0,dddddd as the open tool iotlibre/calculo_coeficientes_reparto reads them); for
the Netherlands a percentage of own production settled on values of 15 minutes (TNO in binnenlandsbestuur.nl, 2026).
"""

import hashlib
from fractions import Fraction

from support.pools import CHAIN, HOUR, POOL, SPLIT, Everybody, contract, open_community, owner, party, sharing, toml
from tallystick_cloud.contracts import library
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.pools.model import Facts, Reading, Worked, work_out
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import draft_contract
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.pool import Direction

T0 = 1_735_686_000_000  # 2025-01-01T00:00 in Rome, Madrid and Amsterdam
QUARTER = HOUR // 4


def version_of(text: str) -> Version:
    numbers = iter(range(1, 1 << 20))
    draft = draft_contract(text, Everybody(), lambda size: next(numbers).to_bytes(size))
    return Version(CHAIN, CHAIN, draft.contract, draft.openings)


def worked(
    version: Version,
    rows: dict[tuple[str, int], int],
    price: str | None = None,
    *,
    step: int = HOUR,
    final: bool = True,
) -> Worked:
    """`rows`: (meter, number of the interval) -> Wh."""
    points = version.contract.pool.points if version.contract.pool is not None else ()
    ways = {one.asset: point.direction for one, point in zip(version.contract.assets, points, strict=True)}
    readings = {(m, ways[m], T0 + n * step): Reading(wh, 0) for (m, n), wh in rows.items()}
    count = max(n for _, n in rows) + 1
    series = None if version.contract.pool is None else version.contract.pool.series
    prices = {} if price is None else {(series, T0 + n * step): Exact.of(price) for n in range(count)}
    period = Period(T0, T0 + count * step)
    return work_out([version], CHAIN, period, Facts(readings, prices), is_final=final, counts_above=final)


def paid(found: Worked, name: str) -> int:
    """What came to somebody, less what they owe; as lines in shadow are not booked."""
    parts = sum(p.amount for one in found.intervals for p in one.divided.parts if p.party == party(name))
    return parts - sum(p.amount for one in found.intervals for p in one.divided.charges if p.party == party(name))


def test_italys_threshold_sends_what_is_above_it_to_households() -> None:
    """Injected 10,000, shared 8,500: 5,500 are below 55 %, the worth of 3,000 goes to Anna, the only household."""
    version = version_of(library.template("energy-community-italy"))
    rows = {("plant-1", 0): 8000, ("plant-2", 0): 2000, ("home-1", 0): 2500, ("shop-1", 0): 6000}
    found = worked(version, rows, "100")
    (one,) = found.intervals
    assert (one.sharing.shared, one.above_wh) == (8500, 3000)
    fee = 8000 * 130_000 + 500 * 120_000
    above = fee * 3000 // 8500
    assert (one.worth.fee, one.divided.above) == (fee, above)
    producers = (fee - above) * 45 // 100
    consumers = (fee - above - producers) * 40 // 100
    assert abs(paid(found, "Anna") - above - Fraction(consumers * 2500, 8500)) < 1
    assert abs(paid(found, "Bakery") - Fraction(consumers * 6000, 8500)) < 1
    on_account = worked(version, rows, "100", final=False)
    assert (on_account.intervals[0].worth.fee, on_account.intervals[0].divided.above) == (fee * 9 // 10, 0)


def test_the_threshold_is_of_the_whole_year_not_of_an_hour() -> None:
    version = version_of(library.template("energy-community-italy"))
    rows = {("plant-1", 0): 8000, ("plant-2", 0): 2000, ("home-1", 0): 2500, ("shop-1", 0): 6000}
    sunny = {("plant-1", 1): 90_000, ("plant-2", 1): 0, ("home-1", 1): 100, ("shop-1", 1): 0}
    assert [one.above_wh for one in worked(version, rows | sunny, "100").intervals] == [0, 0]


def test_spains_coefficients_are_not_passed_on() -> None:
    """The roof gives 10,001 Wh: parts 25, 35 and 40 %; flat 2 uses 100 Wh of its 3,500, and nobody gets the rest."""
    version = version_of(library.template("energy-community-spain"))
    found = worked(version, {("roof", 0): 10_001, ("flat-1", 0): 9_000, ("flat-2", 0): 100, ("flat-3", 0): 4_001})
    (one,) = found.intervals
    used = [row.allocated for row in one.sharing.consumers]
    assert used[1] == 100
    assert used[0] in (2_500, 2_501)
    assert used[2] in (4_000, 4_001)
    assert one.sharing.shared == sum(used) == one.sharing.plants[0].allocated
    assert paid(found, "Flat 1") == -used[0] * 90_000
    assert paid(found, "Community") == one.worth.fee == one.sharing.shared * 90_000


def test_spains_rounding_favours_nobody() -> None:
    """A Wh over in a thousand hours: the tool that is in use gives all of them to the first member."""
    version = version_of(library.template("energy-community-spain"))
    rows = {(m, n): 9_000 for m in ("flat-1", "flat-2", "flat-3") for n in range(1000)}
    found = worked(version, rows | {("roof", n): 1001 for n in range(1000)})
    sums = [sum(one.sharing.consumers[at].allocated for one in found.intervals) for at in range(3)]
    assert sum(sums) == 1_001_000
    assert all(abs(got - part * 10_010) < 60 for got, part in zip(sums, (25, 35, 40), strict=True))


def test_spains_file_of_coefficients_by_the_hour() -> None:
    shares = {"home-1": "0,250000", "shop-1": "0,350000", "home-2": "0,400000"}
    other = {"home-1": "1,000000", "shop-1": "0,000000", "home-2": "0,000000"}
    text = "".join(
        f"{meter};{hour:04d};{(other if hour == 2 else shares)[meter]}\n" for meter in shares for hour in range(1, 8761)
    )
    h = hashlib.sha256(text.encode()).hexdigest()
    pool = POOL.replace('"pro-rata"', '"coefficients"').replace('series = "NORD"', f'coefficients = "{h}"')
    pool = pool.replace("points = [[140, 120], [180, 80]]\nadd = 10", "price = 130")
    cer = open_community(text=toml(pool, SPLIT))
    assert cer.coefficients(text).new == 3 * 8760
    assert cer.coefficients(text).known == 3 * 8760
    rows = ["meter,start,injected_wh,withdrawn_wh"]
    for hour in range(2):
        rows += [f"plant-{n},2026-01-01T0{hour}:00,{500 * n},0" for n in (1, 2)]
        rows += [f"{meter},2026-01-01T0{hour}:00,,2000" for meter in shares]
    cer.upload("\n".join(rows))
    found = [[row.allocated for row in one.sharing.consumers] for one in cer.close().worked.intervals]
    assert found == [[375, 525, 600], [1500, 0, 0]]
    cer.books.database.close()


def test_the_netherlands_share_sixty_percent_by_the_quarter_of_an_hour() -> None:
    version = version_of(library.template("energy-community-netherlands"))
    rows = {("sun-roof", 0): 1_000, ("house-1", 0): 200, ("house-2", 0): 300}
    rows |= {("sun-roof", 1): 500, ("house-1", 1): 400, ("house-2", 1): 1_100}
    found = worked(version, rows, step=QUARTER)
    assert [one.sharing.injected for one in found.intervals] == [600, 300]
    assert [one.sharing.shared for one in found.intervals] == [500, 300]
    assert [row.allocated for row in found.intervals[1].sharing.consumers] == [80, 220]
    assert paid(found, "House 1") == -280 * 110_000
    assert paid(found, "Sun roof") == 800 * 110_000 * 95 // 100
    assert sum(paid(found, name) for name in ("House 1", "House 2", "Sun roof", "Cooperative")) == 0


def test_quarters_of_an_hour_are_not_an_hour() -> None:
    """The same energy shares less by quarters than by the hour: the resolution is the contract's, never a constant."""
    text = library.template("energy-community-netherlands")
    hourly = version_of(text.replace('interval = "15 min"', 'interval = "1 h"'))
    sun, house = {("sun-roof", 0): 1000, ("sun-roof", 1): 0}, {("house-1", 0): 0, ("house-1", 1): 500}
    by_quarter = worked(version_of(text), {**sun, **house, ("house-2", 0): 0, ("house-2", 1): 0}, step=QUARTER)
    by_hour = worked(hourly, {("sun-roof", 0): 1000, ("house-1", 0): 500, ("house-2", 0): 0})
    assert sum(one.sharing.shared for one in by_quarter.intervals) == 0
    assert by_hour.intervals[0].sharing.shared == 500


def test_prices_are_the_rules_of_the_premium() -> None:
    """min[CAP; base + max(0; 180 - Pz)] + 10 for 120/80, at the zonal price and where it is capped and floored."""
    found: Contract = contract()
    assert found.pool is not None
    for zonal in (0, 100, 139, 140, 150, 160, 179, 180, 181, 300):
        expected = min(120, 80 + max(0, 180 - zonal)) + 10
        assert found.pool.classes[0].worth(Fraction(zonal)) == expected


def test_a_member_who_joins_and_leaves_counts_between() -> None:
    more = {"home-1": "from = 2026-01-02", "home-2": "to = 2026-01-02"}
    version = contract(more=more)
    day = 24 * HOUR
    first = 1_767_222_000_000
    before = sharing(version, {0: 8000, 1: 5000, 3: 4100, 4: 1900}, first)
    after = sharing(version, {0: 8000, 1: 5000, 2: 2500, 3: 4100}, first + day)
    assert [row.point for row in before.consumers] == [3, 4]
    assert [row.point for row in after.consumers] == [2, 3]
    assert (before.shared, after.shared) == (6000, 6600)


def test_a_silent_meter_counts_and_gets_nothing() -> None:
    text = toml(more={"shop-1": "silent = true"})
    version = version_of(text)
    rows = {("plant-1", 0): 8000, ("plant-2", 0): 5000, ("home-1", 0): 2500, ("shop-1", 0): 4100, ("home-2", 0): 1900}
    readings = {
        (m, Direction.INJECTED if "plant" in m else Direction.WITHDRAWN, 1_767_222_000_000): Reading(wh, 0)
        for (m, _), wh in rows.items()
    }
    period = Period(1_767_222_000_000, 1_767_222_000_000 + HOUR)
    facts = Facts(readings, {("NORD", 1_767_222_000_000): Exact.of(100)})
    found = work_out([version], CHAIN, period, facts, is_final=True, counts_above=True)
    assert found.intervals[0].sharing.shared == 8500
    assert paid(found, "Bakery") == 0
    assert paid(found, "Anna") + paid(found, "Carla") == 331_500_000


def test_owners_of_the_worked_contract_are_its_users() -> None:
    assert [owner(index) for index in range(5)] == [party(n) for n in ("School", "Farm", "Anna", "Bakery", "Carla")]
