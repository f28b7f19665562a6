"""Bluetooth tests: an emulated bluetoothd on a short socket path, a clock, a sink that remembers, a store in memory.
Real bleak runs against it; nothing of the driver is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tallystick_edge.config import AdapterConfig, MeterConfig
from tallystick_edge.drivers.ble import BleDriver
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.sample import Fault, Sample
from tallystick_protocol.codes import TimeQuality
from tallystick_sim.bluez import BluezEmulator, running

SENSOR = "A4:C1:38:00:00:01"
PLUG = "A4:C1:38:00:00:02"
OTHER_PLUG = "A4:C1:38:00:00:03"
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")

CALM = BleTimes(  # nothing times out on a loaded machine; a test that waits for a timeout shortens that one
    silent_s=20.0,
    power_cycle_s=60.0,
    call_s=20.0,
    settle_s=0.02,
    connect_s=20.0,
    rpc_s=20.0,
    ready_s=0.005,
    away_s=20.0,
    backoff_s=0.05,
    backoff_max_s=0.4,
    fault_every_s=0.0,
)
LADDER = dataclasses.replace(CALM, silent_s=0.2, power_cycle_s=0.4, call_s=2.0)  # for ladders climbed to the top
WATCHDOG = dataclasses.replace(CALM, silent_s=1.0)  # noticed after a second, and nothing further for a minute
WAIT_S = 60.0  # a test that waits longer for something has failed


@dataclass
class Truth:
    """What the simulated meters measured."""

    ml: int = 0
    mwh: int = 0
    watts: int = 0

    def volume_ml(self) -> int:
        return self.ml

    def energy_mwh(self) -> int:
        return self.mwh

    def power_w(self) -> int:
        return self.watts


class TestClock:
    """Domain time `factor` times as fast as real time."""

    __test__ = False

    def __init__(self, factor: int = 60) -> None:
        self._factor = factor
        self._began = time.monotonic()

    def utc_ms(self) -> int:
        return 1_795_000_000_000 + self.uptime_ms()

    def uptime_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000 * self._factor)

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(ms, 0) / 1000 / self._factor)

    def quality(self) -> TimeQuality:
        return TimeQuality.S


@dataclass
class MemorySink:
    """Everything the driver handed over."""

    samples: list[Sample] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def sample(self, s: Sample) -> None:
        self.samples.append(s)

    def fault(self, f: Fault) -> None:
        self.faults.append(f)

    def of(self, meter: str) -> list[Sample]:
        return [s for s in self.samples if s.meter == meter]

    def reasons(self, meter: str) -> set[str]:
        return {f.reason for f in self.faults if f.meter == meter}


class MemoryReplayStore:
    """The ReplayStore port; give the same one to the next driver to play a restart."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, bytes]] = {}

    def last(self, address: str) -> tuple[int, bytes] | None:
        return self.kept.get(address)

    def save(self, address: str, counter: int, digest: bytes) -> None:
        self.kept[address] = (counter, digest)


def sensor_meter(key: bytes | None = None, every_ms: int = 1) -> MeterConfig:
    return MeterConfig("water", "bthome-water", every_ms, adapter="bt", address=SENSOR, key=key)


def plug_meter(name: str = "plug", address: str = PLUG, every_ms: int = 1_000) -> MeterConfig:
    return MeterConfig(name, "shelly-plug-gen3", every_ms, adapter="bt", address=address)


@contextlib.contextmanager
def short_socket() -> Iterator[Path]:
    """A path that fits the 108 bytes of a unix socket address, which pytest's tmp_path may not."""
    with tempfile.TemporaryDirectory(prefix="tsb") as folder:
        yield Path(folder) / "bus"


@contextlib.asynccontextmanager
async def emulated_air() -> AsyncIterator[BluezEmulator]:
    """An emulator that bleak of this process will find."""
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    with short_socket() as socket:
        async with running(socket) as air:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = air.address
            try:
                yield air
            finally:
                await air.stop()
                await asyncio.sleep(0.01)  # bleak's bus of this loop sees the end while the loop still runs
                os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS")
                if before is not None:
                    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


@contextlib.asynccontextmanager
async def driving(
    *meters: MeterConfig,
    store: MemoryReplayStore | None = None,
    times: BleTimes = CALM,
    factor: int = 60,
) -> AsyncIterator[tuple[BleDriver, MemorySink]]:
    """A driver that runs inside the block and is cancelled after it."""
    driver = BleDriver(AdapterConfig("bt"), meters, TestClock(factor), store or MemoryReplayStore(), times)
    sink = MemorySink()
    task = asyncio.create_task(driver.run(sink))
    try:
        yield driver, sink
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def beacon(advertise: Callable[[], object], every_s: float = 0.02) -> AsyncIterator[None]:
    """Calls `advertise` again and again inside the block."""

    async def forever() -> None:
        while True:
            advertise()
            await asyncio.sleep(every_s)

    task = asyncio.create_task(forever())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], what: str, within_s: float = WAIT_S) -> float:
    """Wait for `condition`; real seconds it took. Fails naming `what`."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not condition():
        if loop.time() - began > within_s:
            raise AssertionError(f"not within {within_s} s: {what}")
        await asyncio.sleep(0.005)
    return loop.time() - began
