"""One device polled over GATT: connect, ask, sample; and when it does not answer, wait longer each time.
It keeps its own link and never touches another meter's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from tallystick_protocol.codes import MeterState

from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_link import Link
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.ports import Clock, Sink
from tallystick_edge.sample import Sample


class Dialogue(Protocol):
    """How a device is asked once its link is up; every exception it lets out closes the link."""

    def begin(self) -> None:
        """A new link: what was known of the device behind the old one is forgotten."""

    async def ask(self, client: BleakClient) -> tuple[Mapping[str, int], str | None, bytes]:
        """Values of the profile's registers, the serial when the device tells one, and the bytes as they came."""
        ...


class Polled:
    """One device. `slots` bounds the connections of the adapter; with `hold` the link stays up between polls."""

    def __init__(
        self, meter: MeterConfig, address: str, dialogue: Dialogue, clock: Clock, times: BleTimes, hold: bool
    ) -> None:
        self._meter = meter
        self._dialogue = dialogue
        self._clock = clock
        self._times = times
        self._hold = hold
        self._link = Link(address, times)

    def heard(self, device: BLEDevice) -> None:
        """An advert of this device."""
        self._link.heard(device)

    async def run(self, sink: Sink, faults: FaultReporter, slots: asyncio.Semaphore, alive: Callable[[], None]) -> None:
        """Poll at multiples of `every_ms` of UTC until cancelled; `alive` is told of every answer."""
        failures = 0
        try:
            while True:
                await self._link.pause(failures)
                every = self._meter.every_ms
                await self._clock.sleep_ms(every - self._clock.utc_ms() % every)
                try:
                    sample = await self._poll(slots)
                except BleError as error:
                    failures += 1
                    faults.fault(self._meter.id, error.reason, error.detail)
                    continue
                failures = 0
                alive()
                faults.well(self._meter.id)
                sink.sample(sample)
        finally:
            await self._link.close()

    async def _poll(self, slots: asyncio.Semaphore) -> Sample:
        """One sample. Raises BleError; after any failure the link is closed, so nothing stale is read next time."""
        async with slots:
            try:
                client = await self._link.connect(self._dialogue.begin)
                async with asyncio.timeout(self._times.rpc_s):
                    values, serial, raw = await self._dialogue.ask(client)
                check_serial(serial, self._meter.serial)
            except BaseException as error:
                await self._link.close()
                if isinstance(error, Exception):
                    raise self._link.explained(error) from error
                raise
            if not self._hold:
                await self._link.close()
        now = self._clock
        return Sample(self._meter.id, now.uptime_ms(), now.utc_ms(), values, serial, MeterState.OK, raw)


def check_serial(seen: str | None, planned: str | None) -> None:
    """Raises BleError when the device says that it is not the planned one; upper and lower case are the same here,
    because labels print the hex digits of an id in capitals."""
    if None not in (seen, planned) and str(seen).casefold() != str(planned).casefold():
        raise BleError(BleReason.OTHER_SERIAL, f"serial number {seen} answers, {planned} is planned")
