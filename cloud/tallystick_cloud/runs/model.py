"""The states of a run, what a proposal asks for, and the ids that come back from banks and providers; pure.

It never says what is paid or collected: payouts, debits and splits do, each in a model of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

END_BYTES = 16  # of an id of 32: what a bank carries back
REASONS_SHOWN_MAX = 5  # in one sentence; `show` lists all

Names = Mapping[bytes, str]
"""Party -> its name."""


class RunState(StrEnum):
    """proposed -> approved -> written -> sent -> settled; cancelled from the first three."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    WRITTEN = "written"  # the file exists; the bank, or the provider, may have it
    SENT = "sent"  # handed in
    SETTLED = "settled"  # it is known what became of every row
    CANCELLED = "cancelled"


OPEN_STATES = frozenset({RunState.PROPOSED, RunState.APPROVED, RunState.WRITTEN})
HANDED_IN = frozenset({RunState.SENT, RunState.SETTLED})


@dataclass(frozen=True, slots=True)
class Proposal:
    """`key`: the same again is the same run. `collector` None: the only one for whom there is anything to do."""

    key: str
    proposer: bytes
    collector: bytes | None
    execution_day: date


class StoredRun(Protocol):
    """What every kind of run says of itself in its row."""

    @property
    def id(self) -> bytes: ...
    @property
    def number(self) -> int: ...
    @property
    def collector(self) -> bytes: ...
    @property
    def state(self) -> RunState: ...
    @property
    def proposer(self) -> bytes: ...


class AnyRun(Protocol):
    """A run of any kind as it stands; `missing` says in words what keeps it from being released."""

    @property
    def stored(self) -> StoredRun: ...
    @property
    def approvers(self) -> tuple[bytes, ...]: ...
    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def cents(self) -> int: ...


def end_to_end(row: bytes) -> str:
    """The id of a row of a run as banks and providers carry it: 32 of the 35 characters that banks allow."""
    return row[:END_BYTES].hex()


def held_in_words(reasons: Sequence[str]) -> str:
    """The first few, for one sentence of a refusal."""
    if not reasons:
        return "nothing is due"
    more = len(reasons) - REASONS_SHOWN_MAX
    return "held back: " + "; ".join(reasons[:REASONS_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
