"""The one scanner of this process, kept alive by a watchdog on the age of the last advert of any kind.
When the bus dies a running scanner falls silent without an error, so silence is all there is to go by.

The ladder: listen; silent for `silent_s`: a new scanner; silent for `power_cycle_s`: the adapter's power off and on;
silent after that: report, and go on trying. Any advert leads back to the bottom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import IntEnum

from bleak import BleakScanner
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

from tallystick_edge.drivers.ble_adapter import power_cycle, power_on
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_times import BleTimes

log = logging.getLogger(__name__)

START_FAILURES_MAX = 3  # a refused start is normal once (InProgress); after this many the adapter is power-cycled

Heard = Callable[[BLEDevice, AdvertisementData], None]
Trouble = Callable[[BleReason, str], None]


class Rung(IntEnum):
    """How far up the ladder this silence has led."""

    LISTENING = 0
    NEW_SCANNER = 1
    POWER_CYCLED = 2
    REPORTED = 3


def next_rung(rung: Rung, silence_s: float, since_cycle_s: float, times: BleTimes) -> Rung:
    """Where to go from `rung` after `silence_s` without an advert and `since_cycle_s` without a power cycle."""
    if rung is Rung.LISTENING:
        return Rung.NEW_SCANNER
    if silence_s >= times.power_cycle_s and since_cycle_s >= times.power_cycle_s:
        return Rung.POWER_CYCLED
    return Rung.REPORTED if rung >= Rung.POWER_CYCLED else Rung.NEW_SCANNER


class Scanner:
    """Scans until cancelled; `heard` gets every advert, `trouble` a reason when the ladder's top is reached.

    `starts` and `power_cycles` count what was done, for the doctor and for tests."""

    def __init__(self, device: str | None, times: BleTimes, heard: Heard, trouble: Trouble) -> None:
        self.starts = 0
        self.power_cycles = 0
        self.rung = Rung.LISTENING
        self._device = device
        self._times = times
        self._heard = heard
        self._trouble = trouble
        self._scanner: BleakScanner | None = None
        self._last_advert_s = 0.0
        self._last_sign_s = 0.0
        self._last_cycle_s = float("-inf")
        self._failures = 0

    def sign_of_life(self) -> None:
        """A device answered over GATT: the radio works, so its power stays on even if nobody advertises."""
        self._last_sign_s = _now()

    async def run(self) -> None:
        """Scan until cancelled. Never raises anything else."""
        self._last_advert_s = self._last_sign_s = _now()
        try:
            while True:
                if await self._start():
                    await self._listen()
                    await self._climb()
                else:
                    await asyncio.sleep(min(self._times.backoff(self._failures), self._times.silent_s))
        finally:
            if await self._attempt(get_global_bluez_manager()):
                await self._stop()

    async def _start(self) -> bool:
        scanner = BleakScanner(
            self._on_advert,
            bluez={
                **({"adapter": self._device} if self._device else {}),
                # Without duplicates BlueZ tells an unchanged advert once, and silence would mean nothing.
                "filters": {"DuplicateData": True},
            },
        )
        try:
            async with asyncio.timeout(self._times.call_s):
                await get_global_bluez_manager()  # a dead bus is replaced before the old scanner calls on it
            await self._stop()
            async with asyncio.timeout(self._times.call_s):
                await scanner.start()
        except Exception as error:  # bleak and dbus-fast let out whatever broke below; all of it means: not scanning
            await self._start_failed(error)
            return False
        self._scanner = scanner
        self.starts += 1
        self._failures = 0
        return True

    async def _start_failed(self, error: Exception) -> None:
        self._failures += 1
        reason = reason_of(error)
        if reason is BleReason.ADAPTER_OFF:
            await self._attempt(power_on(self._device, self._times.call_s))
        elif self._failures % START_FAILURES_MAX == 0:
            await self._power_cycle()
        if self._failures > 1:
            self._trouble(reason, f"scanning does not start ({self._failures} times): {error!r}")

    async def _listen(self) -> None:
        """Return once nothing was heard for `silent_s`, counted from the start of this scanner at the earliest."""
        began = _now()
        while True:
            left = max(began, self._last_advert_s) + self._times.silent_s - _now()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def _climb(self) -> None:
        now = _now()
        silence = now - max(self._last_advert_s, self._last_sign_s)
        self.rung = next_rung(self.rung, silence, now - self._last_cycle_s, self._times)
        log.warning("no advert for %.1f s: %s", now - self._last_advert_s, self.rung.name)
        if self.rung is Rung.POWER_CYCLED:
            await self._power_cycle()
        elif self.rung is Rung.REPORTED:
            self._trouble(
                BleReason.ADAPTER_SILENT, f"no advert of any kind for {silence:.0f} s, even after power off/on"
            )

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            await self._attempt(scanner.stop())

    async def _power_cycle(self) -> None:
        self._last_cycle_s = _now()
        if await self._attempt(power_cycle(self._device, self._times.call_s, self._times.settle_s)):
            self.power_cycles += 1

    async def _attempt(self, action: Awaitable[object]) -> bool:
        """Whether it worked; stopping a scanner on a dead bus raises OSError and much else, and changes nothing."""
        try:
            async with asyncio.timeout(self._times.call_s * 2 + self._times.settle_s):
                await action
        except Exception as error:  # as in _start: what bleak lets out here has no common base
            log.warning("bluetooth: %r", error)
            return False
        return True

    def _on_advert(self, device: BLEDevice, advert: AdvertisementData) -> None:
        self._last_advert_s = _now()
        self.rung = Rung.LISTENING
        self._heard(device, advert)


def reason_of(error: Exception) -> BleReason:
    """What an exception from a scanner's start says about the adapter."""
    match error:
        case BleError():
            return error.reason
        case BleakBluetoothNotAvailableError():
            off = error.reason is BleakBluetoothNotAvailableReason.POWERED_OFF
            return BleReason.ADAPTER_OFF if off else BleReason.ADAPTER_GONE
        case OSError() | EOFError():
            return BleReason.BUS_GONE
        case _:
            text = str(error)
            if "NotReady" in text:
                return BleReason.ADAPTER_OFF
            return BleReason.ADAPTER_GONE if "not found" in text else BleReason.SCAN_REFUSED


def _now() -> float:
    return asyncio.get_running_loop().time()
