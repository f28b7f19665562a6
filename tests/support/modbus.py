"""What the Modbus tests share: a truth to set, registers that name themselves, a clock, a sink that remembers.
Only helpers; nothing here is asserted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tallystick_edge.sample import Fault, Sample
from tallystick_protocol.codes import TimeQuality

UTC_MS = 1_795_305_600_000


async def seen(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until the condition holds, looking every few milliseconds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a condition of the simulated line, which has no event for it
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class SetTruth:
    """An EnergySource that a test sets."""

    wh: int = 0
    watts: int = 0

    def energy_wh(self) -> int:
        return self.wh

    def power_w(self) -> int:
        return self.watts


@dataclass(frozen=True, slots=True)
class SelfNaming:
    """A register map in which each register holds its own address plus the unit's mark, so a mix-up is seen."""

    mark: int

    def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
        return tuple((function << 12) + self.mark + place & 0xFFFF for place in range(address, address + count))


class RealClock:
    """Domain time that is real time, `factor` times as fast."""

    def __init__(self, factor: int = 1) -> None:
        self._factor = factor
        self._start = asyncio.get_running_loop().time()

    def uptime_ms(self) -> int:
        return int((asyncio.get_running_loop().time() - self._start) * 1_000 * self._factor)

    def utc_ms(self) -> int:
        return UTC_MS + self.uptime_ms()

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(0, ms) / 1_000 / self._factor)

    def quality(self) -> TimeQuality:
        return TimeQuality.S


@dataclass(slots=True)
class Remember:
    """A Sink."""

    samples: list[Sample] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def sample(self, s: Sample) -> None:
        self.samples.append(s)
        self.changed.set()

    def fault(self, f: Fault) -> None:
        self.faults.append(f)
        self.changed.set()

    def of(self, meter: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.meter == meter]

    def reasons(self, meter: str) -> list[str]:
        return [fault.reason for fault in self.faults if fault.meter == meter]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until something that was told makes the condition true. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()
