"""The driver of one Modbus line: keeps it connected and runs its meters side by side, so that none can stop another.
It knows no meter by make and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallystick_edge.config import LineConfig, MeterConfig
from tallystick_edge.drivers.line_guard import GuardCounts, GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import LineDown
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.drivers.modbus_meter import Backoff, ModbusMeter, chosen_registers
from tallystick_edge.profile import Profile, ProfileError, ProfileKind, load_profile
from tallystick_edge.sample import Fault

if TYPE_CHECKING:
    from tallystick_edge.ports import Clock, Sink


@dataclass(frozen=True, slots=True)
class ReconnectTimes:
    """Real milliseconds between attempts to open the line, doubled each time."""

    first_ms: int = 500
    most_ms: int = 30_000


USUAL_BACKOFF = Backoff()
USUAL_RECONNECT = ReconnectTimes()


class ModbusDriver:
    """One line with its meters; `run` it until cancelled. Making it loads the profiles and raises ProfileError.

    `guard_times`, `backoff` and `reconnect` are real time and only tests set them."""

    def __init__(
        self,
        line: LineConfig,
        meters: Sequence[MeterConfig],
        clock: Clock,
        *,
        guard_times: GuardTimes | None = None,
        backoff: Backoff = USUAL_BACKOFF,
        reconnect: ReconnectTimes = USUAL_RECONNECT,
        profiles: Callable[[str], Profile] = load_profile,
    ) -> None:
        self._line = line
        self._meters = tuple(meters)
        self._profiles = {meter.id: _usable(meter, profiles(meter.profile)) for meter in self._meters}
        self._clock = clock
        self._times = guard_times or GuardTimes.of(line)
        self._backoff = backoff
        self._reconnect = reconnect
        self._guard: LineGuard | None = None

    @property
    def counts(self) -> GuardCounts:
        """What the line guard has seen since `run` began."""
        return self._guard.counts if self._guard else GuardCounts()

    async def run(self, sink: Sink) -> None:
        """Read until cancelled; a line that does not open, and a silent meter, are faults given to `sink`."""
        link = ModbusLink(self._line)
        self._guard = guard = LineGuard(link, self._times)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_connected(link, sink))
                for meter in self._meters:
                    group.create_task(self._meter(meter, guard).run(sink, link.up))
        finally:
            await guard.close()
            link.close()

    def _meter(self, meter: MeterConfig, guard: LineGuard) -> ModbusMeter:
        return ModbusMeter(self._line, meter, self._profiles[meter.id], guard, self._clock, self._backoff)

    async def _keep_connected(self, link: ModbusLink, sink: Sink) -> None:
        """pymodbus never retries a first connect that failed, and closes on its own terms; so we do both."""
        wait_ms = self._reconnect.first_ms
        while True:
            try:
                await link.connect()
            except LineDown as failure:
                self._tell(sink, failure)
                await asyncio.sleep(wait_ms / 1_000)
                wait_ms = min(2 * wait_ms, self._reconnect.most_ms)
                continue
            wait_ms = self._reconnect.first_ms
            await link.down.wait()
            await asyncio.sleep(wait_ms / 1_000)

    def _tell(self, sink: Sink, failure: LineDown) -> None:
        for meter in self._meters:
            sink.fault(Fault(meter.id, self._clock.uptime_ms(), failure.reason, str(failure)))


def _usable(meter: MeterConfig, profile: Profile) -> Profile:
    if profile.kind is not ProfileKind.MODBUS:
        raise ProfileError(
            f"{profile.name}.toml", "kind", f"is {profile.kind}, but meter {meter.id} is on a Modbus line"
        )
    chosen_registers(meter, profile)
    return profile
