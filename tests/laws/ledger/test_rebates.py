"""Volume tiers in the books: the rebate at the period's end, what corrects it, whom it is owed, what evidence says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import orders
from support.books import BY_VOLUME, DAY, ENERGY, HOUR, T0
from support.money import BANK, CONTI, ELENA, HADDAD, contract, cycles, price
from support.money import T0 as JANUARY
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from support.uploads import SimGateway
from tallystick_cloud import schema
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.ledger.balances import balances
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.period import rebates
from tallystick_cloud.parties.store import ids_by_name
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState
from tallystick_protocol.money.tariff import Band
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED


def washed(url: str, late: tuple[int, ...] = ()) -> World:
    """Six washes in November; those of the `late` days become known in December."""
    world = open_world(url, contracts={"washes.toml": BY_VOLUME, "energy.toml": ENERGY})
    for day in range(6):
        if day not in late:
            world.wash(T0 + day * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    for day in late:
        world.wash(T0 + day * DAY + 9 * HOUR, now_ms=T0 + 32 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    return world


def rebates_of(world: World) -> list[int]:
    rows = [row for row in world.books.rows(schema.standing) if row["form"] == "rebate"]
    return sorted(int(row["fee"]) for row in rows)  # type: ignore[call-overload]


def sheet(world: World) -> dict[tuple[str, str], int]:
    """(account, whose) -> nano."""
    names = {party: name for name, party in world.ids.items()}
    found = world.books.database.read_now(balances, world.community)
    return {(account, names[party]): nano for (_, account, party, _), nano in found.items()}


def test_six_washes_cost_what_six_cost(either_url: str) -> None:
    """1.50 twice, 1.10 three times, 1.00 once: 7.30, less 1.30."""
    world = washed(either_url)
    assert rebates_of(world) == [-1_300_000_000, 0]  # November's, and December's
    assert sheet(world)["receivable", "Anna"] == 6 * 10**9
    for name, verdict in {"Anna": VALID_SPLIT_AS_COMMITTED, "Bank": VALID, "Coop": VALID}.items():
        for month in (NOVEMBER, DECEMBER):
            assert world.verify(world.evidence(name, month), name).verdict == verdict, (name, month)
    assert world.books.audit() == []
    world.books.database.close()


@pytest.mark.parametrize("late", [(5,), (0, 3), (4, 5)])
def test_late_washes_bring_the_rebate_that_they_would_have_brought(either_url: str, late: tuple[int, ...]) -> None:
    """Of four washes there is a rebate of 0.80 already, of five one as large; the sixth makes it 1.30."""
    world, punctual = washed(either_url, late), washed("sqlite://")
    assert rebates_of(world) == rebates_of(punctual)
    assert sheet(world) == sheet(punctual)
    for name, verdict in {"Anna": VALID_SPLIT_AS_COMMITTED, "Bank": VALID}.items():
        assert world.verify(world.evidence(name, DECEMBER), name).verdict == verdict
    assert world.books.audit() == []
    for one in (world, punctual):
        one.books.database.close()


@pytest.mark.parametrize("cap", ["3.00", "0.30"])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_of_several_payers_who_share_a_cap_verifies_with_late_uses(
    seed: int, cap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late use of one moves the shared counters under those of the others, whose rebates move, or stay where the cap
    is full either way."""
    monkeypatch.setattr(orders, "ENERGY_CONTRACT", orders.ENERGY_CONTRACT.replace("cap = 3.00", f"cap = {cap}"))
    books, sent = orders.world(seed)
    world = World(books, sent[0][0], ids=books.database.read_now(ids_by_name, books.community))
    first, second = orders.CLOSE_MS - 1, orders.CLOSE_MS + DAY - 1
    late: list[tuple[SimGateway, bytes]] = []
    for number, (gateway, uploads) in enumerate(sent):
        known = (0, len(uploads) // 3, len(uploads))[number]  # nothing of the first, all of the third
        for upload in uploads[:known]:
            books.send(gateway, upload, first + 3 * DAY)
        late += [(gateway, upload) for upload in uploads[known:]]
    world.close(first, first + 3 * DAY)
    for gateway, upload in late:
        books.send(gateway, upload, first + 4 * DAY)
    world.close(second, first + 5 * DAY)
    assert min(int(row["fee"]) for row in books.rows(schema.standing)) < 0  # type: ignore[call-overload]
    chains = {bytes(row["chain"]) for row in books.rows(schema.contract_version)}  # type: ignore[arg-type]
    for chain in chains:
        for name in ("Anna", "Ben", "Bank", "Coop"):
            made = world.evidence(name, second, chain, now_ms=first + 6 * DAY)
            assert world.verify(made, name).verdict in (VALID, VALID_SPLIT_AS_COMMITTED), (name, chain.hex()[:8])
    assert books.audit() == []
    books.database.close()


def version(number: int, one: Contract) -> Version:
    return Version(sha256(b"%d" % number), sha256(b"1"), one)


def test_who_moved_out_has_a_rebate_by_the_last_tiers_and_who_came_too() -> None:
    falling = cycles(Band("all", (price("2", 5), price("1")), volume=True))
    middle = JANUARY + 10 * DAY
    first = contract(falling)
    second = contract(
        falling, version=2, prev=sha256(b"1"), effective_from_ms=middle, assets=(AssetTerms("meter", "energy", ELENA),)
    )
    found = rebates([version(1, first), version(2, second)], period_of(first, JANUARY))
    assert {one.usage.payer for one in found} == {CONTI, HADDAD, ELENA}
    assert {one.contract for one in found} == {version(2, second).h}
    february = period_of(second, JANUARY + 40 * DAY)
    assert {one.usage.payer for one in rebates([version(1, first), version(2, second)], february)} == {ELENA}


@pytest.mark.parametrize("state", [ContractState.PAUSED, ContractState.ENDED, ContractState.SHADOW])
def test_a_contract_that_stops_in_the_middle_still_gives_what_was_used_until_then(state: ContractState) -> None:
    falling = cycles(Band("all", (price("2", 5), price("1")), volume=True))
    middle = JANUARY + 10 * DAY
    first = contract(falling)
    second = replace(first, version=2, prev=sha256(b"1"), effective_from_ms=middle, state=state)
    found = [one for one in rebates([version(1, first), version(2, second)], period_of(first, JANUARY))
             if one.kind is Kind.LIVE]  # fmt: skip
    assert [(one.usage.payer, one.usage.start_ms, one.contract) for one in found] == [
        (payer, middle - 1, version(1, first).h) for payer in sorted((CONTI, HADDAD))
    ]


def test_a_last_version_without_volume_tiers_gives_none() -> None:
    first = contract(cycles(Band("all", (price("2", 5), price("1")), volume=True)))
    second = contract(cycles(), version=2, prev=sha256(b"1"), effective_from_ms=JANUARY + 10 * DAY)
    assert rebates([version(1, first), version(2, second)], period_of(first, JANUARY)) == []
    assert BANK not in {one.usage.payer for one in rebates([version(1, first)], period_of(first, JANUARY))}
