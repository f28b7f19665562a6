"""A month's steps as the page shows them: in the reader's words, each with where it is done.

It never decides whether a step is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tallystick_protocol.codes import Reason

from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.ingest.quarantine import Waiting
from tallystick_cloud.settlement.report import StandsOpen

from .model import GROUPS, Billing, Facts, Group, Running, Settling, State, Step, Task, bank_state

NAMED_MAX = 3  # in one line; the rest stands on the step's own page
MARKS = {State.DONE: "tick", State.WAITS: "warn", State.LATER: "off"}

TITLES = {
    Group.MEASURED: N_("Measured and agreed"),
    Group.CLOSED: N_("Billed and closed"),
    Group.COMES_IN: N_("Money that comes in"),
    Group.GOES_OUT: N_("Money that goes out"),
}
STEPS = {
    Step.SET_ASIDE: N_("Readings set aside"),
    Step.LEFT_OPEN: N_("Uses that the last close left open"),
    Step.DISPUTES: N_("Disputes"),
    Step.SIGNATURES: N_("Contracts to be agreed"),
    Step.BILLS: N_("Shared bills to post"),
    Step.SETTLE: N_("Contracts to settle"),
    Step.POOLS: N_("Energy communities to close"),
    Step.DOCUMENTS: N_("Invoices to issue"),
    Step.DEBITS: N_("Direct debits"),
    Step.BANK_FILES: N_("Bank statements to take"),
    Step.SUSPENSE: N_("Bank entries without an owner"),
    Step.PAYOUTS: N_("Payouts"),
    Step.CREDITS: N_("Payers to pay back"),
    Step.UNCLAIMED: N_("Money to move to unclaimed"),
}
DONE = {
    Step.SET_ASIDE: N_("everything that came is read"),
    Step.LEFT_OPEN: N_("nothing stands open"),
    Step.DISPUTES: N_("none is open"),
    Step.SIGNATURES: N_("every version is agreed"),
    Step.BILLS: N_("every bill whose time has come is posted"),
    Step.DOCUMENTS: N_("everything that is settled stands in one"),
    Step.DEBITS: N_("nothing to collect now"),
    Step.SUSPENSE: N_("every entry has its owner"),
    Step.PAYOUTS: N_("nothing to pay now"),
    Step.CREDITS: N_("what can be paid back is on its way"),
    Step.UNCLAIMED: N_("nothing has waited long enough"),
}
WAITS = {
    Step.SET_ASIDE: N_("they are in no bill until they are read or given up"),
    Step.LEFT_OPEN: N_("bill or waive each; the next close carries it out"),
    Step.DISPUTES: N_("their money is held until somebody decides"),
    Step.DOCUMENTS: N_("payers of settled months without one; tallystick invoice issue writes them"),
    Step.SUSPENSE: N_("say whose they are"),
    Step.CREDITS: N_("they paid more than they owe; left here, it pays for what they use next"),
    Step.UNCLAIMED: N_("it could not be paid for as long as the rule says"),
}
LINKS = {
    Step.SET_ASIDE: "#set-aside",
    Step.LEFT_OPEN: "#left-open",
    Step.DISPUTES: "/disputes",
    Step.SIGNATURES: "/contracts",
    Step.BILLS: "/bills",
    Step.SETTLE: "#close",
    Step.POOLS: "/pools",
    Step.DOCUMENTS: "/documents",
    Step.DEBITS: "/debits",
    Step.BANK_FILES: "/payouts#accounts",
    Step.SUSPENSE: "/payouts#waiting",
    Step.PAYOUTS: "/payouts",
    Step.CREDITS: "/payouts#credits",
    Step.UNCLAIMED: "/unclaimed",
}
ELSEWHERE = {Step.SET_ASIDE: "/gateways", Step.LEFT_OPEN: ""}
"""Where a step that is done leads, when its list is not on the page then; empty: nowhere."""
REASONS = {
    Reason.ABSENT: N_("the readings never came"),
    Reason.LOST: N_("the readings are lost"),
    Reason.NO_CONTRACT: N_("no contract priced it then"),
    Reason.UNKNOWN_TIME: N_("nobody knows when it was"),
    Reason.TOO_LATE: N_("it came later than the contract allows"),
    Reason.IMPLAUSIBLE_JUMP: N_("the meter jumped further than it can"),
    Reason.FELL: N_("the meter fell, which it never should"),
    Reason.SERIAL_UNEXPECTED: N_("another meter answered"),
    Reason.USE_UNEXPLAINED: N_("no event says what was used"),
    Reason.MALFORMED: N_("the readings cannot be read"),
    Reason.PART_HASH: N_("the readings are not those that were signed"),
    Reason.UNSUPPORTED: N_("a newer program wrote it; update the server"),
    Reason.NO_DESCRIPTOR: N_("nobody said what the meter is"),
    Reason.REPLAYED: N_("an old reading came again"),
    Reason.STALE: N_("an old answer came again"),
}


@dataclass(frozen=True, slots=True)
class TaskView:
    """One row; `link` empty when there is nothing to open."""

    title: str
    note: str
    count: str
    mark: str
    state: str
    link: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """Rows that belong together, and how many of them wait. `has_close`: the contracts of the month stand below."""

    key: str
    title: str
    has_close: bool
    rows: tuple[TaskView, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class SettlingView:
    """A contract of the month: whether it is settled."""

    link: str
    name: str
    mark: str
    says: str


@dataclass(frozen=True, slots=True)
class AsideView:
    """A part that was set aside; `gid` of its gateway."""

    gateway: str
    gid: str
    why: str
    detail: str
    since: str


@dataclass(frozen=True, slots=True)
class OpenView:
    """A span that stands open; the ids go back with the form. Counts without a use number cannot be billed."""

    asset: str
    may_bill: bool
    what: str
    why: str
    chain: str
    channel: str
    id: int


def groups(facts: Facts, tasks: Sequence[Task], span: Span, w: Wording) -> tuple[GroupView, ...]:
    """In the order in which a month is done; none that is empty."""
    by_step = {one.step: one for one in tasks}
    found = []
    for group, steps in GROUPS.items():
        mine = [by_step[step] for step in steps if step in by_step]
        rows = tuple(_task(one, facts, span, w) for one in mine)
        if rows:
            has_close = any(one.step is Step.SETTLE for one in mine)
            waiting = sum(one.state is State.WAITS for one in mine)
            found.append(GroupView(group.value, w.gettext(TITLES[group]), has_close, rows, waiting))
    return tuple(found)


def _task(task: Task, facts: Facts, span: Span, w: Wording) -> TaskView:
    is_done = task.state is State.DONE
    count = "" if is_done else w.count(task.count)
    link = ELSEWHERE.get(task.step, LINKS[task.step]) if is_done else _link(task.step, facts, span)
    return TaskView(
        w.gettext(STEPS[task.step]), _note(task, facts, w), count, MARKS[task.state], task.state.value, link
    )


def _link(step: Step, facts: Facts, span: Span) -> str:
    """The page of the one thing that waits, else the list."""
    if step is Step.SIGNATURES and len(facts.proposed) == 1:
        return f"/contracts/{facts.proposed[0].chain.hex()}"
    waiting = [one for one in facts.pools if one.state is State.WAITS]
    if step is Step.POOLS and len(waiting) == 1:
        return f"/pools/{waiting[0].chain.hex()}/close?period={span.month.text}"
    return LINKS[step]


def _note(task: Task, facts: Facts, w: Wording) -> str:
    _ = w.gettext
    match task.step:
        case Step.SETTLE:
            return _settle_note(task, facts.settling, w)
        case Step.POOLS:
            return _settle_note(task, facts.pools, w)
        case Step.BANK_FILES:
            return _bank_note(facts, w)
        case _ if task.state is State.DONE:
            return _(DONE[task.step])
        case Step.SIGNATURES:
            each = (
                _("{contract} waits for {names}").format(contract=one.name, names=", ".join(one.missing[:NAMED_MAX]))
                for one in facts.proposed
            )
            return _listed(tuple(each), w)
        case Step.BILLS:
            return _listed(tuple(_bill(one, w) for one in facts.bills or ()), w)
        case Step.DEBITS if facts.debits is not None:
            return _runs(facts.debits, w)
        case Step.PAYOUTS:
            return _runs(facts.payouts, w)
        case _:
            return _(WAITS[task.step])


def _settle_note(task: Task, settling: Sequence[Settling], w: Wording) -> str:
    if task.state is State.DONE:
        last_ms = max(one.settled[1] for one in settling if one.settled is not None)
        return w.gettext("closed and signed, {day}").format(day=w.date(last_ms))
    if task.state is State.LATER:
        first_ms = min(one.to_ms for one in settling if one.state is State.LATER)
        return w.gettext("the first period ends with {day}").format(day=w.date(first_ms - 1))
    return _listed(tuple(one.name for one in settling if one.state is State.WAITS), w)


def _bank_note(facts: Facts, w: Wording) -> str:
    _ = w.gettext
    told = [
        _("{holder}: told until {day}").format(holder=one.holder, day=w.weekday(one.told))
        if one.told
        else _("{holder}: never yet").format(holder=one.holder)
        for one in sorted(facts.banking, key=lambda one: (bank_state(one, facts) is not State.WAITS, one.holder))
    ]
    return _listed(tuple(told), w)


def _runs(runs: Running, w: Wording) -> str:
    _ = w.gettext
    parts = (
        (runs.to_propose, _("{n} to propose")),
        (runs.to_release, _("{n} waits for a second person") if runs.to_release == 1
         else _("{n} wait for a second person")),
        (runs.to_hand_in, _("{n} to hand to the bank")),
    )  # fmt: skip
    return ", ".join(says.format(n=w.count(n)) for n, says in parts if n)


def _bill(one: Billing, w: Wording) -> str:
    return f"{one.name}, {_days(one.first_day, one.last_day, w)}"


def _days(first: date, last: date, w: Wording) -> str:
    return w.gettext("{first} to {last}").format(first=w.day(first), last=w.day(last))


def _listed(each: Sequence[str], w: Wording) -> str:
    """The first few, and how many more."""
    more = len(each) - NAMED_MAX
    shown = "; ".join(each[:NAMED_MAX])
    return w.gettext("{shown}; {n} more").format(shown=shown, n=w.count(more)) if more > 0 else shown


def settling_view(one: Settling, w: Wording) -> SettlingView:
    """When it was settled, or when it can be."""
    _ = w.gettext
    if one.settled is not None:
        number, closed_ms = one.settled
        says = _("settlement {n}, {day}").format(n=number, day=w.date(closed_ms))
    elif one.is_over:
        says = _("to be settled")
    else:
        says = _("its period ends with {day}").format(day=w.date(one.to_ms - 1))
    return SettlingView(f"/contracts/{one.chain.hex()}", one.name, MARKS[one.state], says)


def aside_view(one: Waiting, w: Wording) -> AsideView:
    """Its reason in words."""
    reason = Reason[one.reason.upper().replace("-", "_")]
    why = w.gettext(REASONS[reason]) if reason in REASONS else one.reason.replace("-", " ")
    return AsideView(one.gateway, one.gid, _first_upper(why), one.detail, w.day_time(one.since_ms))


def open_view(one: StandsOpen, w: Wording) -> OpenView:
    """What is not billed, and why."""
    _, span = w.gettext, one.span
    uses, counts = span.to_use - span.from_use, span.to_total - span.from_total
    what = [(_("use {n}") if uses == 1 else _("uses {n} to {last}")).format(n=span.from_use + 1, last=span.to_use)]
    counted = _("{n} count of the meter") if counts == 1 else _("{n} counts of the meter")
    said = (what if uses else []) + ([counted.format(n=w.count(counts))] if counts else [])
    reason = w.gettext(REASONS[span.reason]) if span.reason in REASONS else span.reason.name.lower().replace("_", " ")
    return OpenView(one.asset, uses > 0, ", ".join(said), reason, one.chain.hex(), one.channel_hash.hex(), span.id)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
