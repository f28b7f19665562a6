"""How to pay, as a page shows it: the amount, the account, the reference in groups, and a code that banking apps scan.

It never holds anything that the payer does not have to type.
"""

import io
from dataclasses import dataclass

from tallystick_cloud.debits.model import TAIL_CHARS
from tallystick_cloud.http.amounts import Amount, of_cents
from tallystick_cloud.http.locale import Wording

from .due import ByDebit, Due
from .epc_code import code_of
from .reference import in_groups


@dataclass(frozen=True, slots=True)
class DueView:
    """`qr` is an SVG, empty where an account or a name is missing that banks carry; `debit`: how it is collected, in
    words, empty where the payer is to pay; `disputed`: what need not be paid now, in words."""

    holder: str
    amount: Amount
    iban: str
    reference: str
    qr: str
    debit: tuple[str, ...] = ()
    disputed: str = ""
    is_by_provider: bool = False


def due_view(one: Due, w: Wording) -> DueView:
    iban = "" if one.iban is None else in_groups(one.iban)
    amount, disputed = of_cents(one.cents, w), _disputed(one, w)
    if one.debit is not None:
        return DueView(one.holder, amount, iban, "", "", _collected(one, one.debit, w), disputed)
    return DueView(one.holder, amount, iban, in_groups(one.reference), _qr(one), (), disputed)


def provider_view(holder: str, cents: int, w: Wording) -> DueView:
    """What a payment provider charges."""
    words = w.gettext("You do not need to do anything: a payment provider charges this for {name}.")
    return DueView(holder, of_cents(cents, w), "", "", "", (words.format(name=holder),), is_by_provider=True)


def _disputed(one: Due, w: Wording) -> str:
    if not one.disputed:
        return ""
    words = w.gettext("EUR {amount} more is disputed: it need not be paid until that is decided.")
    return words.format(amount=of_cents(one.disputed, w))


def _collected(one: Due, debit: ByDebit, w: Wording) -> tuple[str, ...]:
    """Nothing to do; this is also the notice that the mandate promises before each collection."""
    _ = w.gettext
    first = _(
        "You do not need to do anything: {name} collects this by direct debit from your account ending in {tail}."
    )
    words = [first.format(name=one.holder, tail=debit.iban[-TAIL_CHARS:])]
    if debit.day is not None and debit.cents is not None:
        text = _("EUR {amount} will be collected on {day}.")
        amount = of_cents(debit.cents, w)
        words.append(text.format(amount=amount, day=w.weekday(debit.day)))
    else:
        words.append(_("The day will be told here before it is collected."))
    mandate = _("Mandate {reference}, creditor identifier {creditor}.")
    words.append(mandate.format(reference=debit.mandate, creditor=debit.creditor_id))
    return tuple(words)


def _qr(one: Due) -> str:
    if not one.cents:
        return ""
    code = code_of(one.holder, one.iban, one.cents, one.reference)
    if code is None:
        return ""
    out = io.BytesIO()
    code.save(out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=4, svgclass="qr", lineclass=None,
              nl=False)  # fmt: skip
    return out.getvalue().decode()
