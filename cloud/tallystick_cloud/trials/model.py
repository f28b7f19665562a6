"""What a test run is, and how long one may be; pure.

It never says what a use costs, and it holds no rule of money.
"""

from typing import NamedTuple

MINUTE_MS = 60_000
MINUTES_MIN, MINUTES_MAX = 5, 240
"""A wash takes up to three hours; what lasts longer would be free use and no test."""
MINUTES_USUAL = 120
WHY_CHARS_MAX = 200


class Trial(NamedTuple):
    """Uses of an asset that begin in [from_ms, to_ms) are tests. `uses`: how many were taken back so far."""

    id: int
    asset: str
    asset_name: str
    from_ms: int
    to_ms: int
    by: bytes
    why: str
    uses: int

    def is_on(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms < self.to_ms
