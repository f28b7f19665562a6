"""One mains plug polled over GATT: connect, ask, sample; and when it does not answer, wait longer each time.
It keeps its own link and never touches another meter's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Final

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError
from tallystick_protocol.codes import MeterState

from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers import shelly
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.ports import Clock, Sink
from tallystick_edge.profile import Profile
from tallystick_edge.sample import Sample

log = logging.getLogger(__name__)

_NOT_PAIRED: Final = "org.bluez.Error.NotPermitted"


class Plug:
    """One plug. `slots` bounds the connections of the adapter; with `hold` the link stays up between polls."""

    def __init__(
        self, meter: MeterConfig, address: str, profile: Profile, clock: Clock, times: BleTimes, hold: bool
    ) -> None:
        self.address = address
        self._meter = meter
        self._calls = shelly.components(profile.registers.values())
        self._clock = clock
        self._times = times
        self._hold = hold
        self._numbers = itertools.count(1)
        self._device: BLEDevice | None = None
        self._seen_s = float("-inf")
        self._returned = asyncio.Event()
        self._client: BleakClient | None = None
        self._serial: str | None = None

    def heard(self, device: BLEDevice) -> None:
        """An advert of this plug: where to connect to, and that it is in range."""
        now = _now()
        if now - self._seen_s > self._times.away_s:
            self._returned.set()
        self._device, self._seen_s = device, now

    async def run(self, sink: Sink, faults: FaultReporter, slots: asyncio.Semaphore, alive: Callable[[], None]) -> None:
        """Poll at multiples of `every_ms` of UTC until cancelled; `alive` is told of every answer."""
        failures = 0
        try:
            while True:
                await self._until_due(failures)
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
            await self._close()

    async def _until_due(self, failures: int) -> None:
        if self._device is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._times.away_s):
                    await self._returned.wait()
        elif failures:
            with contextlib.suppress(TimeoutError):  # coming back into range ends the pause early
                async with asyncio.timeout(self._times.backoff(failures)):
                    await self._returned.wait()
        self._returned.clear()
        every = self._meter.every_ms
        await self._clock.sleep_ms(every - self._clock.utc_ms() % every)

    async def _poll(self, slots: asyncio.Semaphore) -> Sample:
        """One sample. Raises BleError; after any failure the link is closed, so nothing stale is read next time."""
        async with slots:
            try:
                sample = await self._ask(await self._connected())
            except BaseException as error:
                await self._close()
                if isinstance(error, Exception):
                    raise self._explained(error) from error
                raise
            if not self._hold:
                await self._close()
        return sample

    async def _connected(self) -> BleakClient:
        if self._client is not None and self._client.is_connected:
            return self._client
        await self._close()
        if self._device is None:
            raise BleError(BleReason.OUT_OF_RANGE, f"no advert of {self.address} was ever heard; is it switched on?")
        self._serial = None
        self._client = BleakClient(self._device, timeout=self._times.connect_s)
        async with asyncio.timeout(self._times.connect_s * 2):  # bleak's own limit leaves out the disconnect after it
            await self._client.connect()
        return self._client

    async def _ask(self, client: BleakClient) -> Sample:
        gatt = _BleakGatt(client)
        async with asyncio.timeout(self._times.rpc_s):
            await self._identify(gatt)
            values: dict[str, int] = {}
            frames: list[bytes] = []
            for component, registers in self._calls.items():
                result, frame = await self._call(gatt, component.method, {"id": component.id})
                values.update(shelly.values_of(result, registers))
                frames.append(frame)
        now, raw = self._clock, b"\n".join(frames)
        return Sample(self._meter.id, now.uptime_ms(), now.utc_ms(), values, self._serial, MeterState.OK, raw)

    async def _identify(self, gatt: _BleakGatt) -> None:
        """Who is at the other end, once per link; firmware that wants pairing is paired with here."""
        if self._serial is not None:
            return
        try:
            info, _ = await self._call(gatt, "Shelly.GetDeviceInfo", {})
        except BleakDBusError as error:
            if error.dbus_error != _NOT_PAIRED:
                raise
            await gatt.pair()
            info, _ = await self._call(gatt, "Shelly.GetDeviceInfo", {})
        self._serial = shelly.device_id(info)

    async def _call(self, gatt: _BleakGatt, method: str, params: dict[str, int]) -> tuple[shelly.Result, bytes]:
        return await shelly.call(gatt, next(self._numbers), method, params, self._times.ready_s)

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(self._times.call_s):
                await client.disconnect()
        except Exception as error:  # on a dead bus bleak lets out anything here, and the link is gone either way
            log.info("closing the link to %s: %r", self.address, error)

    def _explained(self, error: Exception) -> BleError:
        age = _now() - self._seen_s
        match error:
            case BleError():
                return error
            case _ if age > self._times.away_s:
                return BleError(BleReason.OUT_OF_RANGE, f"last advert of {self.address} is {age:.0f} s old: {error!r}")
            case TimeoutError():
                return BleError(BleReason.NO_ANSWER, f"{self.address} did not answer in time")
            case BleakError() | OSError() | EOFError():
                return BleError(BleReason.LINK_LOST, f"{self.address}: {error}")
            case _:
                return BleError(BleReason.NO_ANSWER, f"{self.address}: {error!r}")


class _BleakGatt:
    """bleak's client as the RPC code wants it."""

    def __init__(self, client: BleakClient) -> None:
        self._client = client

    async def read(self, uuid: str) -> bytes:
        return bytes(await self._client.read_gatt_char(uuid))

    async def write(self, uuid: str, data: bytes) -> None:
        await self._client.write_gatt_char(uuid, data, response=True)

    async def pair(self) -> None:
        await self._client.pair()


def _now() -> float:
    return asyncio.get_running_loop().time()
