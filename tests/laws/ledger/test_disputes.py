"""Disputes hold the money of a use, and one that is right ends in one correction journal that statements show."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import update
from support.books import BY_VOLUME, DAY, ENERGY, HOUR, NOTICE, STEEP, T0, WASHES
from support.disputes import NOW, begun, ended, open_disputed, said, upheld_as_before, washes
from support.money_world import LOW, town
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from support.uploads import Randomness, SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.cli import main as tallystick
from tallystick_cloud.clock import SystemClock
from tallystick_cloud.disputes.service import held, open_dispute
from tallystick_cloud.errors import BadInput, CloudError, Conflict, Forbidden, NotFound
from tallystick_cloud.gateways.enrol import enrol
from tallystick_cloud.home import Home
from tallystick_cloud.http.month import Span
from tallystick_cloud.ingest.service import ingest
from tallystick_cloud.ledger.audit import audit
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.errors import PayoutRefused
from tallystick_cloud.payouts.model import Reason
from tallystick_cloud.settlement.payable import settled_lines
from tallystick_cloud.statements.model import RowKind
from tallystick_cloud.statements.service import accounts
from tallystick_cloud.uses.model import Reader
from tallystick_protocol.ids import channel_hash, use_id


def due(world: World) -> dict[str, int]:
    """Party -> cents that a run would pay now for washes."""
    return {one.creditor.name: one.cents for one in preview(world).plan.payouts if one.contract == "Washes"}


def preview(world: World) -> payouts.Draft:
    asked = payouts.Proposal("p", world.ids["Coop"], world.ids["Coop"], date(2026, 12, 5))

    def read(conn: object) -> payouts.Draft:
        return payouts.preview(conn, world.community, asked, NOW, settled_lines(conn, world.community))  # type: ignore[arg-type]

    return world.books.database.read_now(read)


def balances(world: World) -> dict[tuple[object, ...], int]:
    keys = ("holder", "account", "party", "chain", "unit")
    rows = (row for row in world.books.rows(schema.balance) if row["amount"])
    return {tuple(row[key] for key in keys): int(row["amount"]) for row in rows}  # type: ignore[call-overload]


def test_a_disputed_use_is_not_paid_out_until_somebody_decides_and_is_given_back_once(either_url: str) -> None:
    world = open_disputed(either_url)
    first = washes(world)[0]
    before, at_first = due(world), balances(world)
    assert before == {"Repairer": 45, "Bank": 204}
    begun(world, first)
    assert due(world) == {"Repairer": 30, "Bank": 136}
    assert sum(world.books.database.read_now(held, world.community).values()) == 1_850_000_000
    ended(world, first, is_right=True)
    assert due(world) == {"Repairer": 30, "Bank": 136}
    assert world.books.database.read_now(held, world.community) == {}
    (journal,) = (row for row in world.books.rows(schema.journal) if row["cause"] == "reversal")
    assert journal["cause_ref"] == first
    moved = {key: balances(world).get(key, 0) - nano for key, nano in at_first.items()}
    assert sum(nano for key, nano in moved.items() if key[1] == "receivable") == -1_850_000_000
    assert sum(moved.values()) == 0
    state = world.books.dump()
    with pytest.raises(Conflict, match="is upheld already"):
        ended(world, first, is_right=False)
    assert world.books.dump() == state
    given = {"Anna": 1_850_000_000, "Bank": -680_000_000, "Repairer": -150_000_000}
    assert {name: on_the_page(world, name) for name in given} == given  # before a statement holds it
    world.close(DECEMBER, AFTER_DECEMBER)
    for name, amount in given.items():
        made = world.evidence(name, DECEMBER)
        assert str(world.verify(made, name).verdict).lower().startswith("valid"), name
        assert on_the_page(world, name) == amount
    assert world.books.audit() == []
    world.books.database.close()


def on_the_page(world: World, name: str) -> int:
    """What the party's page of December says was given back."""
    reader = Reader(world.community, world.ids[name], holds_office=False, purpose="test", now_ms=AFTER_DECEMBER)
    found = world.books.database.write_now(accounts, reader, Span.of("2026-12", AFTER_DECEMBER, "UTC"))
    return sum(row.nano for one in found for row in one.rows if row.kind is RowKind.GIVEN_BACK)


def test_a_dispute_that_is_wrong_lets_the_money_go() -> None:
    world = open_disputed()
    use, before, state = washes(world)[1], due(world), balances(world)
    begun(world, use)
    assert due(world) != before
    ended(world, use, is_right=False)
    assert due(world) == before
    assert balances(world) == state


def test_when_all_is_disputed_the_run_says_so_and_a_run_from_before_is_not_released() -> None:
    world = open_disputed()
    asked = payouts.Proposal("run", world.ids["Coop"], world.ids["Coop"], date(2026, 12, 5))
    world.books.run(payouts.propose, world.community, asked, NOW)
    for use in washes(world):
        begun(world, use)
    with pytest.raises(PayoutRefused, match="less is owed to"):
        world.books.run(payouts.approve, world.community, 1, world.ids["Maria"], NOW)
    world.books.run(payouts.cancel, world.community, 1, world.ids["Coop"], NOW)
    assert due(world) == {}
    held_back = {one.party: one.reason for one in preview(world).plan.held if one.contract == "Washes"}
    assert held_back["Bank"] == held_back["Repairer"] == Reason.DISPUTED


def test_a_free_use_that_takes_a_place_in_the_tier_can_be_disputed_and_one_that_counts_nothing_cannot() -> None:
    free = STEEP.replace("price = 1.50", "price = 0.00").replace("minimum = 4.00\n", "").replace("volume = true\n", "")
    world = open_world(town=town(), contracts={"washes.toml": free, "energy.toml": ENERGY.replace(NOTICE, LOW)})
    for day in (25, 26, 27):
        world.wash(T0 + day * DAY, "60")
    assert [fee(world, use) for use in washes(world)] == [0, 0, 1_100_000_000]
    begun(world, washes(world)[0])
    assert not any(world.books.database.read_now(held, world.community).values())
    ended(world, washes(world)[0], is_right=True)
    assert [fee(world, use) for use in washes(world)] == [0, 0, 0]
    assert world.books.audit() == []
    world.books.database.close()
    plain = open_disputed()
    plain.books.run(lambda conn: conn.execute(update(schema.use_row).values(fee=0, counters="")))
    with pytest.raises(Conflict, match="costs nothing and uses nothing up"):
        begun(plain, washes(plain)[0])
    plain.books.database.close()


def test_a_rebate_cannot_be_disputed_for_who_wins_would_lose_it() -> None:
    world = open_world(town=town(), contracts={"washes.toml": BY_VOLUME, "energy.toml": ENERGY.replace(NOTICE, LOW)})
    for day in range(6):
        world.wash(T0 + day * DAY, "60")
    world.close(NOVEMBER, AFTER_NOVEMBER)
    rebate = next(row for row in world.books.rows(schema.standing) if row["form"] == "rebate")
    assert rebate["fee"] == -1_300_000_000
    with pytest.raises(Conflict, match="is a rebate, which follows from the uses of its period"):
        begun(world, rebate["use_id"])  # type: ignore[arg-type]
    world.books.database.close()


def fee(world: World, use: bytes) -> int:
    """Nano that it costs now."""
    rows = [row for row in world.books.rows(schema.use_rating) if row["use_id"] == use]
    return int(max(rows, key=lambda row: int(row["revision"]))["fee"])  # type: ignore[call-overload]


REFUSED = {
    "by a stranger": ("Ada", 0, "because", NOW, Forbidden, "neither pays for this use nor is a party"),
    "too late": ("Anna", 0, "because", NOW + 60 * DAY, Conflict, "by its contract it can be disputed for 30"),
    "twice": ("Bank", 2, "because", NOW, Conflict, "was disputed before"),
    "without a reason": ("Anna", 0, "  ", NOW, BadInput, "must have 1 to 1000 characters"),
    "of no use": ("Anna", None, "because", NOW, NotFound, "is none of lindenhof"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_dispute_that_cannot_be_is_refused_and_changes_nothing(name: str) -> None:
    who, which, why, now_ms, error, words = REFUSED[name]
    world = open_disputed()
    begun(world, washes(world)[2])
    use = bytes(32) if which is None else washes(world)[which]
    before = world.books.dump()
    with pytest.raises(error, match=words):
        world.books.run(lambda conn: open_dispute(conn, world.community, said(world, use, who, why), now_ms))
    assert world.books.dump() == before


@pytest.mark.parametrize("name", ["Anna", "Bank", "Coop"])
def test_who_opened_pays_or_gets_a_share_does_not_decide(name: str) -> None:
    world = open_disputed()
    use = washes(world)[0]
    begun(world, use)
    before = world.books.dump()
    with pytest.raises(CloudError, match="somebody else decides"):
        ended(world, use, is_right=True, name=name)
    assert world.books.dump() == before


def test_the_commands_open_list_and_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a real folder; a document goes with what is said, and who may decide is asked first."""
    (tmp_path / "town.toml").write_text(town())
    (tmp_path / "washes.toml").write_text(WASHES.replace(NOTICE, LOW))
    (tmp_path / "energy.toml").write_text(ENERGY.replace(NOTICE, LOW))
    (tmp_path / "photo").write_bytes(b"a photograph")
    place = ["--data", str(tmp_path / "data")]
    words = ["community", "import", str(tmp_path / "town.toml"), "--claims", str(tmp_path / "claims")]
    assert tallystick(["init", *place]) == 0
    assert tallystick([*words, "--server", "https://localhost:1", *place]) == 0
    home = Home(tmp_path / "data")
    database, gateway, now_ms = home.database(), SimGateway("cellar"), SystemClock().utc_ms() - HOUR
    aggregator = home.aggregator(database, Randomness("disputes"))
    claim = tomllib.loads((tmp_path / "claims" / "cellar.toml").read_text())["claim"]
    database.write_now(enrol, aggregator, gateway.enrol_request(claim), now_ms, datetime.now(UTC))
    upload = gateway.seal(wash(2, 1, 1, 1, now_ms - HOUR, now_ms))
    database.write_now(ingest, aggregator, gateway.gid, upload, now_ms)
    use = use_id(channel_hash(gateway.gid, 2), 1).hex()
    said = ["--why", "it did not turn", "--document", str(tmp_path / "photo"), *place]
    capsys.readouterr()
    assert tallystick(["dispute", "open", use, "--by", "Anna", *said]) == 0
    assert capsys.readouterr().out.startswith(f"open      {use}")
    assert tallystick(["dispute", "decide", use, "--right", "--by", "Bank", "--yes", *said]) == 1
    assert "'Bank' may not do this" in capsys.readouterr().err
    assert tallystick(["dispute", "decide", use, "--right", "--by", "Maria", *said]) == 1
    assert "--yes: is missing" in capsys.readouterr().err
    assert tallystick(["dispute", "decide", use, "--right", "--by", "Maria", "--yes", *said]) == 0
    capsys.readouterr()
    assert tallystick(["dispute", "list", "--json", *place]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["use"], row["state"], row["decided_by"]) == (use, "upheld", "Maria")
    assert row["given_back_nano"][0] == ["Anna", "1850000000"]
    assert sum(int(nano) for _, nano in row["given_back_nano"]) == 0
    renew = ["dispute", "renew", "--by", "Maria", *place]
    assert tallystick(renew) == 0
    assert "nothing to do" in capsys.readouterr().out
    database.write_now(ingest, aggregator, gateway.gid, gateway.seal(wash(2, 4, 2, 2, now_ms, now_ms + 1)), now_ms + 1)
    second = use_id(channel_hash(gateway.gid, 2), 2)
    assert tallystick(["dispute", "open", second.hex(), "--by", "Anna", *said]) == 0
    maria = database.read_now(ids_by_name, "lindenhof")["Maria"]
    database.write_now(upheld_as_before, "lindenhof", second, maria, now_ms + 2)
    capsys.readouterr()
    assert tallystick(renew) == 1
    assert f"upheld    {second.hex()}" in capsys.readouterr().err
    assert tallystick([*renew, "--yes", "--json"]) == 0
    assert [row["use"] for row in json.loads(capsys.readouterr().out)] == [second.hex()]
    assert database.read_now(audit) == []
    assert tallystick(["dispute", "open", "0a1b", "--by", "Anna", *said]) == 1
    assert "'0a1b' is not 64 hex digits" in capsys.readouterr().err
    database.close()
