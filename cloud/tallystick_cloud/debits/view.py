"""Mandates and debit runs as pages show them: in the reader's words, dates and amounts.

It never shows a whole account number to anybody but those who handle mandates; a payer sees the last digits of the own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_cloud.debits.model import TAIL_CHARS
from tallystick_cloud.http.amounts import Amount, exact, of_cents
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.payouts.view import in_groups
from tallystick_cloud.runs import view as runs
from tallystick_cloud.runs.model import Names, RunState
from tallystick_cloud.runs.view import STATES, Content, LineView, NextView, RunView

from .mandate import SequenceType, State, dormant_on
from .mandates import Shown
from .model import Held, Outcome, Plan, Reason
from .service import Run
from .store import StoredDebit

MANDATE_STATES = {
    State.ACTIVE: ("ok", N_("stands")),
    State.DORMANT: ("warn", N_("unused for 36 months: sign a new one")),
    State.REVOKED: ("off", N_("ended")),
}
REASONS = {
    Reason.NO_MANDATE: N_("no mandate: pays by transfer"),
    Reason.DORMANT: N_("the mandate was not used for 36 months: a new one has to be signed"),
    Reason.TOLD_TOO_LATE: N_("would be told too late for that day: choose a later one"),
    Reason.UNDER_WAY: N_("another run collects it already"),
    Reason.NOT_SETTLED: N_("not in a closed month yet"),
    Reason.DISPUTED: N_("a use is disputed"),
    Reason.BANK_REFUSES: N_("a bank would refuse it"),
}
OUTCOMES = {
    None: ("off", ""),
    Outcome.COLLECTED: ("ok", N_("collected")),
    Outcome.RETURNED: ("warn", N_("came back")),
    Outcome.REJECTED: ("crit", N_("refused by the bank")),
}
CODES = {
    "AC01": N_("the account number is wrong"),
    "AC04": N_("the account is closed"),
    "AC06": N_("the account is blocked"),
    "AM04": N_("not enough money on the account"),
    "MD01": N_("the bank knows no valid mandate"),
    "MD06": N_("the payer asked for the money back"),
    "MD07": N_("the payer has died"),
    "MS03": N_("the bank gave no reason"),
}
"""Codes of banks that people meet most (ISO 20022, external status reason codes); any other is shown as it is."""


@dataclass(frozen=True, slots=True)
class BackView:
    """A debit that came back or was refused."""

    payer: str
    amount: Amount
    day: str
    iso: str
    mark: str
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class MandateView:
    """A mandate; `next` says in words what is collected next, `past` what was, the newest first."""

    id: str
    reference: str
    payer: str
    collector: str
    creditor: str
    account: str
    mark: str
    state: str
    next: str
    signed: str
    last: str
    notice: str
    stands: bool
    past: tuple[BackView, ...]


@dataclass(frozen=True, slots=True)
class Collected:
    """What a mandate's page needs beside it: nano due now, and cents and day once a run is released."""

    due: int
    announced: tuple[int, date] | None


def next_view(collector: str, plan: Plan, names: Names, key: str, refusal: str, w: Wording) -> NextView:
    """What a run would collect if it were proposed now, and what it holds back, each with its reason."""
    lines = tuple(
        LineView(names[one.payer], _about(one.mandate.about.reference, one.sequence, w), of_cents(one.cents, w))
        for one in plan.debits
    )
    total = of_cents(sum(one.cents for one in plan.debits), w)
    return NextView(collector, lines, _held(plan.held, w), total, key, refusal)


def run_view(run: Run, reader: bytes | None, names: Names, *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release. `can` may also hold reject."""
    stored = run.stored
    is_waiting = stored.state is RunState.SENT and any(one.outcome is None for one in run.debits)
    also = frozenset({"reject"}) if is_waiting else frozenset()
    lines = tuple(_line(one, names, w) for one in run.debits)
    own = Content(stored.collection_day, _state(run, w), lines, _held(run.held, w), also)
    return runs.run_view(run, reader, names, own, may_act=may_act, w=w)


def _state(run: Run, w: Wording) -> tuple[str, str]:
    """Mark and words; a run that is done says how many of its debits were not collected."""
    lost = sum(one.outcome in (Outcome.RETURNED, Outcome.REJECTED) for one in run.debits)
    mark, state = STATES[run.stored.state]
    if lost and run.stored.state is RunState.SETTLED:
        return "warn", w.gettext("done, {n} not collected").format(n=w.count(lost))
    return mark, w.gettext(state)


def back_views(runs: Sequence[Run], names: Names, w: Wording) -> tuple[BackView, ...]:
    """Debits that came back or were refused, the newest first."""
    found = [
        one for run in runs for one in run.debits if one.outcome in (Outcome.RETURNED, Outcome.REJECTED)
    ]  # fmt: skip
    newest = sorted(found, key=lambda one: -(one.outcome_ms or 0))
    return tuple(_outcome(one, names, w) for one in newest)


def mandate_view(
    one: Shown, beside: Collected, past: Sequence[StoredDebit], names: Names, *, is_office: bool, w: Wording
) -> MandateView:
    """`is_office`: who handles mandates sees the whole account number. `past`: its debits with an outcome."""
    about, _ = one.mandate.about, w.gettext
    mark, state = MANDATE_STATES[one.state]
    last = one.history.last_day or about.used_day
    iban = (
        in_groups(about.debtor.iban)
        if is_office
        else _("ending in {tail}").format(tail=about.debtor.iban[-TAIL_CHARS:])
    )
    newest = sorted(past, key=lambda debit: -(debit.outcome_ms or 0))
    return MandateView(
        one.mandate.id.hex(),
        about.reference,
        names[about.payer],
        names[about.collector],
        about.creditor_id,
        f"{iban}, {about.debtor.name}",
        mark,
        _(state),
        _next(one, beside, w),
        w.day(about.signed_day),
        _("never") if last is None else w.day(last),
        _("{n} days before each collection; not used until {day}, it is no longer valid").format(
            n=about.notice_days, day=w.day(dormant_on(about, one.history))
        ),
        one.state is not State.REVOKED,
        tuple(_outcome(debit, names, w) for debit in newest),
    )


def _next(one: Shown, beside: Collected, w: Wording) -> str:
    _ = w.gettext
    if beside.announced is not None:
        cents, day = beside.announced
        return _("EUR {amount} on {day}").format(amount=of_cents(cents, w), day=w.weekday(day))
    if one.state is not State.ACTIVE:
        return _("nothing is collected under it")
    if beside.due >= CENT_NANO:
        return _("EUR {amount} is due, no day is set yet").format(amount=exact(beside.due // CENT_NANO * CENT_NANO, w))
    return _("nothing is due")


def _line(one: StoredDebit, names: Names, w: Wording) -> LineView:
    mark, word = OUTCOMES[one.outcome]
    said = ", ".join(part for part in (w.gettext(word) if word else "", _why(one.reason, w)) if part)
    return LineView(names[one.party], _about(one.reference, one.sequence, w), of_cents(one.cents, w), mark, said)


def _outcome(one: StoredDebit, names: Names, w: Wording) -> BackView:
    mark, word = OUTCOMES[one.outcome]
    at_ms = one.outcome_ms or 0
    return BackView(
        names[one.party], of_cents(one.cents, w), w.date(at_ms), w.iso(at_ms), mark, w.gettext(word),
        _why(one.reason, w),
    )  # fmt: skip


def _about(reference: str, sequence: SequenceType, w: Wording) -> str:
    times = w.gettext("first time") if sequence is SequenceType.FIRST else w.gettext("again")
    return f"{reference}, {times}"


def _why(reason: str | None, w: Wording) -> str:
    """The bank's code in words, and what it wrote beside it."""
    if not reason:
        return ""
    code = reason[:4]
    return f"{w.gettext(CODES[code])} ({code})" if code in CODES else reason


def _held(held: Sequence[Held], w: Wording) -> tuple[LineView, ...]:
    return tuple(LineView(one.payer, "", exact(one.nano, w), word=w.gettext(REASONS[one.reason])) for one in held)
