"""Runs of split instructions as a page shows them: in the reader's words, dates and amounts.

It never decides what may be done; it says what the next step is, and the service refuses what may not be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.payouts.model import CENT_NANO, RunState
from tallystick_cloud.payouts.view import STATES, LineView, run_actions

from .model import Held, Outcome, Part, Payment, Plan, Reason
from .service import Run
from .store import StoredPayment

Names = Mapping[bytes, str]


def N_(text: str) -> str:
    """Marks a text for translation; it is translated where it is shown."""
    return text


FILE_WRITTEN, WITH_PROVIDER = N_("file written"), N_("with the provider")
REASONS = {
    Reason.NO_ACCOUNT: N_("a party has no account at the provider"),
    Reason.BELOW_THRESHOLD: N_("below the contract's threshold"),
    Reason.DISPUTED: N_("a use is disputed"),
    Reason.LESS_OWED: N_("less is owed now than was settled"),
    Reason.NOT_EURO: N_("not in euro"),
}
OUTCOMES = {
    None: ("off", ""),
    Outcome.PAID: ("ok", N_("paid")),
    Outcome.REFUSED: ("warn", N_("refused")),
    Outcome.RETURNED: ("warn", N_("came back")),
}


@dataclass(frozen=True, slots=True)
class PaymentView:
    """What one payer is charged, and who gets how much of it."""

    name: str
    about: str
    amount: Amount
    mark: str
    word: str
    parts: tuple[LineView, ...]


@dataclass(frozen=True, slots=True)
class NextView:
    """A collector's next run; `key` makes the form that is sent twice one run, `refusal` says why there is none."""

    collector: str
    payments: tuple[PaymentView, ...]
    held: tuple[LineView, ...]
    total: Amount
    key: str
    refusal: str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with what can be done next: `can` holds approve, file, sent, told, cancel."""

    number: int
    mark: str
    state: str
    day: str
    total: Amount
    collector: str
    payments: tuple[PaymentView, ...]
    held: tuple[LineView, ...]
    proposer: str
    can: frozenset[str]

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return bool(self.can - {"file"})


def next_view(collector: str, plan: Plan, names: Names, key: str, refusal: str, w: Wording) -> NextView:
    payments = tuple(_payment(one, None, names, w) for one in plan.payments)
    total = CENT_NANO * sum(one.cents for one in plan.payments)
    return NextView(collector, payments, _held(plan.held, w), exact(total, w), key, refusal)


def run_view(run: Run, reader: bytes | None, names: Names, *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release."""
    stored = run.stored
    mark, state = STATES[stored.state]
    state = {RunState.WRITTEN: FILE_WRITTEN, RunState.SENT: WITH_PROVIDER}.get(stored.state, state)
    is_other = reader != stored.proposer and reader not in run.approvers
    can = run_actions(stored.state, is_other=is_other)
    if stored.state is RunState.SENT:
        can |= {"told"}
    return RunView(
        stored.number,
        mark,
        w.gettext(state),
        w.weekday(date.fromisoformat(stored.execution_day)),
        exact(run.cents * CENT_NANO, w),
        names[stored.collector],
        tuple(_payment(one, one.outcome, names, w) for one in run.payments),
        _held(run.held, w),
        names[stored.proposer] if stored.state is RunState.PROPOSED else "",
        can if may_act else frozenset(),
    )


def _payment(one: Payment | StoredPayment, outcome: Outcome | None, names: Names, w: Wording) -> PaymentView:
    mark, word = OUTCOMES[outcome]
    said = w.gettext(word) if word else ""
    return PaymentView(
        names[one.payer], one.contract, exact(one.cents * CENT_NANO, w), mark, said, _parts(one.parts, w)
    )


def _parts(parts: Iterable[Part], w: Wording) -> tuple[LineView, ...]:
    return tuple(
        LineView(part.name, part.provider_account, exact(part.cents * CENT_NANO, w), "off", "") for part in parts
    )


def _held(held: Sequence[Held], w: Wording) -> tuple[LineView, ...]:
    return tuple(
        LineView(one.payer, one.contract, exact(one.nano, w), "off", w.gettext(REASONS[one.reason])) for one in held
    )
