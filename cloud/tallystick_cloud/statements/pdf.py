"""A month's statement as sheets of paper, from the rows of its page and of its CSV file.

It never adds a row that the others lack. An account of very many rows has one for each day's uses, and says so: nobody
reads hundreds of sheets, and the file has every line.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.paper.sheet import Cell, Column, Sheet
from tallystick_cloud.statements.model import Account, by_day, whole
from tallystick_cloud.statements.view import Line, lines, state_of

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
            shown = by_day(one, w.zone.key) if is_long else one
            sheet.heading(one.contract, state_of(one, w))
            if is_long:
                says = _("One line for each day; all {n} lines stand in the CSV file of this statement.")
                sheet.notes([says.format(n=w.count(len(one.rows)))])
            sheet.grid(_columns(one.unit, w), (_row(line, w) for line in lines(shown, whole(shown), w)))
        if not accounts:
            sheet.notes([_("No use, no payout, no balance in {month}.").format(month=month)])
        return sheet.data()


def _columns(unit: str, w: Wording) -> tuple[Column, ...]:
    _ = w.gettext
    return (
        Column(_("When"), 14),
        Column(_("What"), 36),
        Column(_("Reference"), 20),
        Column(unit, 15, right=True),
        Column(_("Balance"), 15, right=True),
    )


def _row(line: Line, w: Wording) -> tuple[Cell, ...]:
    row, what, balance = line.row, Cell(line.what, line.detail), Cell(str(exact(line.balance, w)))
    if row is None:
        return Cell(""), what, Cell(""), Cell(""), balance
    amount = Cell(str(exact(row.nano, w, signed=True)))
    return Cell(w.day_time(row.at_ms)), what, Cell("", row.ref), amount, balance
