"""Shared machines: a use is paid by whoever said that it is theirs, and by the house where nobody did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from support.books import DAY, HOUR, T0
from support.money_world import BOTH, on_both, open_town
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World
from support.shared import SHARED
from support.uploads import wash
from tallystick_cloud import schema
from tallystick_cloud.errors import Conflict, Forbidden, NotFound
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.schema.uses import standing
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.turns import service, store
from tallystick_cloud.turns.model import BEGINS_MS, Turn

MINUTE = 60_000
BEGAN = T0 + 2 * DAY


def opened(url: str = "sqlite://", washes: str = SHARED) -> World:
    return open_town(url, washes)


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from on_both(request, opened)


def begin(world: World, name: str, now_ms: int) -> Turn:
    what = world.community, "washer", world.ids[name], now_ms
    return world.books.database.write_now(service.begin, *what)


def claim(world: World, name: str, now_ms: int) -> Turn:
    what = world.community, "washer", world.ids[name], now_ms
    return world.books.database.write_now(service.claim, *what)


def payers(world: World) -> list[str]:
    """Of every wash, by time."""
    names = {party: name for name, party in world.ids.items()}
    rows = sorted(world.books.rows(schema.use), key=lambda row: int(row["end_ms"]))  # type: ignore[call-overload]
    return [names[bytes(row["payer"])] for row in rows if row["form"] == "event"]  # type: ignore[call-overload]


def test_everybody_pays_their_own_and_the_house_what_nobody_claims(world: World) -> None:
    begin(world, "Anna", BEGAN)
    world.wash(BEGAN + 5 * MINUTE, now_ms=BEGAN + DAY)  # the gateway was offline for a day
    begin(world, "Ben", BEGAN + 2 * HOUR)
    world.wash(BEGAN + 2 * HOUR + BEGINS_MS - 1)
    begin(world, "Ben", BEGAN + 6 * HOUR)
    world.wash(BEGAN + 6 * HOUR + BEGINS_MS)  # a quarter of an hour later it is nobody's
    world.wash(BEGAN + 9 * HOUR)
    assert payers(world) == ["Anna", "Ben", "Coop", "Coop"]
    (one,) = world.books.database.read_now(service.machines, world.community, BEGAN + DAY)
    assert (one.asset, one.uses, one.unclaimed) == ("washer", 4, 2)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    begin(world, "Anna", T0 + 31 * DAY)
    world.wash(T0 + 31 * DAY)
    begin(world, "Ben", T0 + 32 * DAY)
    world.wash(T0 + 32 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert world.books.database.read_now(audit) == []
    for at_ms in (NOVEMBER, DECEMBER):
        for name in ("Anna", "Ben", "Bank", "Coop"):
            report = world.verify(world.evidence(name, at_ms), name)
            assert report.ok, (name, report.verdict)


def test_one_s_own_file_shows_one_s_own_uses_alone() -> None:
    world = opened()
    for name, hour in (("Anna", 0), ("Ben", 3), ("Anna", 6)):
        begin(world, name, BEGAN + hour * HOUR)
        world.wash(BEGAN + hour * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    report = world.verify(world.evidence("Anna", NOVEMBER, now_ms=AFTER_NOVEMBER), "Anna")
    shown = next(one for one in report.checks if one.name == "coverage")
    assert (shown.figures["uses"], shown.figures["covers"]) == (2, 0)


def test_whose_turn_it_is(world: World) -> None:
    for name, error in (("Bank", Forbidden), ("Maria", Forbidden)):
        with pytest.raises(error, match="none of those who share"):
            begin(world, name, BEGAN)
    anna = begin(world, "Anna", BEGAN)
    assert begin(world, "Anna", BEGAN + MINUTE) == anna
    with pytest.raises(Conflict, match="is another's turn"):
        begin(world, "Ben", BEGAN + MINUTE)
    world.wash(BEGAN + 2 * MINUTE, now_ms=BEGAN + 3 * MINUTE)
    assert begin(world, "Ben", BEGAN + 4 * MINUTE).from_ms == BEGAN + 4 * MINUTE, "hers has begun"
    with pytest.raises(Conflict, match="is another's turn"):
        begin(world, "Anna", BEGAN + 5 * MINUTE)
    ben = world.books.database.read_now(store.newest, world.community, "washer")
    assert ben is not None
    write = world.books.database.write_now
    with pytest.raises(NotFound, match="is none of yours"):
        write(service.end, world.community, ben.id, world.ids["Anna"], BEGAN + 5 * MINUTE)
    write(service.end, world.community, ben.id, world.ids["Ben"], BEGAN + 5 * MINUTE)
    with pytest.raises(Conflict, match="is over already"):
        write(service.end, world.community, ben.id, world.ids["Ben"], BEGAN + 5 * MINUTE)
    assert begin(world, "Anna", BEGAN + 6 * MINUTE).party == world.ids["Anna"]
    assert payers(world) == ["Anna"]


def test_an_asset_that_nobody_shares_has_no_turns() -> None:
    world = opened()
    for asset in ("flat", "boiler"):
        with pytest.raises(NotFound, match="is none that several share"):
            world.books.database.write_now(service.begin, world.community, asset, world.ids["Ben"], BEGAN)


def test_what_runs_already_can_be_claimed_until_it_is_billed(world: World) -> None:
    with pytest.raises(Conflict, match="does not run"):
        claim(world, "Anna", BEGAN)
    started, rest = wash(2, 1, 1, 1, BEGAN, BEGAN + HOUR)
    world.books.seal_and_send(world.gateway, [started], BEGAN + MINUTE)
    assert claim(world, "Anna", BEGAN + 5 * MINUTE).from_ms == BEGAN
    with pytest.raises(Conflict, match="runs in somebody's turn already"):
        claim(world, "Ben", BEGAN + 6 * MINUTE)
    begin(world, "Ben", BEGAN + 7 * MINUTE)
    world.books.seal_and_send(world.gateway, [rest], BEGAN + HOUR)
    assert payers(world) == ["Anna"]
    started, billable, ended = _three(2, BEGAN + 3 * HOUR)
    world.books.seal_and_send(world.gateway, [started, billable], BEGAN + 4 * HOUR)
    with pytest.raises(Conflict, match="runs on the house's account already"):
        claim(world, "Ben", BEGAN + 4 * HOUR)
    world.books.seal_and_send(world.gateway, [ended], BEGAN + 5 * HOUR)
    assert payers(world) == ["Anna", "Coop"]


def _three(number: int, start_ms: int):  # type: ignore[no-untyped-def]
    """The parts of a wash with its end in one of its own."""
    started, money = wash(2, 3 * number - 2, number, number, start_ms, start_ms + HOUR)
    billable, ended = (type(money)(**{**_fields(money), "events": (one,)}) for one in money.events)
    return started, billable, ended


def _fields(part):  # type: ignore[no-untyped-def]
    return {name: getattr(part, name) for name in part.__slots__}


def test_a_use_whose_end_was_lost_long_ago_is_nobody_s() -> None:
    world = opened()
    started, _ = wash(2, 1, 1, 1, BEGAN, BEGAN + HOUR)
    world.books.seal_and_send(world.gateway, [started], BEGAN + MINUTE)
    with pytest.raises(Conflict, match="does not run"):
        claim(world, "Anna", BEGAN + 2 * DAY)


def test_an_erased_person_s_turns_are_gone_and_the_house_pays() -> None:
    world = opened()
    begin(world, "Anna", BEGAN)
    world.books.database.write_now(erase_payer, world.community, world.ids["Anna"], BEGAN + MINUTE)
    assert world.books.rows(schema.turn) == []
    world.wash(BEGAN + 2 * MINUTE)
    assert payers(world) == ["Coop"]
    with pytest.raises(Forbidden):
        begin(world, "Anna", BEGAN + DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert world.books.database.read_now(audit) == []


def test_the_house_owes_no_minimum_for_what_nobody_claims() -> None:
    world = opened(washes=SHARED.replace('per = "cycle"', 'per = "cycle"\nminimum = 4.00'))
    begin(world, "Anna", BEGAN)
    world.wash(BEGAN)
    world.wash(BEGAN + DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    names = {party: name for name, party in world.ids.items()}
    chain = next(row["chain"] for row in world.books.rows(schema.use) if row["form"] == "event")
    fees: Counter[str] = Counter()
    for row in world.books.rows(standing):
        if row["chain"] == chain:
            fees[names[bytes(row["payer"])]] += int(row["fee"])  # type: ignore[call-overload]
    assert fees == {"Anna": 4_000_000_000, "Ben": 4_000_000_000, "Coop": 1_850_000_000}
