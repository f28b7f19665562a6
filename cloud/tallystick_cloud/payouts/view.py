"""Payout runs, bank accounts and entries as a page shows them: in the reader's words, dates and amounts.

It never decides what may be done; it says what the next step is, and the service refuses what may not be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.service import Position
from tallystick_cloud.bank.store import StoredEntry
from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.model import CENT_NANO, Held, Plan, Reason, RunState

ENTRIES_SHOWN = 40
RUNS_SHOWN = 24
ID_CHARS = 12


def N_(text: str) -> str:
    """Marks a text for translation; it is translated where it is shown."""
    return text


STATES = {
    RunState.PROPOSED: ("warn", N_("waits for a second person")),
    RunState.APPROVED: ("info", N_("released")),
    RunState.WRITTEN: ("info", N_("bank file written")),
    RunState.SENT: ("info", N_("with the bank")),
    RunState.SETTLED: ("ok", N_("done")),
    RunState.CANCELLED: ("off", N_("cancelled")),
}
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
class LineView:
    """One payee of a run, or what is held back from one."""

    name: str
    about: str
    amount: Amount
    mark: str
    word: str


@dataclass(frozen=True, slots=True)
class NextView:
    """A collector's next run; `key` makes the form that is sent twice one run, `refusal` says why there is none."""

    collector: str
    lines: tuple[LineView, ...]
    held: tuple[LineView, ...]
    total: Amount
    key: str
    refusal: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, of payouts or of debits, with what can be done next: `can` holds approve, file, sent, cancel, reject."""

    number: int
    mark: str
    state: str
    day: str
    total: Amount
    collector: str
    lines: tuple[LineView, ...]
    held: tuple[LineView, ...]
    missing: str
    can: frozenset[str]

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return bool(self.can - {"file"})


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


def run_view(run: Run, reader: bytes | None, names: Mapping[bytes, str], *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release."""
    stored = run.stored
    mark, state = STATES[stored.state]
    lines = tuple(
        LineView(one.creditor.name, one.contract, exact(one.cents * CENT_NANO, w), *_outcome(one.outcome, w))
        for one in run.payouts
    )
    missing = (
        ""
        if stored.state is not RunState.PROPOSED
        else w.gettext("proposed by {name}").format(name=names[stored.proposer])
    )
    is_other = reader != stored.proposer and reader not in run.approvers
    return RunView(
        stored.number,
        mark,
        w.gettext(state),
        _day(stored.execution_day, w),
        exact(run.cents * CENT_NANO, w),
        names[stored.collector],
        lines,
        _held(run.held, w),
        missing,
        run_actions(stored.state, is_other=is_other) if may_act else frozenset(),
    )


def run_actions(state: RunState, *, is_other: bool) -> frozenset[str]:
    """The next steps of a run, of payouts or of debits; `is_other`: neither proposed nor released it."""
    match state:
        case RunState.PROPOSED:
            return frozenset({"approve", "cancel"}) if is_other else frozenset({"cancel"})
        case RunState.APPROVED:
            return frozenset({"file", "cancel"})
        case RunState.WRITTEN:
            return frozenset({"file", "sent", "cancel"})
        case RunState.SENT | RunState.SETTLED:
            return frozenset({"file"})
        case RunState.CANCELLED:
            return frozenset()


def _outcome(outcome: str | None, w: Wording) -> tuple[str, str]:
    match outcome:
        case "paid":
            return "ok", w.gettext("paid")
        case "returned":
            return "warn", w.gettext("came back")
        case _:
            return "off", ""


def next_view(collector: str, plan: Plan, key: str, refusal: str, w: Wording) -> NextView:
    """What a run would pay if it were proposed now, and what it holds back, each with its reason."""
    lines = tuple(
        LineView(one.creditor.name, one.contract, exact(one.cents * CENT_NANO, w), "off", "") for one in plan.payouts
    )
    return NextView(
        collector,
        lines,
        _held(plan.held, w),
        exact(CENT_NANO * sum(one.cents for one in plan.payouts), w),
        key,
        refusal,
    )


def _held(held: Sequence[Held], w: Wording) -> tuple[LineView, ...]:
    return tuple(
        LineView(one.party, one.contract, exact(one.nano, w), "off", w.gettext(REASONS[one.reason])) for one in held
    )


def account_view(one: Position, names: Mapping[bytes, str], w: Wording) -> AccountView:
    unseen = exact(one.unseen_nano, w, signed=True) if one.unseen_nano else None
    bank, books = exact(one.bank_cents * CENT_NANO, w), exact(one.books_nano, w)
    return AccountView(names[one.holder], in_groups(one.iban), _day(one.day, w), bank, books, unseen)


def entry_view(one: StoredEntry, names: Mapping[bytes, str], w: Wording) -> EntryView:
    mark, word = STANDINGS[one.standing]
    who = ", ".join(part for part in (one.name, one.remittance) if part)
    amount = exact(one.cents * CENT_NANO, w, signed=True)
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
