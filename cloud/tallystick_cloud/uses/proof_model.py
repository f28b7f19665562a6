"""What a proof is made of: its steps in order, what each compared, and what the steps hand to each other.

It never checks anything."""

from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection
from tallystick_protocol.checkpoint import Checkpoint
from tallystick_protocol.ids import H32
from tallystick_protocol.part import Part

from tallystick_cloud.uses import proof_store as store
from tallystick_cloud.uses.model import UseView


class Step(StrEnum):
    """The links of the proof, in the order in which they are shown."""

    SIGNATURE = "signature"
    PART = "part"
    READING = "reading"
    INCLUSION = "inclusion"
    CHECKPOINT = "checkpoint"
    CONTRACT = "contract"
    PRICE = "price"
    BOOKS = "books"


class Verdict(StrEnum):
    """`absent`: there is nothing to check here, which is no fault (a period's minimum has no reading)."""

    FITS = "fits"
    BROKEN = "broken"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was compared: `label` is translated where it is shown, `value` is shown as it is."""

    label: str
    value: str
    is_hash: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One link with what was compared; `problem` says what does not fit."""

    step: Step
    verdict: Verdict
    facts: tuple[Fact, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """The audit path of the batch's leaf, for who wants to hash it by hand."""

    leaf: int
    size: int
    root: H32
    steps: tuple[H32, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """All checks, and the path of the batch in the log."""

    checks: tuple[Check, ...]
    path: Path | None

    @property
    def holds(self) -> bool:
        """Whether nothing is broken."""
        return all(check.verdict is not Verdict.BROKEN for check in self.checks)


class Unfit(Exception):
    """A check's own refusal, in words."""


@dataclass(slots=True)
class Work:
    """What the steps find and hand to each other."""

    conn: Connection
    community: str
    use: UseView
    batches: list[store.BatchRow] = field(default_factory=list)
    parts: list[tuple[store.BatchRow, int, Part]] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    path: Path | None = None


Facts = list[Fact]
