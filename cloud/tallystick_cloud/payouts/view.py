"""Payout runs, bank accounts and entries as a page shows them: in the reader's words, dates and amounts.

It never decides what may be done; it says what the next step is, and the service refuses what may not be."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.service import Position
from tallystick_cloud.bank.store import StoredEntry
from tallystick_cloud.http.amounts import Amount, exact, of_cents
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.credit import Credit
from tallystick_cloud.payouts.model import Held, Plan, Reason
from tallystick_cloud.payouts.store import StoredPayout
from tallystick_cloud.runs import view as runs
from tallystick_cloud.runs.model import HANDED_IN, Names
from tallystick_cloud.runs.view import STATES, Content, LineView, NextView, RunView

ENTRIES_SHOWN = 40
ID_CHARS = 12

REASONS = {
    Reason.NO_ACCOUNT: N_("no bank account is known"),
    Reason.BANK_REFUSES: N_("a bank would send it back"),
    Reason.BELOW_THRESHOLD: N_("below the contract's threshold"),
    Reason.NOT_SETTLED: N_("not in a closed month yet"),
    Reason.DISPUTED: N_("a use is disputed"),
    Reason.DEBT: N_("owes money, which the next earnings settle"),
    Reason.OWN: N_("the collector's own share"),
    Reason.OTHER_WAY: N_("paid another way by contract"),
    Reason.NOT_EURO: N_("not in euro"),
    Reason.SET_OFF: N_("set off against what is due elsewhere"),
}
STANDINGS = {
    Standing.PAYOUT: ("ok", N_("payout")),
    Standing.BATCH: ("ok", N_("whole run")),
    Standing.DEBIT: ("ok", N_("direct debit")),
    Standing.BLOCK: ("ok", N_("direct debits")),
    Standing.DEBIT_RETURN: ("warn", N_("direct debit taken back")),
    Standing.PAYMENT: ("ok", N_("payment")),
    Standing.ASSIGNED: ("ok", N_("assigned by a person")),
    Standing.RETURN: ("warn", N_("came back")),
    Standing.SUSPENSE: ("crit", N_("waits for a person")),
}


@dataclass(frozen=True, slots=True)
class AccountView:
    """A bank account: the bank's word beside the books'; `unseen` None when they are equal."""

    holder: str
    iban: str
    day: str
    bank: Amount
    books: Amount
    unseen: Amount | None


@dataclass(frozen=True, slots=True)
class CreditView:
    """What one payer paid too much to one collector; `total` of it can be paid back to `iban`, None: nothing now."""

    payer: str
    collector: str
    lines: tuple[LineView, ...]
    total: Amount | None
    iban: str
    key: str


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of an account statement; `who`: what its sender wrote."""

    id: str
    day: str
    iso: str
    amount: Amount
    who: str
    mark: str
    word: str
    about: str
    holder: str
    is_money_in: bool


def run_view(run: Run, reader: bytes | None, names: Names, *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release."""
    mark, state = STATES[run.stored.state]
    lines = tuple(
        LineView(one.creditor.name, _about(one, w), of_cents(one.cents, w), *_outcome(one, run.elsewhere, w))
        for one in run.payouts
    )
    day = date.fromisoformat(run.stored.execution_day)
    has_payees = any(not one.owed.is_credit for one in run.payouts)
    also = frozenset({"bill"}) if has_payees and run.stored.state in HANDED_IN else frozenset()
    own = Content(day, (mark, w.gettext(state)), lines, _held(run.held, w), also)
    return replace(runs.run_view(run, reader, names, own, may_act=may_act, w=w), warning=_warning(run, names, w))


def _warning(run: Run, names: Names, w: Wording) -> str:
    """What whoever releases a run does about accounts that are others than last time."""
    if not run.elsewhere:
        return ""
    who = ", ".join(sorted(names[party] for party in run.elsewhere))
    says = N_("Ask {name} whether the new account is right, and not by the way on which the change came.")
    return w.gettext(says).format(name=who)


def _about(one: StoredPayout, w: Wording) -> str:
    return w.gettext("{contract}, paid back").format(contract=one.contract) if one.owed.is_credit else one.contract


def _outcome(one: StoredPayout, elsewhere: Collection[bytes], w: Wording) -> tuple[str, str]:
    match one.outcome:
        case "paid":
            return "ok", w.gettext("paid")
        case "returned":
            return "warn", w.gettext("came back")
        case _ if one.owed.party in elsewhere:
            return "warn", w.gettext("another account than last time")
        case _:
            return "off", ""


def next_view(collector: str, plan: Plan, key: str, refusal: str, w: Wording) -> NextView:
    """What a run would pay if it were proposed now, and what it holds back, each with its reason."""
    lines = tuple(LineView(one.creditor.name, one.contract, of_cents(one.cents, w)) for one in plan.payouts)
    total = of_cents(sum(one.cents for one in plan.payouts), w)
    return NextView(collector, lines, _held(plan.held, w), total, key, refusal)


def _held(held: Sequence[Held], w: Wording) -> tuple[LineView, ...]:
    return tuple(
        LineView(one.party, one.contract, exact(one.nano, w), word=w.gettext(REASONS[one.reason])) for one in held
    )


def credit_views(credits: Sequence[Credit], next_number: int, w: Wording) -> tuple[CreditView, ...]:
    """One for each collector and payer, in their order."""
    found: dict[tuple[str, bytes], list[Credit]] = {}
    for one in credits:
        found.setdefault((one.collector, one.payer_id), []).append(one)
    return tuple(_credit_view(mine, next_number, w) for mine in found.values())


def _credit_view(credits: Sequence[Credit], next_number: int, w: Wording) -> CreditView:
    first = credits[0]
    lines = tuple(LineView(one.payer, one.contract, exact(one.nano, w), word=_why(one, w)) for one in credits)
    to = next((one.to.iban for one in credits if one.to is not None), "")
    total = of_cents(sum(one.cents for one in credits), w) if to else None
    key = f"refund-{next_number}-{first.payer_id.hex()}"
    return CreditView(first.payer, first.collector, lines, total, in_groups(to), key)


def _why(one: Credit, w: Wording) -> str:
    return "" if one.reason is None else w.gettext(REASONS[one.reason])


def account_view(one: Position, names: Mapping[bytes, str], w: Wording) -> AccountView:
    unseen = exact(one.unseen_nano, w, signed=True) if one.unseen_nano else None
    bank, books = of_cents(one.bank_cents, w), exact(one.books_nano, w)
    return AccountView(names[one.holder], in_groups(one.iban), _day(one.day, w), bank, books, unseen)


def entry_view(one: StoredEntry, names: Mapping[bytes, str], w: Wording) -> EntryView:
    mark, word = STANDINGS[one.standing]
    who = ", ".join(part for part in (one.name, one.remittance) if part)
    amount = of_cents(one.cents, w, signed=True)
    day, about = _day(one.day, w), one.about[:1].upper() + one.about[1:]
    whose = names[one.holder]
    return EntryView(
        one.id.hex()[:ID_CHARS], day, one.day, amount, who, mark, w.gettext(word), about, whose, one.cents > 0
    )


def in_groups(text: str) -> str:
    """An IBAN as it is printed: groups of four."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _day(text: str, w: Wording) -> str:
    return w.weekday(date.fromisoformat(text))
