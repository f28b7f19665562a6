"""What a payer sees of money paid too much: how much it is, what becomes of it, what is on its way back; in words.

It never shows another payer's, and of an account no more than its last digits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_cloud.http.amounts import Amount, of_cents
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.money import whole_cents

from .credit import Credit, OnItsWay
from .model import Reason
from .pain import CURRENCY

TAIL_CHARS = 4  # of an IBAN: enough to know one's own


@dataclass(frozen=True, slots=True)
class OwnCredit:
    """A reader's credit with one collector; `amount` None where all of it is on its way back already."""

    collector: str
    amount: Amount | None
    words: tuple[str, ...]


def own_credits(credits: Iterable[Credit], under_way: Sequence[OnItsWay], w: Wording) -> tuple[OwnCredit, ...]:
    """One for each collector that the reader paid too much to in euro, by name."""
    mine: dict[str, list[Credit]] = {one.collector: [] for one in under_way}
    for one in credits:
        if one.unit == CURRENCY:
            mine.setdefault(one.collector, []).append(one)
    return tuple(
        _own(collector, mine[collector], [one for one in under_way if one.collector == collector], w)
        for collector in sorted(mine)
    )


def _own(collector: str, credits: Sequence[Credit], under_way: Sequence[OnItsWay], w: Wording) -> OwnCredit:
    released = sum(one.cents for one in under_way if not one.is_sent)
    cents = whole_cents(sum(one.nano for one in credits)) - released
    words = [_way(one, w) for one in under_way]
    if cents > 0:
        words += _stays(collector, credits, w)
    return OwnCredit(collector, of_cents(cents, w) if cents > 0 else None, tuple(words))


def _way(one: OnItsWay, w: Wording) -> str:
    """A refund that is released: the bank has it, or will."""
    says = w.gettext("EUR {amount} goes back to your account ending in {tail} on {day}.")
    if one.is_sent:
        says = w.gettext("EUR {amount} is on its way to your account ending in {tail}, for {day}.")
    day = w.weekday(date.fromisoformat(one.day))
    return says.format(amount=of_cents(one.cents, w), tail=one.iban[-TAIL_CHARS:], day=day)


def _stays(collector: str, credits: Sequence[Credit], w: Wording) -> list[str]:
    """What becomes of it, and how to have it paid back."""
    _ = w.gettext
    words = [_("It is set off against what you use next.")]
    reasons = {one.reason for one in credits}
    if None in reasons:
        words.append(_("To have it paid back instead, ask {name}.").format(name=collector))
    elif Reason.NO_ACCOUNT in reasons:
        words.append(_("To have it paid back instead, give {name} your IBAN.").format(name=collector))
    elif Reason.SET_OFF in reasons:
        words.append(_("As much or more is due to {name} under another contract or bill.").format(name=collector))
    return words
