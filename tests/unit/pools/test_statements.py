"""Every party's account in a pool: proved with the intervals, chained from close to close, equal to the books."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import pytest
from sqlalchemy import Connection
from support.cddl import Schema
from support.cheats_page import rows_under
from support.pool_lives import move
from support.pools import GRID, HOUR, MICRO, POOL, PRICES, USERS, Community, open_community, proof_of, toml
from support.repository import ROOT
from support.vector_case import plain
from tallystick_cloud import schema
from tallystick_cloud.commands.witness import begun
from tallystick_cloud.context import Aggregator
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.pools import keep, statements
from tallystick_cloud.pools.statements import Statements
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.statements import service as monthly
from tallystick_cloud.statements.model import Account as Account_
from tallystick_cloud.statements.model import RowKind
from tallystick_cloud.statements.view import account_view
from tallystick_cloud.uses.model import Reader
from tallystick_protocol.codes import LineKind
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.pool_settlement import PoolProof
from tallystick_protocol.salted_tree import salted
from tallystick_protocol.statement import Line as Said
from tallystick_protocol.statement import Statement
from tallystick_protocol.verify.pool import verify_pool
from tallystick_protocol.verify.report import Report

JANUARY = "2026-01"
EVERYBODY = ("CER", "GSE", "Social fund", "Software", *USERS)
WHOLE = 8_500 * 130_000  # nano: 8.5 kWh at EUR 130 per MWh


@pytest.fixture
def cer() -> Iterator[Community]:
    found = open_community()
    found.upload()
    found.prices()
    found.close()
    yield found
    found.books.database.close()


def corrected(cer: Community) -> None:
    cer.upload(GRID.replace(",5000,", ",300,"), "corrected")
    cer.close()


def checked(cer: Community, name: str, period: str = JANUARY) -> tuple[PoolProof, Report]:
    proof, policy = proof_of(cer, name, period)
    return proof, verify_pool(proof.encode(), policy)


def statement(proof: PoolProof) -> Statement:
    assert proof.statement is not None
    return proof.statement.statement


def owed(cer: Community, name: str) -> int:
    return -sum(nano for (account, whose), nano in cer.balances().items() if whose == name and account in OF_A_PARTY)


OF_A_PARTY = ("receivable", "payable", "fund")


def test_who_pays_and_who_has_a_part_checks_the_account_like_a_member(cer: Community) -> None:
    first = {name: accounted(cer, name) for name in EVERYBODY}
    assert (first["GSE"].closing, first["Anna"].closing) == (-WHOLE, 97_500 * MICRO)
    (close,) = cer.books.rows(schema.pool_close)
    corrected(cer)
    for name, before in first.items():
        after = accounted(cer, name)
        energy, back = after.lines
        assert energy.kind is (LineKind.CHARGE if name == "GSE" else LineKind.SHARE)
        assert (back.kind, back.ref, back.amount) == (LineKind.CORRECTION, close["h"], -before.closing)


def accounted(cer: Community, name: str) -> Statement:
    """The statement of a valid file, which says what the books say."""
    proof, report = checked(cer, name)
    assert report.verdict == "valid", report
    assert report.checks[-1].name == "statement"
    assert statement(proof).closing == owed(cer, name) != 0
    assert PoolProof.decode(proof.encode()) == proof
    return statement(proof)


def test_an_interval_alone_comes_without_a_statement(cer: Community) -> None:
    cer.upload(GRID.replace("T00:00", "T01:00"))
    cer.prices("start,price\n2026-01-01T01:00,100\n")
    cer.close()
    proof, report = checked(cer, "Anna", "2026-01-01T01:00")
    assert report.ok
    assert proof.statement is None
    assert len(checked(cer, "Anna")[0].intervals) == 2


def test_what_was_paid_stands_between_two_closes(cer: Community) -> None:
    move(cer, "Anna", Account.PAYABLE, 9 * 10**7, "payout-sent")
    move(cer, "GSE", Account.RECEIVABLE, -WHOLE, "bank-payment")
    cer.upload(GRID.replace("2026-01", "2026-02"))
    cer.prices(PRICES.replace("2026-01", "2026-02"))
    cer.close("2026-02")
    anna, gse = (statement(checked(cer, name, "2026-02")[0]) for name in ("Anna", "GSE"))
    assert [(line.kind, line.amount) for line in anna.lines] == [
        (LineKind.SHARE, 97_500 * MICRO),
        (LineKind.PAYOUT, -9 * 10**7),
    ]
    assert [(line.kind, line.amount) for line in gse.lines] == [
        (LineKind.CHARGE, -WHOLE),
        (LineKind.PAYMENT, WHOLE),
    ]
    assert (anna.opening, gse.opening, gse.closing) == (97_500 * MICRO, -WHOLE, -WHOLE)
    assert all(checked(cer, name, "2026-02")[1].ok for name in EVERYBODY)


def test_a_year_takes_back_what_its_months_paid_on_account() -> None:
    cer = open_community(
        text=toml(POOL.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "80 %"'))
    )
    for month in ("2026-01", "2026-02"):
        cer.upload(GRID.replace("2026-01", month))
        cer.prices(PRICES.replace("2026-01", month))
        cer.close(month)
    cer.now_ms *= 2
    cer.close("2026")
    for name in EVERYBODY:
        proof, report = checked(cer, name, "2026")
        assert report.verdict == "valid", report
        assert [line.kind for line in statement(proof).lines].count(LineKind.CORRECTION) == 2
        assert statement(proof).closing == owed(cer, name)
    assert owed(cer, "GSE") == -2 * WHOLE
    cer.books.database.close()


def test_in_shadow_nobody_owes_anything() -> None:
    cer = open_community(text=toml().replace('state = "live"', 'state = "shadow"'), state="shadow")
    cer.upload()
    cer.prices()
    cer.close()
    proof, report = checked(cer, "Anna")
    assert report.verdict == "valid", report
    assert (statement(proof).lines, statement(proof).closing) == ((), 0)
    cer.books.database.close()


def test_a_pool_with_closes_of_before_goes_on_without_statements(cer: Community) -> None:
    cer.books.database.write_now(lambda conn: conn.execute(schema.pool_statement.delete()))
    corrected(cer)
    proof, report = checked(cer, "Anna")
    assert report.verdict == "valid"
    assert proof.statement is None
    assert cer.books.rows(schema.pool_statement) == []


def test_being_erased_takes_the_statement_and_leaves_the_others(cer: Community) -> None:
    before, _ = checked(cer, "Farm")
    anna = cer.books.database.read_now(ids_by_name, "cer")["Anna"]
    assert cer.books.database.write_now(erase_payer, "cer", anna, cer.now_ms).statements == 1
    after, report = checked(cer, "Farm")
    assert report.ok
    assert after.statement == before.statement


def of_month(cer: Community, name: str, month: str) -> Account_:
    """The one account on the page of statements."""

    def read(conn: Connection) -> tuple[Account_, ...]:
        party = ids_by_name(conn, "cer")[name]
        reader = Reader("cer", party, holds_office=False, purpose="test", now_ms=cer.now_ms)
        return monthly.accounts(conn, reader, Span.of(month, cer.now_ms, "Europe/Rome"))

    (found,) = cer.books.database.write_now(read)
    return found


def test_the_page_of_statements_shows_the_same_lines_and_is_final_once_they_are_signed(cer: Community) -> None:
    """The closes are of January 2026, and were made at the end of the year."""
    corrected(cer)
    for name in ("Farm", "GSE"):
        said = [line for number in (1, 2) for line in lines_of(cer, name, number)]
        now = of_month(cer, name, "2026-12")
        assert sorted(row.nano for row in now.rows) == sorted(line.amount for line in said)
        assert {row.kind for row in now.rows} == {RowKind.ENERGY, RowKind.ENERGY_BACK}
        assert (now.opening, now.closing, now.is_final) == (0, owed(cer, name), False)
        shown = account_view(now, Wording("en", ZoneInfo("Europe/Rome")))
        assert {row.what for row in shown.rows[1:-1]} == {
            "Shared energy",
            "Shared energy, settled before and taken back",
        }
        assert {row.detail for row in shown.rows[1:-1]} == {"1 Jan 2026 to 31 Jan 2026"}
    cer.now_ms += 40 * 24 * HOUR
    corrected_again = GRID.replace(",5000,", ",400,")
    cer.upload(corrected_again, "corrected again")
    cer.close()
    assert of_month(cer, "Farm", "2026-12").is_final
    assert of_month(cer, "Farm", "2027-01").opening == of_month(cer, "Farm", "2026-12").closing


def lines_of(cer: Community, name: str, number: int) -> tuple[Said, ...]:
    party = cer.books.database.read_now(ids_by_name, "cer")[name]
    rows = [row for row in cer.books.rows(schema.pool_statement) if row["party"] == party]
    return Statement.decode(bytes(rows[number - 1]["data"])).lines  # type: ignore[arg-type]


# ------------------------------------------------------------ a host that lies, and signs and logs it

Lie = Callable[[Statement], Statement]


def lines(one: Statement, *new: Said, opening: int | None = None, prev: H32 | None = None) -> Statement:
    """Another statement that adds up."""
    begin = one.opening if opening is None else opening
    closing = begin + sum(line.amount for line in new)
    return replace(one, prev=prev or one.prev, opening=begin, lines=new, closing=closing)


def less(one: Statement) -> Statement:
    return lines(one, replace(one.lines[0], amount=one.lines[0].amount - 1), *one.lines[1:])


def twice(one: Statement) -> Statement:
    return lines(one, *one.lines[:1], *one.lines)


def no_correction(one: Statement) -> Statement:
    return lines(one, *one.lines[:1])


def more_taken_back(one: Statement) -> Statement:
    return lines(one, one.lines[0], replace(one.lines[1], amount=one.lines[1].amount - 10**7))


def other_opening(one: Statement) -> Statement:
    return lines(one, *one.lines, opening=one.opening - 10**7)


def other_before(one: Statement) -> Statement:
    return lines(one, *one.lines, prev=sha256(b"another statement"))


def from_nothing(one: Statement) -> Statement:
    return replace(one, prev=None)


def strange_energy(one: Statement) -> Statement:
    return lines(one, *one.lines, Said(LineKind.CHARGE, sha256(b"an hour that nobody metered"), -(10**7)))


def a_made_up_correction(one: Statement) -> Statement:
    return lines(one, *one.lines, Said(LineKind.CORRECTION, sha256(b"a close that never was"), -(10**7)))


def half_a_cent(one: Statement) -> Statement:
    return lines(one, *one.lines, Said(LineKind.PAYOUT, sha256(b"payout"), -5_000_000))


LIES: dict[str, tuple[Lie, str]] = {
    "a nano less than the intervals give": (less, "the intervals say"),
    "the energy charged or shared twice": (twice, "a line of energy that is not of its close"),
    "the close before left standing": (no_correction, "leaves standing what the close gave"),
    "more taken back than was given": (more_taken_back, "takes back"),
    "another opening": (other_opening, "the one before closed at"),
    "another statement before": (other_before, "follows another statement"),
    "begun anew": (from_nothing, "does not name the one before it"),
    "energy of no interval": (strange_energy, "a line of energy that is not of its close"),
    "a correction of nothing": (a_made_up_correction, "corrects a close that is not in the file"),
    "half a cent paid out": (half_a_cent, "not a whole number of cents"),
}


def test_the_page_lists_them() -> None:
    assert rows_under("In a pool: the account") == [(name, f"`{reason}`") for name, (_, reason) in LIES.items()]


@pytest.mark.parametrize("name", LIES)
def test_a_lie_in_a_statement_is_seen(cer: Community, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie, reason = LIES[name]

    def lied(*args: Any) -> Statements | None:
        made = statements.statements_of(*args)
        assert made is not None
        told = [lie(one) if len(one.lines) > 1 else one for one in made.all]
        random = cer.books.aggregator.entropy.bytes
        return replace(made, all=tuple(told), tree=salted([one.encode() for one in told], random))

    monkeypatch.setattr(keep, "statements_of", lied)
    monkeypatch.setattr("tallystick_cloud.pools.service.check_books", lambda *_: None)
    corrected(cer)
    _, report = checked(cer, "Farm")
    assert not report.ok
    assert reason in report.verdict


def test_our_own_program_would_not_sign_what_the_books_do_not_say(
    cer: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_paid", lambda *_: (10**6, {}))
    move(cer, "Anna", Account.PAYABLE, 10**7, "payout-sent")
    before = cer.books.dump()
    with pytest.raises(Exception, match="the books say another amount"):
        corrected(cer)
    assert [table for table in before if table.startswith("pool") and before[table] != cer.books.dump()[table]] == []


def test_a_file_that_holds_back_is_refused(cer: Community) -> None:
    corrected(cer)
    proof, policy = proof_of(cer, "Farm", JANUARY)
    for less_, reason in (
        (replace(proof, statement=None), "is missing, and the close has statements"),
        (replace(proof, earlier=()), "follows one that is not in the file"),
        (replace(proof, intervals=(replace(proof.intervals[0], pieces=()),)), "does not show all meters"),
        (
            replace(proof, intervals=(replace(proof.intervals[0], pieces=(), claims=()),), openings=()),
            "no meter of yours",
        ),
    ):
        report = verify_pool(less_.encode(), policy)
        assert not report.ok
        assert reason in report.verdict


# ------------------------------------------------------------ a log that was set back


def set_back(cer: Community) -> None:
    cer.now_ms += 1000
    args = (cer.books.aggregator.of("cer"), cer.books.aggregator.entropy, cer.now_ms, "a test")
    cer.books.database.write_now(begun, *args)


def test_a_log_that_was_set_back_is_the_same_log_where_the_root_says_so(cer: Community) -> None:
    set_back(cer)
    corrected(cer)
    set_back(cer)
    proof, policy = proof_of(cer, "Anna", JANUARY)
    report = verify_pool(proof.encode(), policy)
    assert report.verdict == "valid", report
    assert dict(report.checks[1].figures) == {"set_back": 2}
    schema_ = Schema((ROOT / "protocol" / "tallystick_protocol" / "tallystick.cddl").read_text(encoding="utf-8"))
    schema_.validate("PoolProof", proof.encode())
    for less_, reason in (
        (replace(proof, continuations=()), "no record signed by the community"),
        (replace(proof, continuations=proof.continuations[1:], proofs=proof.proofs[1:]), "a record is missing"),
        (replace(proof, proofs=proof.proofs[1:]), "does not prove that it went on"),
        (replace(proof, proofs=(proof.proofs[0],) * 2), "does not prove that it went on"),
    ):
        assert reason in verify_pool(less_.encode(), policy).verdict


def test_a_set_back_that_the_host_signed_alone_is_refused(cer: Community) -> None:
    honest = cer.books.aggregator
    context = honest.of("cer")
    stolen = replace(context, keys=replace(context.keys, root=context.keys.log))  # all the host has is the log's key
    cer.books.aggregator = Aggregator({"cer": stolen}, honest.authority, honest.entropy)
    set_back(cer)
    cer.books.aggregator = honest
    _, report = checked(cer, "Anna")
    assert "no community key" in report.verdict


def test_any_one_value_changed_of_a_long_file_is_refused(cer: Community) -> None:
    """With a statement, two earlier closes and a log that was set back in it."""
    set_back(cer)
    corrected(cer)
    proof, policy = proof_of(cer, "Bakery", JANUARY)
    good = cbor2.loads(proof.encode())
    for key in (7, 8, 9, 10):
        for path, value in values(good[key], (key,)):
            bad = plain(good)
            target = bad
            for step in path[:-1]:
                target = target[step]
            target[path[-1]] = spoilt(value)
            assert not verify_pool(cbor2.dumps(bad, canonical=True), policy).ok, f"{path}: {value!r} is taken"


def values(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, list | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from values(item, (*at, key))
    else:
        yield at, value


def spoilt(value: Any) -> Any:
    if isinstance(value, bytes):
        middle = len(value) // 2
        return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    return value + 1 if isinstance(value, int) else 0
