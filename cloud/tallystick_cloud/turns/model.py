"""Whose turn it is at an asset that several share, and how long one lasts; pure.

It never says what a use costs.
"""

from dataclasses import dataclass

BEGINS_MS = 15 * 60_000
"""A use that begins so long after somebody said it would be his is his: time to load a machine and choose a programme.
A longer one would keep the next person waiting at a free machine."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A use of the asset that begins in [from_ms, to_ms) is the party's."""

    id: int
    asset: str
    party: bytes
    said_ms: int
    from_ms: int
    to_ms: int

    def is_on(self, now_ms: int) -> bool:
        return now_ms < self.to_ms

    def holds(self, start_ms: int) -> bool:
        return self.from_ms <= start_ms < self.to_ms


@dataclass(frozen=True, slots=True)
class Running:
    """A use of the asset that goes on. `is_billed`: its payer stands already."""

    number: int
    start_ms: int
    is_billed: bool
