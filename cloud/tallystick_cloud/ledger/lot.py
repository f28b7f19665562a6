"""What is handed to the books together: uses that became known by one cause, and what became of each.

It holds no rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tallystick_protocol.money.rating import Rated, Usage

from .model import Amounts, FreshUse


@dataclass(frozen=True, slots=True)
class Cause:
    """What made these uses known: `key` is the journal's idempotency key."""

    key: str
    name: str  # batch | period-close
    ref: bytes | None
    now_ms: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Uses that became known together, and what made them known."""

    uses: Sequence[FreshUse]
    cause: Cause

    def recorded(self, now_ms: int) -> "Lot":
        """The same, known at another moment."""
        return self if now_ms == self.cause.now_ms else Lot(self.uses, replace(self.cause, now_ms=now_ms))


class Booked(NamedTuple):
    """A use as it was booked, for live pages; `fresh` False: an older use that is rated otherwise now."""

    use: FreshUse | None
    rated: Rated
    fresh: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A journal to be posted."""

    key: str
    cause: str
    ref: bytes | None
    usages: Sequence[Usage]
    lines: Amounts
    now_ms: int
