"""What the aggregator needs from the world outside: time, randomness, a place for live events.

It never reads a clock itself; see `clock`.
"""

from collections.abc import Mapping
from typing import Protocol


class Clock(Protocol):
    def utc_ms(self) -> int:
        """Domain time in milliseconds UTC; scaled in the demo."""
        ...


class Entropy(Protocol):
    def bytes(self, n: int) -> bytes: ...


class Events(Protocol):
    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        """Tell live pages, after commit only; never blocks and never fails the caller."""
        ...


class NoEvents:
    """For commands and tests in which nobody watches."""

    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        return None
