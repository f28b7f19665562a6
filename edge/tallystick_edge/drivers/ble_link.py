"""The link to one GATT device: whether it is near, connecting, closing, and what went wrong in words.
It asks the device nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_times import BleTimes

log = logging.getLogger(__name__)


class Link:
    """One device. `lost` is set whenever the link is down."""

    def __init__(self, address: str, times: BleTimes) -> None:
        self.address = address
        self.lost = asyncio.Event()
        self._times = times
        self._device: BLEDevice | None = None
        self._seen_s = float("-inf")
        self._returned = asyncio.Event()
        self._client: BleakClient | None = None

    def heard(self, device: BLEDevice) -> None:
        """An advert of this device: where to connect to, and that it is in range."""
        now = _now()
        if now - self._seen_s > self._times.away_s:
            self._returned.set()
        self._device, self._seen_s = device, now

    @property
    def client(self) -> BleakClient | None:
        """The connected client, None while there is no link."""
        return self._client if self._client is not None and self._client.is_connected else None

    async def pause(self, failures: int) -> None:
        """Wait as long as so many failures in a row deserve, less when the device comes back into range."""
        wait_s = self._times.away_s if self._device is None else self._times.backoff(failures) if failures else 0
        if wait_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._returned.wait()
        self._returned.clear()

    async def connect(self, on_new: Callable[[], None]) -> BleakClient:
        """The client, connected; `on_new` is told of a new link. Raises BleError out-of-range and what bleak raises."""
        if (client := self.client) is not None:
            return client
        await self.close()
        if self._device is None:
            raise BleError(BleReason.OUT_OF_RANGE, f"no advert of {self.address} was ever heard; is it switched on?")
        on_new()
        self.lost.clear()
        self._client = BleakClient(
            self._device, timeout=self._times.connect_s, disconnected_callback=lambda _: self.lost.set()
        )
        async with asyncio.timeout(self._times.connect_s * 2):  # bleak's own limit leaves out the disconnect after it
            await self._client.connect()
        return self._client

    async def close(self) -> None:
        """Hang up; harmless when not connected."""
        client, self._client = self._client, None
        self.lost.set()
        if client is None:
            return
        try:
            async with asyncio.timeout(self._times.call_s):
                await client.disconnect()
        except Exception as error:  # on a dead bus bleak lets out anything here, and the link is gone either way
            log.info("closing the link to %s: %r", self.address, error)

    def explained(self, error: Exception) -> BleError:
        """What an exception from a connection means."""
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


def _now() -> float:
    return asyncio.get_running_loop().time()
