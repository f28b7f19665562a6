"""A month's statement as sheets of paper, from exactly the rows of its page and of its CSV file.

It never adds a row that the others lack.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tallystick_cloud.http.locale import Wording
from tallystick_cloud.paper.sheet import Cell, Column, Sheet
from tallystick_cloud.statements.view import AccountView, RowView


def draw(place: str, party: str, month: str, until_ms: int, accounts: Sequence[AccountView], w: Wording) -> bytes:
    """`until_ms`: the last moment that it is about; the file is dated by it, so that the same rows are the same
    bytes."""
    _ = w.gettext
    title = _("Statement")
    created = datetime.fromtimestamp(until_ms // 1000, UTC)
    with Sheet(f"{title} {month}", f"{place} · {party} · {month}", created) as sheet:
        sheet.title_line(title, place)
        sheet.columns([party], [(_("Month"), month), (_("Until"), w.date(until_ms - 1))])
        for one in accounts:
            sheet.heading(one.contract, one.state)
            sheet.grid(_columns(one, w), [_row(row) for row in one.rows])
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
