"""Months beside the old bill in the reader's words: who, how much by either, and what ours is made of.

It never adds amounts up; the model did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from tallystick_protocol.money.contract import Contract

from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Month, Span
from tallystick_cloud.uses.lines_view import CLOSINGS

from .model import Line, MonthBeside, Piece
from .service import Compared

LINES_SHOWN = 200
"""Of a month, the greatest differences first; the sums are of all."""


@dataclass(frozen=True, slots=True)
class LineView:
    """One payer; `old` None: not on the old bill, or there is none."""

    name: str
    why: str
    ours: Amount
    old: Amount | None
    difference: Amount | None
    is_less: bool


@dataclass(frozen=True, slots=True)
class MonthView:
    """A month with its sums; `says`: what keeps it from being a whole one."""

    text: str
    name: str
    says: str
    lines: tuple[LineView, ...]
    more: str
    ours: Amount
    old: Amount | None
    difference: Amount | None


def months(found: Compared, names: Mapping[bytes, str], w: Wording) -> tuple[MonthView, ...]:
    """The newest first, without months in which neither side has anything."""
    contract = found.chain.now.contract
    kept = (one for one in found.months if one.fee or one.old is not None or any(each.pieces for each in one.lines))
    return tuple(_month(one, found, contract, names, w) for one in kept)


def _month(one: MonthBeside, found: Compared, contract: Contract, names: Mapping[bytes, str], w: Wording) -> MonthView:
    month, has_old = Month.parse(one.text), one.old is not None
    lines = tuple(_line(each, contract, names, has_old, w) for each in one.lines[:LINES_SHOWN])
    more = len(one.lines) - LINES_SHOWN
    return MonthView(
        one.text,
        w.month(month.year, month.number),
        _says(found.spans.get(one.text), found, w),
        lines,
        w.count(more) if more > 0 else "",
        exact(one.fee, w),
        None if one.old is None else exact(one.old, w),
        None if one.difference is None else exact(one.difference, w, signed=True),
    )


def _says(span: Span | None, found: Compared, w: Wording) -> str:
    _, begun = w.gettext, min(one.contract.effective_from_ms for one in found.chain.versions)
    if span is None:
        return _("before this contract computed anything, or more than a year ago")
    if span.is_running:
        return _("still running: what was used until now")
    if begun > span.from_ms:
        return _("this contract computes since {day}").format(day=w.date(begun))
    return ""


def _line(one: Line, contract: Contract, names: Mapping[bytes, str], has_old: bool, w: Wording) -> LineView:
    _ = w.gettext
    parts = [_piece(each, contract, w) for each in one.pieces]
    if not parts:
        parts = [_("nothing was metered")]
    if has_old and one.old is None:
        parts.append(_("not on the old bill"))
    return LineView(
        names.get(one.payer, _("somebody who was erased")),
        "; ".join(parts),
        exact(one.fee, w),
        None if one.old is None else exact(one.old, w),
        exact(one.difference, w, signed=True) if has_old else None,
        one.difference < 0,
    )


def _piece(one: Piece, contract: Contract, w: Wording) -> str:
    _, amount = w.gettext, exact(one.fee, w)
    match one.form:
        case form if form in CLOSINGS:
            return f"{_(CLOSINGS[form])}: {amount}"
        case "interval":
            per = contract.tariff.counts_per_unit
            quantity = w.decimal(Decimal(one.counts * per.d) / Decimal(per.n), "#,##0.###")
            return _("{quantity} {unit}: {amount}").format(
                quantity=quantity, unit=contract.tariff.price_unit, amount=amount
            )
        case _ if one.programme:
            says = _("{n} use of {programme}: {amount}") if one.uses == 1 else _("{n} uses of {programme}: {amount}")
            return says.format(n=w.count(one.uses), programme=one.programme, amount=amount)
        case _:
            says = _("{n} use: {amount}") if one.uses == 1 else _("{n} uses: {amount}")
            return says.format(n=w.count(one.uses), amount=amount)
