"""What holds for any pool: nobody shares more than he has, both sides and the money sum, order and repetition of the
data change nothing, and a member's proof fits and shows no other member's meter."""

from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pools import (
    CHAIN,
    CONSUMERS,
    HOUR,
    PLANTS,
    POOL,
    SPLIT,
    T0,
    TAIL,
    Community,
    contract,
    open_community,
    owner,
    party,
    proof_of,
    sharing,
    toml,
)
from tallystick_cloud.ledger.model import Amounts
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.pools import service
from tallystick_cloud.pools.model import Facts, Reading, work_out
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.pool import Direction
from tallystick_protocol.money.pool_energy import interval_id
from tallystick_protocol.money.pool_money import PoolPlan, weights_of
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_tree import exposed, interval_tree, layout, leaf_of
from tallystick_protocol.sum_tree import WIDTH, leaf_node, path, verify_path
from tallystick_protocol.verify.pool import verify_pool

COEFFICIENTS = {"home-1": 'part = "1/2"', "shop-1": 'part = "1/3"', "home-2": 'part = "1/6"'}
SPLITS = (
    SPLIT,
    '[[split]]\ngroup = "members"\nportion = "1/3"\n[[split]]\ngroup = "households"\nportion = "1/2"\n'
    '[[split]]\ngroup = "producers"\n',
    '[[split]]\nto = "CER"\nfixed = 0.5\nper = "period"\n'
    '[[split]]\ngroup = "consumers"\ncap = 0.2\ncap_per = "period"\ncounter = "c"\n'
    '[[split]]\nto = "Social fund"\n',
)


def _contract(plants: str, coefficients: bool, payer: str, above: str, split: str, silent: bool) -> Contract:
    pool = POOL.replace('"seniority"', f'"{plants}"').replace('payer = "GSE"', f'payer = "{payer}"')
    more = dict(COEFFICIENTS) if coefficients else {}
    if above:
        pool += f'[pool.above]\nportion = "55 %"\nto = "{above}"\n'
    if coefficients:
        pool = pool.replace('consumers = "pro-rata"', 'consumers = "coefficients"')
    if silent:
        more["home-2"] = more.get("home-2", "") + "\nsilent = true"
    more["plant-2"] = 'part = "60 %"'
    return contract(pool=pool, split=split, more=more)


CONTRACTS = tuple(
    _contract(plants, coefficients, payer, above, split, silent)
    for plants in ("seniority", "pro-rata")
    for coefficients in (False, True)
    for payer, above in (("GSE", "households"), ("consumers", ""), ("GSE", "Social fund"))
    for split in SPLITS
    for silent in (False, True)
)
contracts = st.sampled_from(CONTRACTS)
amounts = st.integers(0, 20_000) | st.integers(0, 10**12) | st.just(0)
readings = st.tuples(*[amounts] * 5).map(lambda row: dict(enumerate(row)))


@given(contracts, readings, st.integers(0, 10**6))
def test_allocations_sum_to_what_is_shared_and_nobody_shares_more_than_he_has(
    version: Contract, wh: Mapping[int, int], hour: int
) -> None:
    found = sharing(version, wh, T0, interval_id(CHAIN, hour))
    assert sum(row.allocated for row in found.plants) == sum(row.allocated for row in found.consumers) == found.shared
    assert all(0 <= row.allocated <= row.injected + row.withdrawn for row in (*found.plants, *found.consumers))
    assert found.shared <= min(found.injected, found.withdrawn)
    assert version.pool is not None
    if version.pool.consumers.value == "pro-rata":
        assert found.shared == min(found.injected, found.withdrawn)


@settings(max_examples=50)
@given(contracts, st.lists(readings, min_size=1, max_size=4), st.integers(-50, 400), st.booleans(), st.integers(0, 100))
def test_what_comes_in_goes_out_to_the_nano(
    version: Contract, hours: list[Mapping[int, int]], zonal: int, is_final: bool, above: int
) -> None:
    plan, counters = PoolPlan(version, CHAIN), {}
    for number, wh in enumerate(hours):
        start_ms = T0 + number * HOUR
        found = sharing(version, wh, start_ms, interval_id(CHAIN, start_ms))
        worth = plan.worth(found, Fraction(zonal), is_final=is_final)
        divided = plan.divide(found, worth, found.shared * above // 100, start_ms, owner, counters)
        assert sum(part.amount for part in divided.parts) == worth.fee
        assert sum(part.amount for part in divided.charges) == worth.fee
        assert all(part.amount > 0 for part in (*divided.parts, *divided.charges))
        silent = {party(user) for at, (_, user, *_) in enumerate((*PLANTS, *CONSUMERS)) if _silent(version, at)}
        assert silent.isdisjoint(part.party for part in divided.parts)


def _silent(version: Contract, index: int) -> bool:
    return version.pool is not None and version.pool.points[index].silent


@settings(max_examples=25)
@given(contracts, readings, st.integers(0, 255))
def test_the_pieces_of_all_meters_make_the_sums_and_each_has_its_place(
    version: Contract, wh: Mapping[int, int], seed: int
) -> None:
    found = sharing(version, wh)
    assert version.pool is not None
    worth = PoolPlan(version, CHAIN).worth(found, Fraction(100), is_final=True)
    weights = weights_of(version.pool, found, worth, owner)
    tree = interval_tree(version, T0, found, weights, lambda point: sha256(bytes([seed, point])))
    assert tree.top.sums[:4] == (found.injected, found.withdrawn, found.shared, found.shared)
    assert tree.top.sums[4:] == tuple(sum(weight for _, weight in weights[group]) for group in Group)
    for point in range(5):
        opened = tree.opened(point)
        for one in opened:
            verify_path(one.index, len(tree.leaves), leaf_of(one.salt, one.piece), one.path, tree.top)
        row = next(row for row in (*found.plants, *found.consumers) if row.point == point)
        assert sum(one.piece.sums[0] for one in opened) == row.injected
        assert sum(one.piece.sums[1] for one in opened) == row.withdrawn


@pytest.mark.parametrize("meters", [*range(4, 20), 64, 100, 333])
def test_no_path_shows_another_meters_numbers_whole(meters: int) -> None:
    order = layout(meters)
    assert sorted(order) == sorted([*range(meters), *range(meters)])
    assert exposed(order) == 0


def test_what_paths_show_of_a_few_meters_by_their_sums() -> None:
    """Of 4 to 20 meters every subtree that a member is shown is looked at as the set of pieces that it sums."""
    for meters in range(4, 21):
        order = layout(meters)
        seen: dict[int, int] = {}
        names = []
        for meter in order:
            names.append(1 << (2 * meter + seen.get(meter, 0)))
            seen[meter] = seen.get(meter, 0) + 1
        leaves = [leaf_node(bytes(16), b"", (name, *(0,) * (WIDTH - 1))) for name in names]
        for meter in range(meters):
            own = [at for at, one in enumerate(order) if one == meter]
            sums = {node.sums[0] for at in own for node in path(at, leaves)}
            for other in set(range(meters)) - {meter}:
                whole = 0b11 << 2 * other
                assert whole not in sums
                assert not {whole & 0x5555_5555_5555_5555, whole & 0xAAAA_AAAA_AAAA_AAAA} <= sums


METERS = [*(("injected", meter) for meter, *_ in PLANTS), *(("withdrawn", meter) for meter, *_ in CONSUMERS)]
rows_of_hours = st.lists(st.tuples(*[st.integers(0, 9_000)] * 5), min_size=1, max_size=3)
days = (date.fromordinal(date(2026, 1, 1).toordinal() + n).isoformat() for n in count())


@pytest.fixture(scope="module")
def cer() -> Iterator[Community]:
    """A community that closes by the day, and lives on through all examples."""
    found = open_community(text=toml(tail=TAIL.replace('"month"', '"day"')))
    found.now_ms = T0 + 60 * 365 * 24 * HOUR
    yield found
    found.books.database.close()


def _upload(cer: Community, lines: list[str]) -> None:
    if lines:
        cer.upload("\n".join(["meter,start,injected_wh,withdrawn_wh", *lines]), "corrected")


def _at_once(cer: Community, day: str, hours: list[tuple[int, ...]]) -> Amounts:
    """What the books should say of a day: from the truth alone, without a file or a database."""
    versions = cer.versions()
    period = service.span_of(versions[-1].contract, day).period
    starts = [period.from_ms + number * HOUR for number in range(len(hours))]
    facts = Facts(
        {
            (meter, Direction(way), start): Reading(wh, 0)
            for start, row in zip(starts, hours, strict=True)
            for (way, meter), wh in zip(METERS, row, strict=True)
        },
        {("NORD", start): Exact.of(90 + 40 * number) for number, start in enumerate(starts)},
    )
    return work_out(versions, versions[0].chain, period, facts, is_final=True, counts_above=True).lines


@settings(max_examples=8, deadline=None)
@given(hours=rows_of_hours, data=st.data())
def test_any_order_of_data_and_closes_ends_in_the_same_books(
    cer: Community, hours: list[tuple[int, ...]], data: st.DataObject
) -> None:
    """Rows come in any order, some wrong at first and corrected, closed in between; then once more, and proved."""
    day = next(days)
    before = cer.balances()

    def line(place: int, wh: int | None = None) -> str:
        hour, at = divmod(place, len(METERS))
        (way, meter), value = METERS[at], hours[hour][at] if wh is None else wh
        cells = (value, "") if way == "injected" else ("", value)
        return f"{meter},{day}T{hour:02d}:00,{cells[0]},{cells[1]}"

    everything = range(len(hours) * len(METERS))
    order = data.draw(st.permutations(everything))
    half = data.draw(st.integers(0, len(order)))
    wrong = data.draw(st.sets(st.sampled_from(everything)))
    _upload(cer, [line(place, 1_234) for place in sorted(wrong)])
    cer.prices("start,price\n" + "".join(f"{day}T{hour:02d}:00,{90 + 40 * hour}\n" for hour in range(len(hours))))
    for part in (order[:half], order[half:], order):
        _upload(cer, [line(place) for place in part])
        if cer.look(day).intervals:
            cer.close(day)
    names = cer.books.database.read_now(names_by_id, "cer")
    due = {(one.account.value, names[one.party]): nano for one, nano in _at_once(cer, day, hours).items()}
    after = cer.balances()
    changed = {key: after.get(key, 0) - before.get(key, 0) for key in after.keys() | before.keys()}
    assert {key: nano for key, nano in changed.items() if nano} == due
    again = cer.close(day)
    assert (again.again, again.posted) == (True, {})
    proof, policy = proof_of(cer, "Anna", day)
    assert verify_pool(proof.encode(), policy).verdict == "valid"
    assert {opened.piece.point for one in proof.intervals for opened in one.pieces} == {2}


def test_the_books_keep_their_laws(cer: Community) -> None:
    assert cer.books.audit() == []
