"""A statement as people read it and as a spreadsheet reads it: the same rows, made once.

It never adds a row to one of the two that the other lacks."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tallystick_protocol.money.usage import AT_CLOSE

from tallystick_cloud.costs.words import measures
from tallystick_cloud.http.amounts import Amount, exact, harmless, of_cents
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.http.month import Month as Calendar
from tallystick_cloud.money import money
from tallystick_cloud.settlement.statements import reference_of
from tallystick_cloud.statements.model import DAY, Account, Bill, Cut, Month, Row, RowKind, cut, whole
from tallystick_cloud.uses.lines_view import CLOSINGS

ROWS_SHOWN = 200
"""Of an account on one page: what a person reads, and a browser lays out at once. The files have all."""
ROWS_ON_PAGE = 600
"""Of all accounts together; of those that follow the page has a line each."""
COLUMNS = ("contract", "reference", "time", "what", "detail", "amount", "balance", "unit")


class Line(NamedTuple):
    """A row in words; `row` None: an opening or closing balance."""

    row: Row | None
    what: str
    detail: str
    balance: int


@dataclass(frozen=True, slots=True)
class RowView:
    """One row of a page; `amount` None: an opening or closing balance."""

    contract: str
    ref: str
    at: str
    iso: str
    what: str
    detail: str
    link: str
    amount: Amount | None
    balance: Amount
    nano: int | None
    balance_nano: int
    is_edge: bool


@dataclass(frozen=True, slots=True)
class Paging:
    """Which rows of a long account are shown, and the pages before and after; empty where there is none."""

    says: str
    previous: str
    following: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """One contract's account; `paging` where it is too long for one page."""

    chain: str
    contract: str
    unit: str
    is_final: bool
    state: str
    rows: tuple[RowView, ...]
    is_contract: bool = True
    paging: Paging | None = None


@dataclass(frozen=True, slots=True)
class RestView:
    """An account that has no room on the page: what it comes to, and where its lines are."""

    link: str
    contract: str
    lines: str
    mark: str
    opening: Amount
    moved: Amount
    closing: Amount
    unit: str


@dataclass(frozen=True, slots=True)
class MonthView:
    """A line of the list."""

    text: str
    name: str
    opening: Amount
    moved: Amount
    paid: Amount
    closing: Amount
    is_final: bool


def account_view(one: Account, w: Wording) -> AccountView:
    """Opening, rows, closing."""
    return _account(one, whole(one), "", w)


def split(accounts: Sequence[Account]) -> tuple[Sequence[Account], Sequence[Account]]:
    """Those whose rows a page shows, in order as long as there is room, and the rest."""
    room = ROWS_ON_PAGE
    for at, one in enumerate(accounts):
        room -= min(len(one.rows), ROWS_SHOWN)
        if room < 0 and at:
            return accounts[:at], accounts[at:]
    return accounts, ()


def rest_view(one: Account, path: str, w: Wording) -> RestView:
    """One line about it."""
    return RestView(
        f"{path}?account={one.chain.hex()}",
        one.contract,
        w.count(len(one.rows)),
        "ok" if one.is_final or one.decision is not None else "off",
        exact(one.opening, w),
        exact(one.closing - one.opening, w, signed=True),
        exact(one.closing, w),
        one.unit,
    )


def page_view(one: Account, after: tuple[int, str] | None, path: str, w: Wording) -> AccountView:
    """The rows of one page of it, from the balance that was carried over; `path` is that of its month."""
    return _account(one, cut(one, after, ROWS_SHOWN), path, w)


def _account(one: Account, shown: Cut, path: str, w: Wording) -> AccountView:
    rows = tuple(_row(one, line, w) for line in lines(one, shown, w))
    paging = None if len(one.rows) == shown.end - shown.begin else _paging(one, shown, path, w)
    is_contract = one.decision is None
    return AccountView(
        one.chain.hex(), one.contract, one.unit, one.is_final, state_of(one, w), rows, is_contract, paging
    )  # fmt: skip


def state_of(one: Account, w: Wording) -> str:
    """What fixed it, or that nothing did yet."""
    _ = w.gettext
    if one.decision is not None:
        return _("decided by {decision}").format(decision=one.decision)
    if one.settlement is None:
        return _("open, not final")
    number, h, closed_ms = one.settlement
    words = _("settlement {n}, signed {day}, reference {reference}")
    return words.format(n=number, day=w.date(closed_ms), reference=reference_of(h))


def _paging(one: Account, shown: Cut, path: str, w: Wording) -> Paging:
    says = w.gettext("{first} to {last} of {all} lines").format(
        first=w.count(shown.begin + 1), last=w.count(shown.end), all=w.count(len(one.rows))
    )
    first = f"{path}?account={one.chain.hex()}"
    before = shown.begin - ROWS_SHOWN
    previous = "" if shown.begin == 0 else first if before <= 0 else f"{first}&after={_key(one.rows[before - 1])}"
    following = "" if shown.end == len(one.rows) else f"{first}&after={_key(one.rows[shown.end - 1])}"
    return Paging(says, previous, following)


def _key(row: Row) -> str:
    return f"{row.at_ms}_{row.ref}"


def _closing(one: Account, w: Wording) -> str:
    _ = w.gettext
    if one.decision is not None:
        return _("Balance now")
    return _("Closing balance") if one.is_final else _("Balance now, not final")


def lines(one: Account, shown: Cut, w: Wording) -> Iterator[Line]:
    """The balance before, the rows, the balance after: what each form of a statement is made of."""
    _ = w.gettext
    is_last = shown.end == len(one.rows)
    inside = one.rows[shown.begin : shown.end]
    carried = inside[-1].balance if inside else shown.carried
    yield Line(None, _("Opening balance") if shown.begin == 0 else _("Carried over"), "", shown.carried)
    for row in inside:
        yield Line(row, _what(one, row, w), _detail(row, w), row.balance)
    yield Line(None, _closing(one, w), "", one.closing) if is_last else Line(None, _("Carried forward"), "", carried)


_WHAT = {
    RowKind.ENERGY: (N_("Shared energy"),) * 2,
    RowKind.ENERGY_BACK: (N_("Shared energy, settled before and taken back"),) * 2,
    RowKind.PAYOUT: (N_("Payout to your bank account"),) * 2,
    RowKind.REFUND: (N_("Paid back to your bank account"),) * 2,
    RowKind.RETURN: (N_("Payout that came back"),) * 2,
    RowKind.GIVEN_BACK: (N_("Given back"), N_("Taken back")),
    RowKind.PASSED_ON: (N_("Taken back by the payment provider"), N_("Paid to you by the payment provider")),
    RowKind.CHARGED: (N_("Charged by the payment provider"), N_("Charge that your bank took back")),
    RowKind.PAYMENT: (N_("Payment received"), N_("Payment that your bank took back")),
}
"""What a row is called whose kind says it: with an amount that is not negative, and with one that is."""


def _row(one: Account, line: Line, w: Wording) -> RowView:
    row, balance = line.row, exact(line.balance, w)
    if row is None:
        return RowView(one.contract, "", "", "", line.what, "", "", None, balance, None, line.balance, is_edge=True)
    link = f"/uses/{row.use_id.hex()}" if row.use_id is not None else ""
    if row.uses > 1 and row.form != DAY:
        day = w.when(row.at_ms - 1).date().isoformat()
        link = f"/uses?period={day[:7]}&asset={row.asset}&day={day}"
    return RowView(
        one.contract, row.ref, w.day_time(row.at_ms), w.iso(row.at_ms), line.what, line.detail, link,
        exact(row.nano, w, signed=True), balance, row.nano, row.balance, is_edge=False,
    )  # fmt: skip


def _what(one: Account, row: Row, w: Wording) -> str:
    _ = w.gettext
    if row.form == DAY:
        return _("Uses of the day") if row.kind is RowKind.CHARGE else _("Shares of the day's uses")
    if row.bill is not None:
        return row.bill.id if row.kind is RowKind.BILL else _("{bill}, taken back").format(bill=row.bill.id)
    words = _WHAT.get(row.kind)
    if words is not None:
        return _(words[row.nano < 0])
    return row.asset_name or (one.contract if row.use_id else _("Erased lines, together"))


def _detail(row: Row, w: Wording) -> str:
    """What the row is, beyond the asset."""
    _ = w.gettext
    if row.bill is not None:
        return _bill(row.asset, row.bill, w)
    if row.shared is not None:
        days = _("{first} to {last}").format(first=w.date(row.shared.from_ms), last=w.date(row.shared.to_ms - 1))
        return days if row.shared.is_final else _("{days}, on account").format(days=days)
    if row.form == DAY:
        return (_("{n} line") if row.uses == 1 else _("{n} lines")).format(n=w.count(row.uses))
    if row.use_id is None:
        return ""
    words = _use(row, w)
    if row.kind is RowKind.CORRECTION:
        return _("correction") + ": " + words
    is_own = row.kind is RowKind.CHARGE and row.form not in AT_CLOSE
    return _("you used it") + ": " + words if is_own else words


def _use(row: Row, w: Wording) -> str:
    """Which use, or how many."""
    _ = w.gettext
    if row.form == "event":
        words = _("use {number}").format(number=row.number)
        return words + ", " + _("programme {name}").format(name=row.programme) if row.programme else words
    if row.form in CLOSINGS:
        return _(CLOSINGS[row.form])
    return _("{n} intervals").format(n=row.uses) if row.uses > 1 else _("intervals of the period")


def _bill(asset: str, bill: Bill, w: Wording) -> str:
    """The flat, the days, the whole bill, and what of each part of the key is this stay's."""
    _ = w.gettext
    days = _("{first} to {last}").format(first=bill.first_day, last=bill.last_day)
    if not bill.measures:
        return days
    whole = _("{flat}, {days}, of {amount}").format(flat=asset, days=days, amount=of_cents(bill.cents, w))
    return f"{whole}: {measures(bill.measures, w)}"


def as_csv(accounts: Iterable[Account], w: Wording) -> str:
    """The rows of all accounts, in the order of the page; amounts exact, with a point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in accounts:
        contract = harmless(one.contract)
        for row, what, detail, balance in lines(one, whole(one), w):
            ref, at, amount = ("", "", "") if row is None else (harmless(row.ref), w.iso(row.at_ms), money(row.nano))
            writer.writerow([contract, ref, at, harmless(what), harmless(detail), amount, money(balance), one.unit])
    return out.getvalue()


def month_view(one: Month, w: Wording) -> MonthView:
    """A line of the list in words."""
    month = Calendar.parse(one.text)
    name = w.month(month.year, month.number)
    amounts = (exact(one.opening, w), exact(one.moved, w, signed=True), exact(-one.paid, w), exact(one.closing, w))
    return MonthView(one.text, name, *amounts, is_final=one.is_final)
