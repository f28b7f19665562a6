"""Closing a period: once, in order, over all that was used, with statements that say what the books say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, select
from support import postgres
from support.books import DAY, HOUR, T0, dump
from support.payouts import CENT, IBANS
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world, two_months
from tallystick_cloud import schema
from tallystick_cloud.bank.intake import take
from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.http.month import Span
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.runs.model import Proposal
from tallystick_cloud.settlement import service, statements, store
from tallystick_cloud.settlement.errors import SettlementRefused
from tallystick_cloud.settlement.model import Stored, TreeKey
from tallystick_cloud.settlement.service import close
from tallystick_cloud.statements.model import Row, RowKind
from tallystick_cloud.statements.service import PAID_KINDS, accounts, months
from tallystick_cloud.uses.model import Reader
from tallystick_protocol import cose
from tallystick_protocol.codes import LineKind
from tallystick_protocol.cover import Cover
from tallystick_protocol.ids import PartyId
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Line, Statement
from tallystick_sim.bank import SimBank


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = two_months()
    yield made
    made.books.database.close()


def settled(world: World) -> list[Stored]:
    return world.books.database.read_now(store.of_community, world.community)


def leaves(world: World, stored: Stored, tree: TreeKey) -> list[bytes]:
    found = world.books.database.read_now(store.leaves, stored.h, tree)
    return [one.data for one in found if one.data is not None]


def test_each_contract_has_a_chain_of_signed_settlements(world: World) -> None:
    key = PublicKey.from_spki(world.office.context.keys.settlement.spki)
    chains: dict[bytes, list[Stored]] = {}
    for one in reversed(settled(world)):
        chains.setdefault(one.chain, []).append(one)
    assert len(chains) == 2
    for november, december in chains.values():
        said = [Settlement.decode(cose.parse(one.envelope).payload) for one in (november, december)]
        assert (said[0].prev, said[1].prev) == (None, november.h)
        assert said[0].to_ms == said[1].from_ms
        for one in (november, december):
            cose.parse(one.envelope).verify(key)


def test_covers_go_on_where_the_one_before_ended(world: World) -> None:
    before: dict[tuple[bytes, bytes], Cover] = {}
    after: dict[tuple[bytes, bytes], Cover] = {}
    for one in settled(world):
        into = after if one.number == 2 else before
        into.update({(one.chain, c.channel_hash): c for c in map(Cover.decode, leaves(world, one, TreeKey.COVERS))})
    assert len(before) == len(after) == 2
    for key, cover in after.items():
        assert cover.from_total == before[key].to_total
        assert cover.from_use == before[key].to_use
        assert cover.batches[0].first == before[key].batches[-1].last + 1


def test_statements_close_at_what_the_books_say(world: World) -> None:
    def balances(conn: Connection) -> dict[tuple[bytes, bytes], int]:
        found: dict[tuple[bytes, bytes], int] = {}
        for row in conn.execute(select(schema.balance)):
            key = bytes(row.chain), bytes(row.party)
            found[key] = found.get(key, 0) - row.amount
        return found

    owed = world.books.database.read_now(balances)
    for one in settled(world):
        if one.number == 2:
            for said in map(Statement.decode, leaves(world, one, TreeKey.STATEMENTS)):
                assert said.closing == owed.get((one.chain, said.party), 0)


def test_statements_chain_and_their_rows_add_up(world: World) -> None:
    for name in ("Anna", "Ben", "Bank", "Coop", "Repairer", "Fund"):
        found = world.books.database.read_now(statements.sheets, world.community, world.ids[name])
        for contract in {one.contract for one in found}:
            after, before = (one for one in found if one.contract == contract)
            assert (after.opening, after.prev) == (before.closing, before.reference)
            for one in (before, after):
                assert one.rows[-1].balance == one.closing == one.opening + sum(row.amount or 0 for row in one.rows)
    assert len({one.reference for one in found}) == len(found)


def test_a_statement_as_csv_has_the_same_rows(world: World) -> None:
    found = world.books.database.read_now(statements.sheets, world.community, world.ids["Anna"])
    one = next(one for one in reversed(found) if one.contract == "Washes")
    lines = statements.as_csv(one).decode().splitlines()
    assert len(lines) == len(one.rows) + 1
    assert lines[0].startswith("when_ms,what,asset")
    assert lines[-1].split(",")[6] == "-6.10"


def test_closing_twice_is_one_settlement(world: World) -> None:
    before = world.books.dump()
    again = world.close(NOVEMBER, AFTER_DECEMBER)
    assert [one.again for one in again] == [True, True]
    assert world.books.dump() == before


def test_what_cannot_be_closed_changes_nothing() -> None:
    world = open_world()
    world.wash(T0 + 9 * HOUR)
    before = world.books.dump()
    with pytest.raises(Conflict, match="close it when it is over"):
        world.close(NOVEMBER, T0 + DAY)
    with pytest.raises(NotFound, match="no version in force"):
        world.books.database.write_now(close, world.office, NOVEMBER, AFTER_NOVEMBER, [bytes(32)])
    assert world.books.dump() == before
    world.close(DECEMBER, AFTER_DECEMBER)
    with pytest.raises(SettlementRefused, match="ends before the first settlement"):
        world.close(T0 - 5 * DAY, AFTER_DECEMBER)
    world.books.database.close()


def test_a_month_that_was_left_out_is_in_the_next_settlement() -> None:
    world = open_world()
    world.wash(T0 + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 31 * DAY)
    world.close(DECEMBER + 31 * DAY, AFTER_DECEMBER + 31 * DAY)
    made = world.evidence("Bank", DECEMBER, now_ms=AFTER_DECEMBER + 31 * DAY)
    assert (made.from_ms, made.to_ms) == (T0 + 30 * DAY, T0 + 92 * DAY)
    assert world.verify(made, "Bank").verdict == "valid"
    world.books.database.close()


def test_payouts_are_lines_of_the_next_statement() -> None:
    world = two_months()
    sent = {"sent_ms": AFTER_DECEMBER, "cents": 60, "party": world.ids["Repairer"], "chain": chain_of(world, "Washes")}
    world.books.database.write_now(_insert_payout, world.community, sent)
    world.close(DECEMBER + 31 * DAY, AFTER_DECEMBER + 31 * DAY)
    found = world.books.database.read_now(statements.sheets, world.community, world.ids["Repairer"])
    newest = next(one for one in found if one.contract == "Washes")
    assert [row.amount for row in newest.rows if row.what == "payout"] == [-60 * 10**7]
    made = world.evidence("Repairer", DECEMBER + 31 * DAY, now_ms=AFTER_DECEMBER + 31 * DAY)
    assert world.verify(made, "Repairer").verdict == "valid"
    world.books.database.close()


def test_what_a_user_paid_is_a_line_of_the_next_statement_and_verifies() -> None:
    world = two_months()
    coop, anna = world.ids["Coop"], world.ids["Anna"]
    world.books.database.write_now(_add_account, world.community, coop, IBANS["Coop"])
    bank = SimBank(IBANS["Coop"], 0)
    bank.receive(300, date(2027, 1, 2), "A. Rossi", IBANS["Bank"], reference=reference_of(world.community, coop, anna))
    world.books.database.write_now(take, world.community, bank.statement(date(2027, 1, 2)), AFTER_DECEMBER)
    later = AFTER_DECEMBER + 31 * DAY
    world.close(DECEMBER + 31 * DAY, later)
    found = world.books.database.read_now(statements.sheets, world.community, anna)
    newest = next(one for one in found if one.contract == "Washes")
    assert [row.amount for row in newest.rows if row.what == "payment"] == [300 * 10**7]
    assert newest.closing == newest.opening + 300 * 10**7
    made = world.evidence("Anna", DECEMBER + 31 * DAY, now_ms=later)
    assert world.verify(made, "Anna").verdict.startswith("valid")
    world.books.database.close()


def paid_back(world: World) -> None:
    """Anna pays EUR 30 more than is due; the bank gives it back to her."""
    coop, anna = world.ids["Coop"], world.ids["Anna"]
    for party, iban in ((coop, IBANS["Coop"]), (anna, IBANS["Bank"])):
        world.books.database.write_now(_add_account, world.community, party, iban)
    bank = SimBank(IBANS["Coop"], 0)
    bank.receive(5000, date(2027, 1, 2), "A. Rossi", IBANS["Bank"], reference=reference_of(world.community, coop, anna))
    write, community, now_ms = world.books.database.write_now, world.community, AFTER_DECEMBER
    write(take, community, bank.statement(date(2027, 1, 2)), now_ms)
    asked = Proposal("back", coop, None, date(2027, 1, 5))
    write(payouts.propose_refunds, community, asked, [anna], now_ms)
    write(payouts.approve, community, 1, world.ids["Repairer"], now_ms)
    bank.execute(write(payouts.bank_file, community, 1, now_ms), date(2027, 1, 5))
    write(take, community, bank.statement(date(2027, 1, 5)), now_ms)


def test_what_a_user_got_back_is_a_line_of_the_next_statement_and_verifies() -> None:
    world = two_months()
    paid_back(world)
    later = AFTER_DECEMBER + 31 * DAY
    world.close(DECEMBER + 31 * DAY, later)
    found = world.books.database.read_now(statements.sheets, world.community, world.ids["Anna"])
    newest = next(one for one in found if one.contract == "Washes")
    paid, back = (next(row for row in newest.rows if row.what == what) for what in ("payment", "paid back"))
    assert (paid.amount or 0) + newest.opening == -(back.amount or 0) > 0
    assert newest.closing == 0
    check_page(world, later)
    made = world.evidence("Anna", DECEMBER + 31 * DAY, now_ms=later)
    assert world.verify(made, "Anna").verdict.startswith("valid")
    assert world.books.audit() == []
    world.books.database.close()


def check_page(world: World, now_ms: int) -> None:
    """What Anna reads: the refund by its name, in a month that is closed and in the list of months."""
    reader = Reader(world.community, world.ids["Anna"], False, "test", now_ms)

    def read(conn: Connection) -> tuple[list[Row], list[int]]:
        shown = accounts(conn, reader, Span.of("2027-01", now_ms, "UTC"))
        rows = [row for one in shown for row in one.rows if row.kind in PAID_KINDS]
        return rows, [one.paid for one in months(conn, reader, now_ms, "UTC") if one.text == "2027-01"]

    rows, paid = world.books.database.write_now(read)
    assert [row.kind for row in rows].count(RowKind.REFUND) == 1
    assert paid == [-sum(row.nano for row in rows)]


def test_a_refund_of_less_than_a_cent_that_the_host_made_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = two_months()
    paid_back(world)
    honest = service._money_lines

    def forged(*about: Any) -> dict[PartyId, list[Line]]:
        found = honest(*about)
        for party, lines in found.items():
            found[party] = [replace(one, amount=-CENT // 2) if one.kind is LineKind.PAYOUT else one for one in lines]
        return found

    monkeypatch.setattr(service, "_money_lines", forged)
    later = AFTER_DECEMBER + 31 * DAY
    world.close(DECEMBER + 31 * DAY, later)
    report = world.verify(world.evidence("Anna", DECEMBER + 31 * DAY, now_ms=later), "Anna")
    assert not report.verdict.startswith("valid")
    assert "not a whole number of cents" in str(report)
    world.books.database.close()


def _add_account(conn: Connection, community: str, party: bytes, iban: str) -> None:
    row = {"community": community, "party": party, "iban": iban, "holder": "Coop", "valid_from_ms": T0}
    conn.execute(schema.party_account.insert(), row)


def chain_of(world: World, name: str) -> bytes:
    def read(conn: Connection) -> bytes:
        table = schema.contract_version
        return bytes(conn.execute(select(table.c.chain).where(table.c.name == name)).scalar_one())

    return world.books.database.read_now(read)


def _insert_payout(conn: Connection, community: str, values: dict[str, object]) -> None:
    row = {
        "id": bytes(range(32)),
        "community": community,
        "run": bytes(32),
        "position": 0,
        "account": "payable",
        "unit": "EUR",
        "contract": "Washes",
        "entitlement": 600_000_000,
        "creditor": "Repairer",
        "creditor_iban": "IT60X0542811101000000123456",
        "outcome": None,
    }
    conn.execute(schema.payout.insert(), {**row, **values})


def test_lines_are_charges_and_shares_only_of_uses_in_the_settlement(world: World) -> None:
    for one in settled(world):
        for said in map(Statement.decode, leaves(world, one, TreeKey.STATEMENTS)):
            assert {line.kind for line in said.lines} <= {LineKind.CHARGE, LineKind.SHARE}


def test_on_postgresql_as_on_sqlite(postgres_server: str) -> None:
    with postgres.database(postgres_server) as url:
        world = two_months(url)
        for name in ("Bank", "Anna", "Ben"):
            made = world.evidence(name, DECEMBER)
            assert world.verify(made, name).ok
        before = world.books.database.read_now(dump)
        assert all(one.again for one in world.close(DECEMBER, AFTER_DECEMBER))
        assert world.books.database.read_now(dump) == before
        world.books.database.close()
