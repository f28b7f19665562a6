"""Lines of an account as people read them, on a page and in a file.

It never computes an amount."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from tallystick_protocol.codes import LineKind

from tallystick_cloud.http.amounts import Amount, exact, harmless
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.money import money
from tallystick_cloud.uses.model import Joined, Line

COLUMNS = ("use", "ended", "asset", "detail", "contract", "amount", "unit")
CLOSINGS = {
    "standing-charge": N_("standing charge of the period"),
    "minimum": N_("minimum of the period"),
    "rebate": N_("volume rebate of the period"),
}
"""What the closing of a period makes, by the form of its use."""


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as it is read; `what` is the asset, `detail` what happened there, `link` where a click leads."""

    link: str
    what: str
    detail: str
    at: str
    iso: str
    amount: Amount


def line_view(one: Joined, w: Wording, now_ms: int) -> LineView:
    """One line, or the slices of a day."""
    line, signed = one.last, one.last.revision > 1 or one.last.kind is LineKind.CHARGE
    link, words = f"/uses/{line.use_id.hex()}", detail(line, w)
    if one.uses > 1:
        link = f"/uses?period={one.day[:7]}&asset={line.asset}&day={one.day}"
        words = w.gettext("{n} intervals, the last until {time}").format(n=w.count(one.uses), time=w.time(line.end_ms))
    return LineView(
        link, line.asset_name, words, w.moment(line.end_ms, now_ms), w.iso(line.end_ms),
        exact(one.nano, w, signed=signed),
    )  # fmt: skip


def single(line: Line, w: Wording, now_ms: int) -> LineView:
    """One line by itself."""
    return line_view(Joined(line, "", 1, line.nano), w, now_ms)


def detail(line: Line, w: Wording) -> str:
    """Which use it was, and what a correction is."""
    _ = w.gettext
    match line.form:
        case "event":
            words = _("use {number}").format(number=line.number)
            words += ", " + _("programme {name}").format(name=line.programme) if line.programme else ""
        case form if form in CLOSINGS:
            words = _(CLOSINGS[form])
        case _:
            words = _("{start} to {end}").format(start=w.time(line.start_ms), end=w.time(line.end_ms))
    return _("correction of {use}").format(use=words) if line.revision > 1 else words


def lines_csv(lines: Iterable[Line], unit: str, w: Wording) -> str:
    """The lines as rows, in the order of the page."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        words = (line.use_id.hex(), w.iso(line.end_ms), line.asset_name, detail(line, w), line.contract)
        writer.writerow([*map(harmless, words), money(line.nano), unit])
    return out.getvalue()
