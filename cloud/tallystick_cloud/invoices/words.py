"""A document in the reader's words: its title, its lines, its tax and what it says below; the same for every form.

It never computes an amount.
"""

from collections.abc import Sequence
from datetime import date

from babel.dates import format_date

from tallystick_cloud.contracts.words import decimal
from tallystick_cloud.costs.words import measures
from tallystick_cloud.http.amounts import exact, of_cents
from tallystick_cloud.http.locale import N_, Wording

from .model import MINIMUM, REBATE, SHARE, STANDING, Document, Kind, Line, TaxLine

TITLES = {
    Kind.INVOICE: N_("Invoice"),
    Kind.CREDIT: N_("Credit note"),
    Kind.SELF_BILLED: N_("Self-billed invoice"),
    Kind.SELF_CREDIT: N_("Self-billed credit note"),
}


def title(one: Document, w: Wording) -> str:
    return w.gettext(TITLES[one.kind])


def cents(amount: int, w: Wording) -> str:
    """Whole cents as money is read."""
    return str(of_cents(amount, w))


def day(text: str, w: Wording) -> str:
    """A day: 22 Nov 2026."""
    return str(format_date(date.fromisoformat(text), "d MMM y", locale=w.locale))


def span(one: Document, w: Wording) -> str:
    """The days that it is about."""
    if one.from_day == one.to_day:
        return day(one.to_day, w)
    return w.gettext("{first} to {last}").format(first=day(one.from_day, w), last=day(one.to_day, w))


def what(line: Line, w: Wording) -> str:
    """What was used."""
    _ = w.gettext
    if line.form == SHARE:
        return _("Shares under the contract {name}").format(name=line.contract)
    if line.form == STANDING:
        return _("Standing charge of the period")
    if line.form == MINIMUM:
        return _("Up to the minimum of the period")
    if line.form == REBATE:
        return _("Volume rebate of the period")
    if line.bill is not None:
        return f"{line.asset}, {line.bill.bill}"
    words = line.asset or line.contract
    if line.programme and line.form == "event":
        words += ", " + _("programme {name}").format(name=line.programme)
    elif line.programme and line.form == "interval":
        words += ", " + _("band {name}").format(name=line.programme)
    return words


def detail(line: Line, w: Wording) -> str:
    """Under which contract, how much at which price, and what it corrects."""
    _ = w.gettext
    parts = [under(line, w)] if line.form != SHARE else []
    if line.cites is not None:
        parts.append(_("correction of {number}").format(number=line.cites))
    elif amount := quantity(line, w):
        at = price(line, w)
        parts.append(_("{quantity} at {price}").format(quantity=amount, price=at) if at else amount)
    return "; ".join(parts)


def under(line: Line, w: Wording) -> str:
    """Under which contract; of a shared bill its days and whole amount, every part of the key, and what decided it."""
    _ = w.gettext
    if line.bill is None:
        return _("contract {name}").format(name=line.contract)
    bill = line.bill
    words = _("{name}, {first} to {last}, of {amount}: {measures}; decided by {decision}")
    return words.format(
        name=line.contract,
        first=day(bill.first_day, w),
        last=day(bill.last_day, w),
        amount=cents(bill.cents, w),
        measures=measures(bill.measures, w),
        decision=bill.decision,
    )


def quantity(line: Line, w: Wording) -> str:
    """How much, in the unit of its price; empty where there is none."""
    if not line.quantity:
        return ""
    whole = line.quantity if line.quantity * 10**9 % 1 == 0 else round(line.quantity, 9)
    return f"{decimal(whole, w)} {line.unit}"


def price(line: Line, w: Wording) -> str:
    """EUR 1.85 a cycle, exact; empty where the price follows the tariff."""
    if line.price is None:
        return ""
    return w.gettext("{amount} per {unit}").format(amount=exact(line.price, w), unit=line.unit)


def rate(hundredths: int, w: Wording) -> str:
    """19 %."""
    return f"{of_cents(hundredths, w)}".rstrip("0").rstrip(".,") + " %"


def tax(one: TaxLine, w: Wording) -> str:
    """Which tax on which sum, or why there is none."""
    if not one.treatment.rate:
        return one.treatment.reason
    return w.gettext("Tax {rate} on {net}").format(rate=rate(one.treatment.rate, w), net=cents(one.net, w))


def collected(w: Wording) -> str:
    return w.gettext("A payment provider collects this: please transfer nothing. What is below a cent comes later.")


def passed_on(w: Wording) -> str:
    return w.gettext("A payment provider has passed this on: nothing has to be done.")


def notes(one: Document, w: Wording) -> Sequence[str]:
    """What stands below the sums, in order."""
    _ = w.gettext
    found = []
    if one.kind.is_self_billed:
        found.append(
            _("Self-billing: issued by {buyer} in the name of {seller}.").format(
                buyer=one.buyer.name, seller=one.seller.name
            )
        )
    if one.cites:
        cited = ", ".join(_("{number} of {day}").format(number=c.number, day=day(c.day, w)) for c in one.cites)
        words = _("Takes back: {cited}.") if one.kind.is_credit else _("Concerns: {cited}.")
        found.append(words.format(cited=cited))
    if one.disputed:
        words = _("{unit} {amount} of it is disputed: it need not be paid until that is decided.")
        found.append(words.format(unit=one.unit, amount=cents(one.disputed, w)))
        found.append(_("If the disputed use is taken back, a credit note follows."))
    if one.transfer.by_provider and one.kind is Kind.INVOICE:
        found.append(collected(w))
    elif one.transfer.by_provider and one.kind is Kind.SELF_BILLED:
        found.append(passed_on(w))
    if one.note:
        found.append(one.note)
    if any(line.treatment.rate for line in one.taxes):
        found.append(
            _("Amounts of the lines contain the tax.")
            if one.shows_gross
            else _("Amounts of the lines are without tax.")
        )
    if one.kind is Kind.CREDIT:
        found.append(_("It lowers what is to be paid; nothing has to be done."))
    return found
