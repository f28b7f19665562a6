"""What a month still needs: facts about a community made into a list of steps, each done, waiting or not due yet; pure.

It never hides a step that waits, and shows none that a community does not have.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

DAY = timedelta(days=1)
SATURDAY = 5


class Step(StrEnum):
    """One thing that a manager looks after, in the order in which it is done."""

    SET_ASIDE = "set-aside"
    LEFT_OPEN = "left-open"
    DISPUTES = "disputes"
    SIGNATURES = "signatures"
    BILLS = "bills"
    SETTLE = "settle"
    POOLS = "pools"
    DOCUMENTS = "documents"
    DEBITS = "debits"
    BANK_FILES = "bank-files"
    SUSPENSE = "suspense"
    PAYOUTS = "payouts"
    CREDITS = "credits"
    UNCLAIMED = "unclaimed"


class State(StrEnum):
    """Where a step stands."""

    DONE = "done"
    WAITS = "waits"
    """for a person"""
    LATER = "later"
    """its time has not come"""


class Group(StrEnum):
    """Steps that belong together."""

    MEASURED = "measured"
    CLOSED = "closed"
    COMES_IN = "comes-in"
    GOES_OUT = "goes-out"


GROUPS = {
    Group.MEASURED: (Step.SET_ASIDE, Step.LEFT_OPEN, Step.DISPUTES, Step.SIGNATURES),
    Group.CLOSED: (Step.BILLS, Step.SETTLE, Step.POOLS, Step.DOCUMENTS),
    Group.COMES_IN: (Step.DEBITS, Step.BANK_FILES, Step.SUSPENSE),
    Group.GOES_OUT: (Step.PAYOUTS, Step.CREDITS, Step.UNCLAIMED),
}
BEFORE_CLOSE = frozenset({Step.SET_ASIDE, Step.DISPUTES, Step.SIGNATURES, Step.BILLS})
"""Better done before a month is closed; what comes later stands in the next settlement, so none is in the way."""


@dataclass(frozen=True, slots=True)
class Settling:
    """A contract in the month. `at_ms`: when it holds there, `to_ms`: the end of its period then, `is_over` by now;
    `settled`: the number of its settlement and when it was made."""

    chain: bytes
    name: str
    at_ms: int
    to_ms: int
    is_over: bool
    settled: tuple[int, int] | None

    @property
    def state(self) -> State:
        if self.settled is not None:
            return State.DONE
        return State.WAITS if self.is_over else State.LATER


@dataclass(frozen=True, slots=True)
class Billing:
    """A shared bill whose turn it is: the days that follow those of the last one."""

    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Banking:
    """A bank account of somebody who collects money; `told`: the last day that its bank has told of."""

    holder: str
    told: date | None


@dataclass(frozen=True, slots=True)
class Proposed:
    """A version that waits for its parties."""

    chain: bytes
    name: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Running:
    """Runs by what they wait for: a proposal, a second person, the bank's having its file."""

    to_propose: int
    to_release: int
    to_hand_in: int

    @property
    def waiting(self) -> int:
        return self.to_propose + self.to_release + self.to_hand_in


@dataclass(frozen=True, slots=True)
class Facts:
    """What the books say; None where a community has none such. `pools`: energy communities, `settling`: the others."""

    is_over: bool
    last_day: date
    set_aside: int
    left_open: int
    disputes: int
    proposed: Sequence[Proposed]
    bills: Sequence[Billing] | None
    settling: Sequence[Settling]
    pools: Sequence[Settling]
    documents: int | None
    debits: Running | None
    banking: Sequence[Banking]
    suspense: int
    payouts: Running
    credits: int | None
    unclaimed: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A step of this month; `count`: of what waits, or of what is done."""

    step: Step
    state: State
    count: int


def tasks(facts: Facts) -> tuple[Task, ...]:
    """All that there are in this community, in order."""
    return tuple(_tasks(facts))


def _tasks(facts: Facts) -> Iterator[Task]:
    yield _waits(Step.SET_ASIDE, facts.set_aside)
    yield _waits(Step.LEFT_OPEN, facts.left_open)
    yield _waits(Step.DISPUTES, facts.disputes)
    yield _waits(Step.SIGNATURES, len(facts.proposed))
    if facts.bills is not None:
        yield _waits(Step.BILLS, len(facts.bills))
    if facts.settling:
        yield _of(Step.SETTLE, [one.state for one in facts.settling])
    if facts.pools:
        yield _of(Step.POOLS, [one.state for one in facts.pools])
    if facts.documents is not None:
        yield _waits(Step.DOCUMENTS, facts.documents)
    if facts.debits is not None:
        yield _waits(Step.DEBITS, facts.debits.waiting)
    if facts.banking:
        yield _of(Step.BANK_FILES, [bank_state(one, facts) for one in facts.banking])
        yield _waits(Step.SUSPENSE, facts.suspense)
    yield _waits(Step.PAYOUTS, facts.payouts.waiting)
    if facts.credits is not None:
        yield _waits(Step.CREDITS, facts.credits)
    yield _waits(Step.UNCLAIMED, facts.unclaimed)


def bank_state(one: Banking, facts: Facts) -> State:
    """Whether the bank has told of the month's last working day."""
    if one.told is not None and one.told >= last_working_day(facts.last_day):
        return State.DONE
    return State.WAITS if facts.is_over else State.LATER


def _waits(step: Step, count: int) -> Task:
    return Task(step, State.WAITS if count else State.DONE, count)


def _of(step: Step, states: Sequence[State]) -> Task:
    """Waits while one does; done when all are."""
    for state in (State.WAITS, State.LATER):
        if state in states:
            return Task(step, state, states.count(state))
    return Task(step, State.DONE, len(states))


def last_working_day(last: date) -> date:
    """Banks tell of no Saturday and no Sunday."""
    return last - DAY * max(0, last.weekday() - SATURDAY + 1)


def next_bills(past: Iterable[tuple[str, date, date]], until: date) -> list[Billing]:
    """`past`: (name, first day, last day) of bills that stand. The bill after the last of each name, once its days are
    over; months are followed by months, other spans by as many days."""
    newest: dict[str, tuple[date, date]] = {}
    for name, first, last in past:
        if name not in newest or last > newest[name][1]:
            newest[name] = first, last
    found = [Billing(name, last + DAY, _end_after(first, last)) for name, (first, last) in sorted(newest.items())]
    return [one for one in found if one.last_day <= until]


def _end_after(first: date, last: date) -> date:
    """The last day of a span as long as [first, last] that begins the day after."""
    begin = last + DAY
    if first.day == 1 and begin.day == 1:
        months = (begin.year - first.year) * 12 + begin.month - first.month
        year, index = divmod(begin.year * 12 + begin.month - 1 + months, 12)
        return date(year, index + 1, 1) - DAY
    return last + (begin - first)
