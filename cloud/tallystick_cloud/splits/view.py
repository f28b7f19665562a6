"""Runs of split instructions as a page shows them: in the reader's words, dates and amounts.

It never decides what may be done; it says what the next step is, and the service refuses what may not be.
"""

from collections.abc import Sequence
from datetime import date

from tallystick_cloud.http.amounts import exact, of_cents
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.runs import view as runs
from tallystick_cloud.runs.model import Names, RunState
from tallystick_cloud.runs.view import STATES, Content, LineView, NextView, RunView

from .model import Held, Outcome, Payment, Plan, Reason
from .service import Run
from .store import StoredPayment

OWN_STATES = {RunState.WRITTEN: N_("file written"), RunState.SENT: N_("with the provider")}
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


ALSO = {RunState.SENT: frozenset({"told"}), RunState.SETTLED: frozenset({"bill"})}


def next_view(collector: str, plan: Plan, names: Names, key: str, refusal: str, w: Wording) -> NextView:
    """What a run would instruct if it were proposed now, and what it holds back, each with its reason."""
    lines = tuple(_line(one, None, names, w) for one in plan.payments)
    total = of_cents(sum(one.cents for one in plan.payments), w)
    return NextView(collector, lines, _held(plan.held, w), total, key, refusal)


def run_view(run: Run, reader: bytes | None, names: Names, *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release. `can` may also hold told and bill."""
    stored = run.stored
    mark, usual = STATES[stored.state]
    state = w.gettext(OWN_STATES.get(stored.state, usual))
    lines = tuple(_line(one, one.outcome, names, w) for one in run.payments)
    also = ALSO.get(stored.state, frozenset())
    own = Content(date.fromisoformat(stored.execution_day), (mark, state), lines, _held(run.held, w), also)
    return runs.run_view(run, reader, names, own, may_act=may_act, w=w)


def _line(one: Payment | StoredPayment, outcome: Outcome | None, names: Names, w: Wording) -> LineView:
    mark, word = OUTCOMES[outcome]
    said = w.gettext(word) if word else ""
    parts = tuple(LineView(part.name, part.provider_account, of_cents(part.cents, w)) for part in one.parts)
    return LineView(names[one.payer], one.contract, of_cents(one.cents, w), mark, said, parts)


def _held(held: Sequence[Held], w: Wording) -> tuple[LineView, ...]:
    return tuple(
        LineView(one.payer, one.contract, exact(one.nano, w), word=w.gettext(REASONS[one.reason])) for one in held
    )
