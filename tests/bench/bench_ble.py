"""Bluetooth: adverts and notifications through the emulator and real bleak, and how fast the driver takes them.
Prints a table and one JSON line per figure; exits 1 when a goal is missed.

    python tests/bench/bench_ble.py [--adverts 20000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import statistics
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from support.ble import (
    CALM,
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
from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers.ble_advert import AdvertMeter
from tallystick_edge.drivers.ble_faults import FaultReporter
from tallystick_edge.drivers.ble_replay import ReplayGuard
from tallystick_edge.drivers.bthome import SERVICE_UUID
from tallystick_edge.profile import load_profile
from tallystick_sim.bluez import BthomeSensor, Characteristic, Peripheral, Service, WasteScale
from tallystick_sim.bluez.names import uuid_of_16

ADVERTS_MAX = 1_000_000  # some minutes
BURST = 500  # adverts put into the socket before the clients get a turn
WATCHDOG_S = 2.0  # the silence after which a scanner counts as dead, here
DRIVER_GOAL = 5_000  # adverts/s: a hundred sensors of fifty adverts a second each, more than one radio can hear
MICROSECONDS_GOAL = 100  # of one core for one advert in the driver: 2 % of a core at 200 adverts/s


class CountingStore(MemoryReplayStore):
    """Counts the adverts that were new."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0

    def save(self, address: str, counter: int, digest: bytes) -> None:
        super().save(address, counter, digest)
        self.saves += 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result; `goal` is None for a figure shown for comparison."""

    name: str
    value: int
    unit: str
    goal: str | None
    ok: bool


async def bleak_adverts(count: int) -> tuple[float, int]:
    """(adverts per second of one core, lost) from the emulator into a bleak callback."""
    heard = 0

    def on_advert(device: BLEDevice, advert: AdvertisementData) -> None:
        nonlocal heard
        heard += 1

    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1))
        air.add(sensor.peripheral)
        async with BleakScanner(on_advert):
            began = time.process_time()
            for n in range(count):
                sensor.advertise(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: heard == count, f"{count} adverts (heard {heard})", 60)
            return count / (time.process_time() - began), count - heard


async def bleak_notifications(count: int) -> tuple[float, int]:
    """(notifications per second of one core, lost) from the emulator into a bleak callback."""
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
            began = time.process_time()
            for n in range(count):
                air.notify(characteristic, n.to_bytes(4, "little"))
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: heard == count, f"{count} notifications", 60)
            return count / (time.process_time() - began), count - heard


async def driver_adverts(count: int, key: bytes | None) -> float:
    """Adverts per second of one core from the emulator through bleak, decoder and replay check into the sink."""
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1), key)
        air.add(sensor.peripheral)
        store = MemoryReplayStore()
        async with driving(sensor_meter(key), store=store) as (_, sink):
            await until(lambda: sensor.advertise(air), "a scanner")
            began = time.process_time()
            for n in range(count):
                sensor.advertise(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            last = sensor.counter - 1 if key else (sensor.counter - 1) & 0xFF
            await until(lambda: store.kept and store.kept[SENSOR][0] == last and sink.samples, "the last advert", 60)
            return count / (time.process_time() - began)


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


async def driver_lost(count: int) -> int:
    """Encrypted adverts that the driver did not take as new, of `count` that were."""
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1), KEY)
        air.add(sensor.peripheral)
        store = CountingStore()
        async with driving(sensor_meter(KEY), store=store) as (driver, _):
            await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
            for n in range(count):
                sensor.advertise(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: store.kept and store.kept[SENSOR][0] == sensor.counter - 1, "the last advert", 120)
        return count - store.saves


async def weighings_lost(count: int) -> int:
    """Notifications of a scale, each its own sample: grams missing or too many at the end, and samples missing."""
    async with emulated_air() as air:
        scale = WasteScale(SENSOR)
        air.add(scale.peripheral)
        meter = MeterConfig("m", "waste-scale", 1, adapter="bt", address=SENSOR)
        async with driving(meter) as (_, sink):
            async with beacon(lambda: scale.advertise(air)):
                await until(lambda: scale.measurement.notifying, "the subscription")
            for n in range(count):
                scale.weigh(5 * (n % 100 + 1), datetime(2026, 1, 1) + timedelta(seconds=n))
                scale.tell(air)
                if n % BURST == BURST - 1:
                    await asyncio.sleep(0)
            await until(lambda: len(sink.samples) >= count, f"{count} weighings", 120)
        grams = sum(5 * (n % 100 + 1) for n in range(count))
        return abs(grams - sink.samples[-1].values["deposited"]) + count - len(sink.samples) + len(sink.faults)


async def replays_taken(count: int) -> int:
    """Old encrypted adverts that became samples or were not refused by name, after a restart of the driver."""
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1), KEY)
        air.add(sensor.peripheral)
        store = MemoryReplayStore()
        old = [sensor.next_advert() for _ in range(count)]
        async with driving(sensor_meter(KEY), store=store) as (driver, _):
            await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
            sensor.advertise(air)
            await until(lambda: store.kept, "the newest advert")
        async with driving(sensor_meter(KEY), store=store) as (driver, sink):
            await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
            for data in old:
                sensor.send(air, data)
            await until(lambda: len(sink.faults) >= count, f"{count} refusals", 60)
        return len(sink.samples) + sum(fault.reason != "replayed" for fault in sink.faults)


async def death_noticed_ms() -> float:
    """From the death of the bus under a running scanner, which raises nothing, to the start of the next scanner."""
    times = dataclasses.replace(CALM, silent_s=WATCHDOG_S)
    async with emulated_air() as air:
        sensor = BthomeSensor(SENSOR, Truth(1))
        air.add(sensor.peripheral)
        async with driving(sensor_meter(), times=times) as (driver, sink), beacon(lambda: sensor.advertise(air)):
            await until(lambda: sink.samples, "the first sample")
            starts, before = driver.scanner.starts, len(sink.samples)
            air.faults.bus_loss()
            took = await until(lambda: driver.scanner.starts > starts, "the next scanner")
            await until(lambda: len(sink.samples) > before, "a sample through it")
            return 1000 * took


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
    for name, taken in (
        ("ble.driver.adverts.lost", asyncio.run(driver_lost(count))),
        ("ble.driver.notifications.lost", asyncio.run(weighings_lost(count))),
        ("ble.driver.replays.taken", asyncio.run(replays_taken(min(count, 2_000)))),
    ):
        found.append(Figure(name, taken, "messages", "= 0", taken == 0))
    limit = int(1000 * (WATCHDOG_S + 1))
    took = max(round(asyncio.run(death_noticed_ms())) for _ in range(rounds))
    found.append(Figure("ble.bus_death.noticed", took, "ms, worst", f"<= {limit} (watchdog + 1 s)", took <= limit))
    return found


def _middle(values: list[float]) -> int:
    return round(statistics.median(values))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adverts", type=int, default=20_000, help=f"messages a round, 1 to {ADVERTS_MAX}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median is shown")
    options = parser.parse_args()
    count, rounds = cast(int, options.adverts), cast(int, options.rounds)
    if not 1 <= count <= ADVERTS_MAX or rounds < 1:
        parser.error(f"--adverts must be 1 to {ADVERTS_MAX} and --rounds at least 1")
    logging.disable(logging.WARNING)  # the dead bus is meant to be dead
    found = figures(count, rounds)
    print(
        f"{count} a round, median of {rounds}; emulator, bleak, driver share a process; rates are per processor second"
    )
    print(f"{'figure':30}{'value':>10}  {'unit':18}{'goal':26}ok")
    for figure in found:
        print(
            f"{figure.name:30}{figure.value:>10}  {figure.unit:18}{figure.goal or '':26}{'yes' if figure.ok else 'NO'}"
        )
    for figure in found:
        line = {"name": figure.name, "value": figure.value, "unit": figure.unit, "goal": figure.goal, "ok": figure.ok}
        print(json.dumps(line))
    return 0 if all(figure.ok for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
