"""Money lines and statements: sums that agree with the books, months that chain, and signed where they are settled."""

import csv
import io
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, select
from support.money_world import NOW
from support.settled import World
from tallystick_cloud import schema
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.money import money
from tallystick_cloud.owner import service, view
from tallystick_cloud.owner.model import Stage
from tallystick_cloud.settlement.statements import sheets
from tallystick_cloud.statements import service as statements
from tallystick_cloud.statements import view as statement_view
from tallystick_cloud.uses.model import Reader

NAMES = ("Coop", "Repairer", "Bank", "Fund", "Anna", "Ben")
MONTHS = ("2026-11", "2026-12", "2027-01")
W = Wording("en", ZoneInfo("UTC"))


def reader(world: World, name: str) -> Reader:
    return Reader(world.community, world.ids[name], False, "test", NOW)


def span(month: str) -> Span:
    return Span.of(month, NOW, "UTC")


def owed_now(conn: Connection, world: World, name: str) -> int:
    """What the books owe the party now, banks' part included."""
    balance = schema.balance.c
    accounts = balance.account.in_(("payable", "fund", "payout-in-transit"))
    found = conn.execute(select(func.sum(balance.amount)).where(balance.party == world.ids[name], accounts))
    return -(found.scalar_one() or 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_money_line_holds_every_nano_once(conn: Connection, world: World, name: str) -> None:
    before = 0
    for month in MONTHS:
        home = service.home(conn, reader(world, name), span(month))
        account = home.account
        assert account.opening == before
        assert account.opening + account.earned - account.paid == account.to_come
        assert home.line.to_come == account.to_come
        assert sum(one.nano for one in home.assets) == account.earned
        assert min(home.line.confirmed, home.line.on_the_way) >= 0
        before = account.to_come
    assert before == owed_now(conn, world, name)


def test_every_step_is_reached_in_its_time(conn: Connection, world: World) -> None:
    november = service.home(conn, reader(world, "Repairer"), span("2026-11"))
    december = service.home(conn, reader(world, "Repairer"), span("2026-12"))
    january = service.home(conn, reader(world, "Repairer"), span("2027-01"))
    assert (november.line.accrued, november.line.paid) == (900_000_000, 0)
    assert december.line.paid == 900_000_000
    assert (january.line.on_the_way, january.line.accrued) == (450_000_000, 600_000_000)
    assert [one.stage for one in january.payouts] == [Stage.SENT, Stage.PAID]
    said = view.headline(january, span("2027-01"), "EUR", W)
    assert (str(said.amount), said.says, said.when) == ("0.45", "on the way", "arrives about Tue 5 Jan")


def test_what_a_statement_closed_with_is_confirmed_until_it_is_sent(conn: Connection, world: World) -> None:
    closed_ms = span("2026-12").from_ms + 2 * 3_600_000  # after November's close, before its payout
    at = Span(span("2026-12").month, "UTC", span("2026-12").from_ms, span("2026-12").to_ms, closed_ms, True)
    line = service.home(conn, reader(world, "Repairer"), at).line
    assert (line.accrued, line.confirmed, line.on_the_way) == (0, 900_000_000, 0)


def test_the_loan_ends_at_its_cap(conn: Connection, world: World) -> None:
    home = service.home(conn, reader(world, "Bank"), span("2026-11"))
    washes = next(one for one in home.loans if one.contract == "Washes")
    assert (washes.repaid, washes.cap, washes.left, washes.percent) == (2_500_000_000, 2_500_000_000, 0, 100)
    assert service.home(conn, reader(world, "Repairer"), span("2026-11")).loans == ()


@pytest.mark.parametrize("name", NAMES)
def test_statements_chain_and_end_with_what_the_books_say(conn: Connection, world: World, name: str) -> None:
    before: dict[bytes, int] = {}
    for month in MONTHS:
        for one in statements.accounts(conn, reader(world, name), span(month)):
            assert one.opening == before.get(one.chain, 0)
            assert one.opening + sum(row.nano for row in one.rows) == one.closing
            assert [row.balance for row in one.rows[-1:]] in ([], [one.closing])
            assert one.is_final is (month != "2027-01")
            before[one.chain] = one.closing
    balance = schema.balance.c
    mine = balance.account.in_(("payable", "fund", "receivable"))
    found = conn.execute(select(func.sum(balance.amount)).where(balance.party == world.ids[name], mine))
    assert sum(before.values()) == -(found.scalar_one() or 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_settled_month_shows_exactly_the_signed_statement(conn: Connection, world: World, name: str) -> None:
    signed = {one.reference: one for one in sheets(conn, world.community, world.ids[name])}
    shown = 0
    for month in MONTHS[:2]:
        for one in statements.accounts(conn, reader(world, name), span(month)):
            state = statement_view.account_view(one, W).state
            sheet = signed[state.rsplit(" ", 1)[1]]
            assert (one.opening, one.closing) == (sheet.opening, sheet.closing)
            amounts = sorted(row.amount for row in sheet.rows if row.amount)
            assert sorted(row.nano for row in one.rows) == amounts
            shown += 1
    assert shown


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("month", MONTHS)
def test_the_file_has_the_rows_of_the_page(conn: Connection, world: World, name: str, month: str) -> None:
    accounts = statements.accounts(conn, reader(world, name), span(month))
    rows = list(csv.DictReader(io.StringIO(statement_view.as_csv(accounts, W))))
    page = [row for one in accounts for row in statement_view.account_view(one, W).rows]
    assert len(rows) == len(page)
    for row, shown in zip(rows, page, strict=True):
        assert (row["reference"], row["what"], row["detail"]) == (shown.ref, shown.what, shown.detail)
        assert row["amount"] == ("" if shown.nano is None else money(shown.nano))
        assert row["balance"].replace("-", "\u2212") == str(shown.balance).replace(",", "")
    refs = [row["reference"] for row in rows if row["reference"]]
    assert len(set(refs)) == len(refs)


def test_a_minimum_is_named_by_its_contract(conn: Connection, world: World) -> None:
    (energy, _) = statements.accounts(conn, reader(world, "Coop"), span("2026-11"))
    rows = [row for row in statement_view.account_view(energy, W).rows if row.detail.startswith("minimum")]
    assert [row.what for row in rows] == ["Energy"]
    home = service.home(conn, reader(world, "Coop"), span("2026-12"))
    assert all(one.last.asset_name for one in home.newest)
    assert all(one.name for one in home.assets)


def test_the_list_of_months_agrees_with_each_statement(conn: Connection, world: World) -> None:
    for name in NAMES:
        found = statements.months(conn, reader(world, name), NOW, "UTC")
        assert [one.text for one in found] == list(reversed(MONTHS))
        for one in found:
            accounts = statements.accounts(conn, reader(world, name), span(one.text))
            assert one.closing == sum(account.closing for account in accounts)
            assert one.opening + one.moved - one.paid == one.closing


def test_somebody_without_any_money_has_an_empty_home(conn: Connection, world: World) -> None:
    home = service.home(conn, reader(world, "Newcomer"), span("2027-01"))
    assert (home.newest, home.payouts, home.assets, home.account.to_come) == ((), (), (), 0)
    assert statements.months(conn, reader(world, "Newcomer"), NOW, "UTC") == ()


@pytest.mark.parametrize(
    ("nano", "shown", "file"),
    [
        (0, "0.00", "0.00"),
        (1_850_000_000, "1.85", "1.85"),
        (-7_630_001, "\u22120.007630001", "-0.007630001"),
        (1_234_567_000_000_000, "1,234,567.00", "1234567.00"),
        (816_000_000, "0.816", "0.816"),
    ],
)
def test_amounts_are_exact_in_both_forms(nano: int, shown: str, file: str) -> None:
    assert (str(exact(nano, W)), money(nano)) == (shown, file)


def test_a_month_begins_and_ends_at_local_midnight(world: World) -> None:
    found = Span.of("2026-10", NOW, "Europe/Rome")
    assert found.to_ms - found.from_ms == (31 * 24 + 1) * 3_600_000, "clocks go back in October"
    assert (found.previous, found.following, found.at_ms) == ("2026-09", "2026-11", found.to_ms)
    running = Span.of(None, NOW, "Europe/Rome")
    assert (running.month.text, running.following, running.at_ms, running.is_running) == ("2027-01", None, NOW, True)
