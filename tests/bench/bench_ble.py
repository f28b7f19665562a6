"""Bluetooth: adverts and notifications through the emulator and real bleak, and how fast the driver takes them.
Prints a table and one JSON line per figure; exits 1 when a goal is missed.

    python tests/bench/bench_ble.py [--adverts 30000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from support.ble import (
    FAST,
    KEY,
    SENSOR,
    MemoryReplayStore,
    MemorySink,
    TestClock,
    Truth,
    beacon,
    driving,
    emulated_air,
    sensor_meter,
    until,
)
from tallystick_edge.drivers.ble_advert import AdvertMeter
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_replay import ReplayGuard
from tallystick_edge.drivers.bthome import SERVICE_UUID
from tallystick_edge.profile import load_profile
from tallystick_sim.bluez import BthomeSensor, Characteristic, Peripheral, Service
from tallystick_sim.bluez.names import uuid_of_16

ADVERTS_MAX = 1_000_000  # some minutes
BURST = 500  # adverts put into the socket before the clients get a turn
DRIVER_GOAL = 5_000  # adverts/s: a hundred sensors of fifty adverts a second each, more than one radio can hear
MICROSECONDS_GOAL = 100  # of one core for one advert in the driver: 2 % of a core at 200 adverts/s


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: int
    unit: str
    goal: str | None
    ok: bool


async def bleak_adverts(count: int) -> tuple[float, int]:
    """(adverts per second, lost) from the emulator into a bleak callback."""
    heard = 0

    def on_advert(device: BLEDevice, advert: AdvertisementData) -> None:
        nonlocal heard
        heard += 1

    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1))
        air.add(sensor.peripheral)
        async with BleakScanner(on_advert):
            began = time.perf_counter()
            for n in range(count):
                sensor.advertise(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: heard == count, f"{count} adverts (heard {heard})", 60)
            return count / (time.perf_counter() - began), count - heard


async def bleak_notifications(count: int) -> tuple[float, int]:
    """(notifications per second, lost) from the emulator into a bleak callback."""
    heard = 0

    def on_value(_: object, value: bytearray) -> None:
        nonlocal heard
        heard += 1

    uuid = uuid_of_16(0x2A6E)
    characteristic = Characteristic(uuid, ("read", "notify"))
    peripheral = Peripheral(SENSOR, services=(Service(uuid_of_16(0x181A), (characteristic,)),))
    found: list[BLEDevice] = []
    async with emulated_air() as air:
        air.add(peripheral)
        async with BleakScanner(lambda device, advert: found.append(device)):
            air.advertise(peripheral)
            await until(lambda: found, "the device")
        async with BleakClient(found[0]) as client:
            await client.start_notify(uuid, on_value)
            began = time.perf_counter()
            for n in range(count):
                air.notify(characteristic, n.to_bytes(4, "little"))
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: heard == count, f"{count} notifications", 60)
            return count / (time.perf_counter() - began), count - heard


async def driver_adverts(count: int, key: bytes | None) -> float:
    """Adverts per second from the emulator through bleak, decoder and replay check into the sink, none lost."""
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1), key)
        air.add(sensor.peripheral)
        store = MemoryReplayStore()
        async with driving(sensor_meter(key), store=store) as (_, sink):
            await until(lambda: sensor.advertise(air), "a scanner")
            began = time.perf_counter()
            for n in range(count):
                sensor.advertise(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            last = sensor.counter - 1 if key else (sensor.counter - 1) & 0xFF
            await until(lambda: store.kept and store.kept[SENSOR][0] == last and sink.samples, "the last advert", 60)
            return count / (time.perf_counter() - began)


async def decode_us(count: int, key: bytes | None) -> float:
    """Microseconds the driver itself spends on one advert: decode, check, sample."""
    sensor = BthomeSensor(SENSOR, Truth(1), key)
    data = [sensor.next_advert() for _ in range(count)]
    adverts = [AdvertisementData(None, {}, {SERVICE_UUID: d}, [], None, -60, ()) for d in data]
    clock, sink = TestClock(), MemorySink()
    profile = load_profile("bthome-water")
    meter = AdvertMeter(sensor_meter(key), SENSOR, profile, clock, ReplayGuard(MemoryReplayStore()))
    faults = FaultReporter(sink, clock, 60.0)
    began = time.process_time()
    for advert in adverts:
        meter.heard(advert, sink, faults)
    if sink.faults:
        raise RuntimeError(f"the benchmark's own adverts were refused: {sink.faults[0]}")
    return (time.process_time() - began) / count * 1e6


async def recovery_ms() -> float:
    """From the death of the bus to the next sample."""
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1))
        air.add(sensor.peripheral)
        async with driving(sensor_meter()) as (_, sink), beacon(lambda: sensor.advertise(air)):
            await until(lambda: sink.samples, "the first sample")
            air.faults.bus_loss()
            before = len(sink.samples)
            return 1000 * await until(lambda: len(sink.samples) > before, "a sample")


def figures(count: int, rounds: int) -> list[Figure]:
    """Run everything `rounds` times and take medians."""
    adverts = [asyncio.run(bleak_adverts(count)) for _ in range(rounds)]
    notes = [asyncio.run(bleak_notifications(count)) for _ in range(rounds)]
    lost = sum(missing for _, missing in adverts + notes)
    found = [
        Figure("ble.bleak.adverts", _middle([rate for rate, _ in adverts]), "adverts/s", None, True),
        Figure("ble.bleak.notifications", _middle([rate for rate, _ in notes]), "notifications/s", None, True),
        Figure("ble.bleak.lost", lost, "messages", "= 0", lost == 0),
    ]
    for name, key in (("plain", None), ("encrypted", KEY)):
        rate = _middle([asyncio.run(driver_adverts(count, key)) for _ in range(rounds)])
        spent = _middle([asyncio.run(decode_us(count, key)) for _ in range(rounds)])
        found.append(Figure(f"ble.driver.{name}", rate, "adverts/s", f">= {DRIVER_GOAL}", rate >= DRIVER_GOAL))
        goal = f"<= {MICROSECONDS_GOAL}"
        found.append(Figure(f"ble.driver.{name}.cpu", spent, "us/advert", goal, spent <= MICROSECONDS_GOAL))
    limit = int(2000 * FAST.silent_s)
    took = _middle([asyncio.run(recovery_ms()) for _ in range(rounds)])
    found.append(Figure("ble.bus_death.recovery", took, "ms", f"<= {limit} (2 x watchdog)", took <= limit))
    return found


def _middle(values: list[float]) -> int:
    return round(statistics.median(values))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adverts", type=int, default=30_000, help=f"messages a round, 1 to {ADVERTS_MAX}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median is shown")
    options = parser.parse_args()
    count, rounds = cast(int, options.adverts), cast(int, options.rounds)
    if not 1 <= count <= ADVERTS_MAX or rounds < 1:
        parser.error(f"--adverts must be 1 to {ADVERTS_MAX} and --rounds at least 1")
    logging.disable(logging.WARNING)  # the dead bus is meant to be dead
    found = figures(count, rounds)
    print(f"{count} messages a round, median of {rounds}; emulator, bleak and driver share one process and one core")
    print(f"{'figure':26}{'value':>10}  {'unit':18}{'goal':26}ok")
    for figure in found:
        print(
            f"{figure.name:26}{figure.value:>10}  {figure.unit:18}{figure.goal or '':26}{'yes' if figure.ok else 'NO'}"
        )
    for figure in found:
        line = {"name": figure.name, "value": figure.value, "unit": figure.unit, "goal": figure.goal, "ok": figure.ok}
        print(json.dumps(line))
    return 0 if all(figure.ok for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
