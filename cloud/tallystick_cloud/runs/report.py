"""Runs for people and for programs: what the words and the JSON of every kind have alike.

It never rounds; amounts leave as strings.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick_cloud.money import decimal

from .model import AnyRun, Names, RunState


@dataclass(frozen=True, slots=True)
class Kind:
    """`word`: its group of commands, such as payout; `to`: who gets its file; `outcome`: the step once it has it."""

    word: str
    to: str
    outcome: str


def head_json(run: AnyRun, names: Names) -> dict[str, object]:
    """Who, which and how far; `total_cents` is a string of an integer, ids are hex."""
    stored = run.stored
    return {
        "run": stored.number,
        "id": stored.id.hex(),
        "state": stored.state.value,
        "collector": names[stored.collector],
        "proposer": names[stored.proposer],
        "approved_by": [names[party] for party in run.approvers],
        "missing": list(run.missing),
        "total_cents": str(run.cents),
    }


def text(kind: Kind, run: AnyRun, names: Names, about: str, rows: Iterable[str], held: Iterable[str]) -> str:
    """A few lines: head, `rows`, what is held back, what comes next; `about`: such as EUR to 3 payees on a day."""
    stored = run.stored
    head = f"{kind.word} run {stored.number} of {names[stored.collector]}: {stored.state.value}"
    lines = [f"{head}, {decimal(run.cents)} {about}", *rows]
    lines += [f"  held back {one}" for one in held]
    lines += [f"missing: {one}" for one in run.missing]
    return "\n".join([*lines, f"next: {_next_step(kind, stored.number, stored.state)}"])


def _next_step(kind: Kind, number: int, state: RunState) -> str:
    match state:
        case RunState.PROPOSED:
            return f"tallystick {kind.word} approve {number}, by somebody other than the proposer"
        case RunState.APPROVED:
            return f"tallystick {kind.word} file {number} --out FILE"
        case RunState.WRITTEN:
            return f"give the file to the {kind.to}, then tallystick {kind.word} sent {number}"
        case RunState.SENT:
            return kind.outcome.format(number=number)
        case RunState.SETTLED | RunState.CANCELLED:
            return "nothing"
