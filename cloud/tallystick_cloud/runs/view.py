"""Runs as pages show them: in the reader's words, dates and amounts.

It never decides what may be done; it says what the next step is, and the service refuses what may not be.
"""

from dataclasses import dataclass
from datetime import date

from tallystick_cloud.errors import CloudError
from tallystick_cloud.http.amounts import Amount, of_cents
from tallystick_cloud.http.locale import N_, Wording

from .model import AnyRun, Names, RunState

RUNS_SHOWN = 24

STATES = {
    RunState.PROPOSED: ("warn", N_("waits for a second person")),
    RunState.APPROVED: ("info", N_("released")),
    RunState.WRITTEN: ("info", N_("bank file written")),
    RunState.SENT: ("info", N_("with the bank")),
    RunState.SETTLED: ("ok", N_("done")),
    RunState.CANCELLED: ("off", N_("cancelled")),
}


@dataclass(frozen=True, slots=True)
class LineView:
    """One row of a run, or what is held back from one; `parts`: who gets how much of it, where it is split."""

    name: str
    about: str
    amount: Amount
    mark: str = "off"
    word: str = ""
    parts: tuple["LineView", ...] = ()


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
    """A run with what can be done next: `can` holds approve, file, sent, cancel, bill and what its kind has beside.
    `warning`: what to do before it is released."""

    number: int
    mark: str
    state: str
    day: str
    total: Amount
    collector: str
    lines: tuple[LineView, ...]
    held: tuple[LineView, ...]
    proposed: str
    can: frozenset[str]
    warning: str = ""

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return bool(self.can - {"file", "bill"})


@dataclass(frozen=True, slots=True)
class Content:
    """What a kind of run says in words of its own; `also`: steps that only this kind has."""

    day: date
    state: tuple[str, str]
    lines: tuple[LineView, ...]
    held: tuple[LineView, ...]
    also: frozenset[str] = frozenset()


def refusal(refused: CloudError) -> str:
    """Why there is no next run, as a sentence: a reason that is about a run begins with which one."""
    says = f"{refused.field} {refused.reason}" if refused.field.endswith(" run") else refused.reason
    return f"{says[:1].upper()}{says[1:]}."


def run_view(run: AnyRun, reader: bytes | None, names: Names, own: Content, *, may_act: bool, w: Wording) -> RunView:
    """`reader` is who looks: the proposer is never offered to release."""
    stored, (mark, state) = run.stored, own.state
    is_other = reader != stored.proposer and reader not in run.approvers
    proposed = w.gettext("proposed by {name}").format(name=names[stored.proposer])
    return RunView(
        stored.number,
        mark,
        state,
        w.weekday(own.day),
        of_cents(run.cents, w),
        names[stored.collector],
        own.lines,
        own.held,
        proposed if stored.state is RunState.PROPOSED else "",
        _actions(stored.state, is_other=is_other) | own.also if may_act else frozenset(),
    )


def _actions(state: RunState, *, is_other: bool) -> frozenset[str]:
    """`is_other`: who looks neither proposed nor released it."""
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
