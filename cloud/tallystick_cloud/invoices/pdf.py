"""A document as a sheet of paper; the same words and amounts as its XML.

It never changes a document: drawn again it is the same file.
"""

from datetime import UTC, datetime

from tallystick_cloud.bank.epc_code import code_of
from tallystick_cloud.bank.reference import in_groups as reference_in_groups
from tallystick_cloud.debits.model import TAIL_CHARS
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.paper.sheet import Cell, Column, Sheet
from tallystick_cloud.payouts.view import in_groups

from . import words
from .model import SHARE, Document, Identity


def draw(one: Document, w: Wording) -> bytes:
    """The file's bytes in the reader's language."""
    created = datetime.fromisoformat(one.day).replace(tzinfo=UTC)
    with Sheet(f"{words.title(one, w)} {one.number}", f"{one.seller.name} · {one.number}", created) as sheet:
        sheet.title_line(words.title(one, w), one.seller.name)
        sheet.columns([*_lines(one.buyer, w), *_ids(one.buyer, w)], _facts(one, w))
        sheet.grid(_columns(w), [_row(one, at, w) for at in range(len(one.lines))])
        sheet.sums(_sums(one, w))
        reasons = dict.fromkeys(tax.treatment.reason for tax in one.taxes if not tax.treatment.rate)
        sheet.notes([*reasons, *words.notes(one, w)])
        _payment(sheet, one, w)
        sheet.notes([" · ".join([*_lines(one.seller, w), *_ids(one.seller, w)])])
        return sheet.data()


def _sums(one: Document, w: Wording) -> list[tuple[str, str]]:
    taxes = [(words.tax(tax, w), words.cents(tax.tax, w)) for tax in one.taxes if tax.treatment.rate]
    net = [(w.gettext("Without tax"), words.cents(one.net, w))] if taxes else []
    return [*net, *taxes, (_total(one, w), f"{one.unit} {words.cents(one.total, w)}")]


def _lines(who: Identity, w: Wording) -> list[str]:
    place = who.address
    if place is None:
        return [who.name]
    town = " ".join(part for part in (place.postcode, place.city) if part)
    country = str(w.locale.territories.get(place.country, place.country))
    return [part for part in (who.name, place.street, town, country) if part]


def _ids(who: Identity, w: Wording) -> list[str]:
    _ = w.gettext
    found = [_("VAT id {id}").format(id=who.vat_id)] if who.vat_id else []
    return found + ([_("Tax number {id}").format(id=who.tax_number)] if who.tax_number else [])


def _facts(one: Document, w: Wording) -> list[tuple[str, str]]:
    _ = w.gettext
    found = [(_("Number"), one.number), (_("Date"), words.day(one.day, w))]
    if one.kind.is_self_billed:
        return [*found, (_("Paid on"), words.day(one.due_day, w))]
    found.append((_("Period"), words.span(one, w)))
    return found if one.kind.is_credit else [*found, (_("To pay until"), words.day(one.due_day, w))]


def _total(one: Document, w: Wording) -> str:
    return w.gettext("Credit") if one.kind.is_credit else w.gettext("Total")


def _columns(w: Wording) -> tuple[Column, ...]:
    _ = w.gettext
    return (Column(_("What"), 58), Column(_("Quantity"), 24, right=True), Column("EUR", 18, right=True))


def _row(one: Document, at: int, w: Wording) -> tuple[Cell, ...]:
    line = one.lines[at]
    shown = line.gross if one.shows_gross else line.net
    detail = words.under(line, w) if line.form != SHARE else ""
    if line.cites is not None:
        detail += "; " + w.gettext("correction of {number}").format(number=line.cites)
    amount = "" if line.cites is not None else words.quantity(line, w)
    return (Cell(words.what(line, w), detail), Cell(amount, words.price(line, w)), Cell(words.cents(shown, w)))


def _payment(sheet: Sheet, one: Document, w: Wording) -> None:
    _, said = w.gettext, one.transfer
    if one.kind.is_credit:
        return
    iban = _("not known yet: ask {name} for it").format(name=said.holder) if said.iban is None else in_groups(said.iban)
    if one.kind.is_self_billed and said.by_provider:
        rows = [(_("Paid to"), said.holder), (_("Reference"), reference_in_groups(said.reference))]
        sheet.payment(rows, None, words.passed_on(w))
        return
    if one.kind.is_self_billed:
        sheet.payment([(_("Paid to"), said.holder), (_("Account"), iban), (_("Reference"), said.reference)], None, "")
        return
    if said.by_provider:
        rows = [(_("Reference"), reference_in_groups(said.reference))]
        sheet.payment([*rows, (_("Amount"), f"{one.unit} {words.cents(one.payable, w)}")], None, words.collected(w))
        return
    if said.debit is not None:
        tail = said.debit.iban[-TAIL_CHARS:]
        mandate = [(_("Mandate"), said.debit.mandate), (_("Creditor identifier"), said.debit.creditor_id)]
        words_of = _("You do not need to do anything: {name} collects this from your account ending in {tail}.")
        sheet.payment(mandate, None, words_of.format(name=said.holder, tail=tail))
        return
    rows = [
        (_("To"), said.holder),
        (_("Account"), iban),
        (_("Reference"), reference_in_groups(said.reference)),
        (_("Amount"), f"{one.unit} {words.cents(one.payable, w)}"),
    ]
    code = code_of(said.holder, said.iban, one.payable, said.reference) if one.payable else None
    hint = _("Scan the code with your banking app, or type account and reference.") if code is not None else ""
    sheet.payment(rows, code, hint)
