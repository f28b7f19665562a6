"""One device that tells by itself over GATT: subscribe, take what it says, and connect again when the link breaks.
A counter is thinned out to the meter's interval; single weighings are added up to a counter that survives restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Final

from bleak.backends.device import BLEDevice
from tallystick_protocol.codes import MeterState

from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_formats import characteristics, packed, read_values, scaled, wire_of
from tallystick_edge.drivers.ble_layout import Frame, uuid_of_16
from tallystick_edge.drivers.ble_link import Link
from tallystick_edge.drivers.ble_replay import Freshness, ReplayGuard
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.ports import Clock, ReplayStore, Sink
from tallystick_edge.profile import Profile
from tallystick_edge.sample import Sample

ZERO_TIME: Final = datetime(2000, 1, 1)  # a scale's own clock, without a zone: only its order is used
TIME_BITS: Final = 32  # seconds since then last until 2136
NO_DIGEST: Final = bytes(32)  # the store wants one beside each number; a sum has none


def is_summed(profile: Profile) -> bool:
    """Whether a register adds up single measurements."""
    return any(wire_of(register).sum for register in profile.registers.values())


class Notified:
    """One device. With `hold` the link stays up, else it is closed after each sample so that others get their turn.

    A profile with a summed register is of a scale: each weighing counts once, by the time that the scale gives it."""

    def __init__(
        self,
        meter: MeterConfig,
        address: str,
        profile: Profile,
        clock: Clock,
        times: BleTimes,
        hold: bool,
        store: ReplayStore,
        guard: ReplayGuard,
    ) -> None:
        self._meter = meter
        self._registers = tuple(profile.registers.values())
        self._numbers = characteristics(self._registers)
        self._summed = is_summed(profile)
        self._clock = clock
        self._times = times
        self._hold = hold
        self._store = store
        self._guard = guard
        self._link = Link(address, times)
        self._interval = -1
        self._told = asyncio.Event()

    def heard(self, device: BLEDevice) -> None:
        """An advert of this device."""
        self._link.heard(device)

    async def run(self, sink: Sink, faults: FaultReporter, slots: asyncio.Semaphore, alive: Callable[[], None]) -> None:
        """Listen until cancelled; `alive` is told of every value."""
        failures = 0
        try:
            while True:
                await self._link.pause(failures)
                try:
                    async with slots:
                        await self._listen(sink, faults, alive)
                    failures = 0
                except BleError as error:
                    failures = 1 if self._told.is_set() else failures + 1
                    faults.fault(self._meter.id, error.reason, error.detail)
                if not self._hold:
                    await self._clock.sleep_ms(self._meter.every_ms)
        finally:
            await self._link.close()

    async def _listen(self, sink: Sink, faults: FaultReporter, alive: Callable[[], None]) -> None:
        """Until the link is lost, or without `hold` until one value came. Raises BleError."""
        self._told.clear()

        def told(number: int, _: object, value: bytearray) -> None:
            self._told.set()
            alive()
            self._take(number, bytes(value), sink, faults)

        try:
            client = await self._link.connect(lambda: None)
            for number in self._numbers:
                async with asyncio.timeout(self._times.rpc_s):
                    await client.start_notify(uuid_of_16(number), partial(told, number))
            if self._hold:
                while not await self._within(self._link.lost, self._times.away_s) and client.is_connected:
                    pass  # a dead bus may tell nothing, so the link is looked at now and then
                raise BleError(BleReason.LINK_LOST, f"{self._link.address}: the link ended")
            if not await self._within(self._told, self._times.rpc_s):
                raise BleError(BleReason.NO_ANSWER, f"{self._link.address}: connected, and told nothing")
        except Exception as error:  # bleak and the bus below it raise without a common base; all of it ends this link
            raise self._link.explained(error) from error
        finally:
            await self._link.close()

    def _take(self, number: int, value: bytes, sink: Sink, faults: FaultReporter) -> None:
        try:
            raw = packed({number: value})
            found = read_values(raw)
            sample = self._weighed(found, raw) if self._summed else self._counted(found, raw)
        except BleError as error:
            faults.fault(self._meter.id, error.reason, error.detail)
            return
        faults.well(self._meter.id)
        if sample is not None:
            sink.sample(sample)

    def _counted(self, found: Mapping[str, int], raw: bytes) -> Sample | None:
        values = scaled(found, self._registers)
        interval = self._clock.utc_ms() // self._meter.every_ms
        if interval == self._interval:
            return None
        self._interval = interval
        return self._sample(values, raw)

    def _weighed(self, found: Mapping[str, int], raw: bytes) -> Sample | None:
        """Number and sum are saved by the store in one flush with the sample, so a crash loses or keeps all of them."""
        values = scaled(found, self._registers)
        frame = Frame(seconds_of(found), TIME_BITS, found, raw)
        last = self._store.last(self._link.address)
        if last is not None and last[0] == frame.counter and last[1] != sha256(raw).digest():
            raise BleError(BleReason.REPLAYED, "the scale told two weighings of one second; the first one was counted")
        match self._guard.judge(self._link.address, frame):
            case Freshness.OLD:
                raise BleError(BleReason.REPLAYED, "the scale told a weighing that is older than the last one counted")
            case Freshness.REPEAT:
                return None
            case Freshness.NEW:
                pass
        for register in self._registers:
            if wire_of(register).sum:
                place = f"{self._link.address}/{register.name}"
                before, _ = self._store.last(place) or (0, NO_DIGEST)
                values[register.name] += before
                self._store.save(place, values[register.name], NO_DIGEST)
        return self._sample(values, raw)

    def _sample(self, values: Mapping[str, int], raw: bytes) -> Sample:
        now = self._clock
        return Sample(self._meter.id, now.uptime_ms(), now.utc_ms(), values, None, MeterState.OK, raw)

    @staticmethod
    async def _within(event: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True


def seconds_of(found: Mapping[str, int]) -> int:
    """When a scale says it weighed, in seconds of its own clock since 2000.

    Raises BleError: without a time a weighing told twice cannot be told from two of the same weight."""
    names = ("year", "month", "day", "hour", "minute", "second")
    try:
        year, month, day, hour, minute, second = (found[f"2a9d/{name}"] for name in names)
        at = datetime(year, month, day, hour, minute, second)
    except KeyError:
        raise BleError(BleReason.FRAME, "the scale gives no time with its weighings; set its clock") from None
    except ValueError as error:
        raise BleError(BleReason.FRAME, f"the scale gives a time that is none: {error}") from None
    if at < ZERO_TIME:
        raise BleError(BleReason.FRAME, f"the scale's clock says {at:%Y-%m-%d}; set it")
    return int((at - ZERO_TIME).total_seconds())
