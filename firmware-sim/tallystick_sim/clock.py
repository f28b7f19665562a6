"""Domain time of the simulated world: real time, or the scaled time that a demo gives to all its processes.
The only place in this distribution that asks the system what time it is; certificates always use real time."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

VARIABLE = "TALLYSTICK_CLOCK"
FACTOR_MAX = 10_000  # beyond this one event-loop turn is already minutes of domain time


class ClockSettingError(ValueError):
    """`TALLYSTICK_CLOCK` is not "FACTOR,REAL_ANCHOR_MS,VIRTUAL_ANCHOR_MS"."""


def real_ms() -> int:
    """Real UTC in ms; for certificates and for the anchor of a scaled clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """`factor` domain seconds pass in one real second; both anchors are the same instant, in ms."""

    factor: int = 1
    real_anchor_ms: int = 0
    virtual_anchor_ms: int = 0

    def utc_ms(self) -> int:
        return self.virtual_anchor_ms + (real_ms() - self.real_anchor_ms) * self.factor

    async def sleep_ms(self, ms: int) -> None:
        """Sleep `ms` of domain time."""
        await asyncio.sleep(max(0, ms) / 1000 / self.factor)

    def setting(self) -> str:
        """The value of `TALLYSTICK_CLOCK` that gives another process this clock."""
        return f"{self.factor},{self.real_anchor_ms},{self.virtual_anchor_ms}"


def parse_clock(setting: str) -> ScaledClock:
    """The clock that a setting describes; an empty setting is real time."""
    if not setting:
        return ScaledClock()
    words = setting.split(",")
    if len(words) != 3 or not all(w.strip().isascii() and w.strip().isdigit() for w in words):
        raise ClockSettingError(f"{VARIABLE}={setting!r}: expected three whole numbers FACTOR,REAL_MS,VIRTUAL_MS")
    factor, real, virtual = (int(w) for w in words)
    if not 1 <= factor <= FACTOR_MAX:
        raise ClockSettingError(f"{VARIABLE}: factor {factor} is outside 1..{FACTOR_MAX}")
    return ScaledClock(factor, real, virtual)


def clock_of_environment() -> ScaledClock:
    return parse_clock(os.environ.get(VARIABLE, ""))
