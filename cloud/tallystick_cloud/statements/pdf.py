"""A month's statement as sheets of paper, from the rows of its page and of its CSV file.

It never adds a row that the others lack. An account of very many rows has one for each day's uses, and says so: nobody
reads hundreds of sheets, and the file has every line.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tallystick_cloud.http.locale import Wording
from tallystick_cloud.paper.sheet import Cell, Column, Sheet
from tallystick_cloud.statements.model import Account, by_day
from tallystick_cloud.statements.view import AccountView, RowView, account_view

ROWS_MAX = 2_000
"""Of one account in single lines; some 55 sheets."""


def draw(place: str, party: str, month: str, until_ms: int, accounts: Sequence[Account], w: Wording) -> bytes:
    """`until_ms`: the last moment that it is about; the file is dated by it, so that the same rows are the same
    bytes."""
    _ = w.gettext
    title = _("Statement")
    created = datetime.fromtimestamp(until_ms // 1000, UTC)
    with Sheet(f"{title} {month}", f"{place} · {party} · {month}", created) as sheet:
        sheet.title_line(title, place)
        sheet.columns([party], [(_("Month"), month), (_("Until"), w.date(until_ms - 1))])
        for one in accounts:
            is_long = len(one.rows) > ROWS_MAX
            shown = account_view(by_day(one, w.zone.key) if is_long else one, w)
            sheet.heading(shown.contract, shown.state)
            if is_long:
                says = _("One line for each day; all {n} lines stand in the CSV file of this statement.")
                sheet.notes([says.format(n=w.count(len(one.rows)))])
            sheet.grid(_columns(shown, w), [_row(row) for row in shown.rows])
        if not accounts:
            sheet.notes([_("No use, no payout, no balance in {month}.").format(month=month)])
        return sheet.data()


def _columns(one: AccountView, w: Wording) -> tuple[Column, ...]:
    _ = w.gettext
    return (
        Column(_("When"), 14),
        Column(_("What"), 36),
        Column(_("Reference"), 20),
        Column(one.unit, 15, right=True),
        Column(_("Balance"), 15, right=True),
    )


def _row(row: RowView) -> tuple[Cell, ...]:
    amount = "" if row.amount is None else str(row.amount)
    return (Cell(row.at), Cell(row.what, row.detail), Cell("", row.ref), Cell(amount), Cell(str(row.balance)))
