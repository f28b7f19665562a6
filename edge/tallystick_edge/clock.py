"""Where the agent's time and randomness come from: the system, or a demo's scaled time.
Certificates never use this clock; they are judged by real time."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tallystick_protocol.codes import TimeQuality

from tallystick_edge.errors import ConfigError

VARIABLE = "TALLYSTICK_CLOCK"
TIME_ERROR = 5  # sys/timex.h: the clock is not synchronised
RTC_FOLDER = Path("/sys/class/rtc")
FACTOR_MAX = 10_000  # beyond this one turn of the event loop is minutes of domain time
_LIBC = ctypes.CDLL(None)  # once: each is a class of its own, and every sample asks for the clock's quality
LOOK_AGAIN_S = 60.0
TRUSTED_AFTER_MS = 1_767_225_600_000  # 2026-01-01: a clock before the program was written was never set


class _BootClock:
    """Whether a clock with a battery set the time at boot. One that did has done so for good; before that it is looked
    for once a minute and not with every sample, because a module for it may be loaded late."""

    def __init__(self) -> None:
        self._is_set = False
        self._look_at_s = 0.0

    def is_set(self) -> bool:
        if not self._is_set and (now := time.monotonic()) >= self._look_at_s:
            self._is_set, self._look_at_s = is_set_by_hardware(), now + LOOK_AGAIN_S
        return self._is_set


@dataclass(frozen=True, slots=True)
class SystemClock:
    """Domain time: `factor` domain seconds pass in one real second, counted from the two anchors (ms)."""

    factor: int = 1
    real_anchor_ms: int = 0
    virtual_anchor_ms: int = 0
    _started_ns: int = field(default_factory=time.monotonic_ns)
    _boot_clock: _BootClock = field(default_factory=_BootClock, compare=False)

    def utc_ms(self) -> int:
        return self.virtual_anchor_ms + (time.time_ns() // 1_000_000 - self.real_anchor_ms) * self.factor

    def uptime_ms(self) -> int:
        return (time.monotonic_ns() - self._started_ns) * self.factor // 1_000_000

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(0, ms) / 1000 / self.factor)

    def quality(self) -> TimeQuality:
        """S: NTP keeps the kernel's clock (or a demo scales it). I: a battery-backed clock set it. U: nobody did, so
        that a board without such a clock woke up with the time of its last shutdown, or of its making."""
        if time.time_ns() // 1_000_000 <= TRUSTED_AFTER_MS:
            return TimeQuality.U
        if self.factor != 1 or self.real_anchor_ms or is_kernel_synchronised():
            return TimeQuality.S
        return TimeQuality.I if self._boot_clock.is_set() else TimeQuality.U


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); only its size and that `modes` comes first matter."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_byte * 256))


def is_kernel_synchronised() -> bool:
    """What adjtimex(2) returns: NTP runs, and nobody else set the clock since. False where there is no such call."""
    try:
        return 0 <= int(_LIBC.adjtimex(ctypes.byref(_Timex()))) < TIME_ERROR
    except (OSError, AttributeError):
        return False


def is_set_by_hardware() -> bool:
    """Whether the kernel took its time from a clock with a battery at boot."""
    try:
        told = [RTC_FOLDER / rtc / "hctosys" for rtc in os.listdir(RTC_FOLDER)]
        return any(path.exists() and path.read_text().strip() == "1" for path in told)
    except OSError:
        return False


def real_utc() -> datetime:
    """For certificates, which other programs judge by real time."""
    return datetime.now(UTC)


class SystemEntropy:
    """The operating system's randomness."""

    def bytes(self, n: int) -> bytes:
        return os.urandom(n)


def system_clock() -> SystemClock:
    """Real time, or what TALLYSTICK_CLOCK="FACTOR,REAL_ANCHOR_MS,VIRTUAL_ANCHOR_MS" says. Raises ConfigError."""
    setting = os.environ.get(VARIABLE, "")
    if not setting:
        return SystemClock()
    words = setting.split(",")
    if len(words) != 3 or not all(word.strip().isascii() and word.strip().isdigit() for word in words):
        raise ConfigError("environment", VARIABLE, f"is {setting!r}", "write FACTOR,REAL_MS,VIRTUAL_MS or unset it")
    factor, real, virtual = (int(word) for word in words)
    if not 1 <= factor <= FACTOR_MAX:
        raise ConfigError("environment", VARIABLE, f"has factor {factor}", f"use 1 to {FACTOR_MAX}")
    return SystemClock(factor, real, virtual)
