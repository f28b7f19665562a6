"""The one true time of a world, and the clocks of its gateways: set late, stepped by people, or simply right.
A clock never decides anything; what it says is all the gateway knows."""

from __future__ import annotations

import asyncio

from sim.town import MIDNIGHT_MS
from tallystick_protocol.codes import TimeQuality

WOKE_MS = 1_577_836_800_000  # 2020-01-01: where a board without a clock begins


class TrueTime:
    """Virtual UTC. `before_midnight_ms`: where the world begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop, before_midnight_ms: int) -> None:
        self._loop, self._first_ms = loop, MIDNIGHT_MS - before_midnight_ms

    def utc_ms(self) -> int:
        return self._first_ms + self.elapsed_ms()

    def elapsed_ms(self) -> int:
        return int(self._loop.time() * 1000)


class GatewayClock:
    """The Clock port of one boot. `offset_ms`: believed minus true UTC; `is_set`: whether it may be trusted."""

    def __init__(self, true: TrueTime, offset_ms: int, is_set: bool) -> None:
        self._true, self.offset_ms, self._is_set = true, offset_ms, is_set
        self._booted_ms = true.elapsed_ms()

    def utc_ms(self) -> int:
        return self._true.utc_ms() + self.offset_ms

    def uptime_ms(self) -> int:
        return self._true.elapsed_ms() - self._booted_ms

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(0, ms) / 1000)

    def quality(self) -> TimeQuality:
        return TimeQuality.S if self._is_set else TimeQuality.U

    def set(self, offset_ms: int) -> None:
        """Somebody (NTP, a person) sets it."""
        self.offset_ms, self._is_set = offset_ms, True
