"""The only place of the aggregator that reads a clock or the system's randomness.

TALLYSTICK_CLOCK="FACTOR,REAL_ANCHOR_MS,VIRTUAL_ANCHOR_MS" scales domain time for the demo; X.509 always uses real time.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .errors import BadInput

VARIABLE = "TALLYSTICK_CLOCK"
FACTOR_MAX = 10_000  # a day in nine seconds: faster than any demo needs, slow enough for millisecond stamps


def real_utc_ms() -> int:
    return time.time_ns() // 1_000_000


def real_utc() -> datetime:
    """For certificates, which other programs check against the real clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SystemClock:
    """utc = virtual anchor + (real now - real anchor) * factor."""

    factor: int = 1
    real_anchor_ms: int = 0
    virtual_anchor_ms: int = 0

    def utc_ms(self) -> int:
        return self.virtual_anchor_ms + (real_utc_ms() - self.real_anchor_ms) * self.factor


class SystemEntropy:
    def bytes(self, n: int) -> bytes:
        return os.urandom(n)


def clock_of(environment: Mapping[str, str]) -> SystemClock:
    """Raises BadInput when the variable is set and not three integers."""
    value = environment.get(VARIABLE)
    if not value:
        return SystemClock()
    try:
        factor, real, virtual = (int(part) for part in value.split(","))
    except ValueError:
        raise BadInput(
            VARIABLE, f"is {value!r}, not FACTOR,REAL_ANCHOR_MS,VIRTUAL_ANCHOR_MS; unset it or fix it"
        ) from None
    if not 1 <= factor <= FACTOR_MAX:
        raise BadInput(VARIABLE, f"factor {factor} is not in 1..{FACTOR_MAX}")
    return SystemClock(factor, real, virtual)
