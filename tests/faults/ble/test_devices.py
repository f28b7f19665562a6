"""Climate sensors, bicycles and scales through stock bleak: what they measured arrives, once, also after a restart."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from support.ble import CALM, SENSOR, MemoryReplayStore, beacon, driving, emulated_air, until
from tallystick_edge.config import MeterConfig
from tallystick_edge.drivers.ble import CONNECTIONS_MAX
from tallystick_sim.bluez import Bicycle, BluezEmulator, ClimateStation, RuuviTag, Thermometer, WasteScale

NOON = datetime(2026, 11, 29, 12, 0, 0)
TURN_MM = 2_180


@dataclass
class World:
    """Truth of all of them."""

    mdeg: int = 24_300
    ppm: int = 534_900
    wheel: int = 1_000

    def temperature_mdeg(self) -> int:
        return self.mdeg

    def humidity_ppm(self) -> int:
        return self.ppm

    def turns(self) -> int:
        return self.wheel


@pytest.fixture
async def air() -> AsyncIterator[BluezEmulator]:
    async with emulated_air() as emulator:
        yield emulator


def meter(profile: str, address: str = SENSOR, every_ms: int = 1) -> MeterConfig:
    return MeterConfig("m", profile, every_ms, adapter="bt", address=address)


@pytest.mark.parametrize(
    ("profile", "device", "values"),
    [
        ("ruuvi-tag", RuuviTag, {"temperature": -5_500, "humidity": 534_900}),
        ("xiaomi-thermometer-atc", Thermometer, {"temperature": -55, "humidity": 53}),
        ("xiaomi-thermometer-pvvx", lambda a, t: Thermometer(a, t, custom=True), {"temperature": -550}),
    ],
)
async def test_climate_adverts_become_samples_and_old_ones_are_refused(
    air: BluezEmulator, profile: str, device, values: dict[str, int]
) -> None:
    sensor = device(SENSOR, World(mdeg=-5_500))
    air.add(sensor.peripheral)
    store = MemoryReplayStore()
    async with driving(meter(profile), store=store) as (_, sink):
        async with beacon(lambda: sensor.advertise(air)):
            await until(lambda: len(sink.samples) > 1, "two samples")
        assert values.items() <= sink.samples[0].values.items()
        assert sink.faults == []
    if profile == "ruuvi-tag":
        sensor.sequence -= 2
    else:
        sensor.packet -= 2
    async with driving(meter(profile), store=store) as (driver, sink):
        await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
        sensor.advertise(air)
        await until(lambda: "replayed" in sink.reasons("m"), "the refusal after the restart")
        assert sink.samples == []


async def test_climate_station_is_read(air: BluezEmulator) -> None:
    station = ClimateStation(SENSOR, World())
    air.add(station.peripheral)
    async with (
        driving(meter("environmental-sensing", every_ms=1_000)) as (_, sink),
        beacon(lambda: station.advertise(air)),
    ):
        await until(lambda: len(sink.samples) > 2, "three reads")
    assert sink.samples[0].values == {"temperature": 2_430, "humidity": 5_349, "pressure": 1_013_250}
    assert sink.faults == []


async def test_bicycle_counts_on_over_a_lost_link_and_over_the_wrap(air: BluezEmulator) -> None:
    world = World(wheel=2**32 - 2)
    bicycle = Bicycle(SENSOR, world)
    air.add(bicycle.peripheral)

    def ride() -> None:
        bicycle.advertise(air)
        bicycle.notify(air)

    async with driving(meter("bicycle-csc")) as (_, sink), beacon(ride):
        await until(lambda: sink.samples, "the first notification")
        assert sink.samples[-1].values == {"distance": (2**32 - 2) * TURN_MM}
        air.faults.away(bicycle.peripheral)
        await until(lambda: "link-lost" in sink.reasons("m"), "the lost link")
        world.wheel += 7
        air.faults.back(bicycle.peripheral)
        await until(lambda: sink.samples[-1].values == {"distance": 5 * TURN_MM}, "the count behind the wrap")


async def test_more_bicycles_than_links_take_turns(air: BluezEmulator) -> None:
    addresses = [f"A4:C1:38:00:02:{n:02X}" for n in range(CONNECTIONS_MAX + 2)]
    bicycles = [Bicycle(address, World(wheel=n + 1)) for n, address in enumerate(addresses)]
    most = 0

    def ride() -> None:
        nonlocal most
        most = max(most, sum(bicycle.peripheral.connected for bicycle in bicycles))
        for bicycle in bicycles:
            bicycle.advertise(air)
            bicycle.notify(air)

    for bicycle in bicycles:
        air.add(bicycle.peripheral)
    meters = [
        dataclasses.replace(meter("bicycle-csc", address, 1_000), id=f"b{n}") for n, address in enumerate(addresses)
    ]
    async with driving(*meters) as (_, sink), beacon(ride):
        await until(lambda: all(len(sink.of(each.id)) >= 2 for each in meters), "two samples of each")
    assert 0 < most <= CONNECTIONS_MAX
    for n, each in enumerate(meters):
        assert {s.values["distance"] for s in sink.of(each.id)} == {(n + 1) * TURN_MM}


async def test_each_weighing_counts_once_also_after_a_restart(air: BluezEmulator) -> None:
    scale = WasteScale(SENSOR)
    air.add(scale.peripheral)
    store = MemoryReplayStore()

    def on() -> None:
        scale.advertise(air)
        scale.tell(air)

    for seconds, grams in ((0, 12_345), (60, 500), (61, 700)):
        scale.weigh(grams, NOON + timedelta(seconds=seconds))
    async with driving(meter("waste-scale"), store=store) as (_, sink), beacon(on):
        await until(lambda: len(sink.samples) == 3, "three weighings")
        assert [s.values["deposited"] for s in sink.samples] == [12_345, 12_845, 13_545]
        scale.again(air)
        scale.again(air, back=2)
        await until(lambda: "replayed" in sink.reasons("m"), "the refusal of the oldest")
        assert len(sink.samples) == 3
    scale.weigh(100, NOON + timedelta(hours=1))
    async with driving(meter("waste-scale"), store=store) as (_, sink), beacon(on):
        await until(lambda: sink.samples, "the weighing kept while the gateway was down")
        assert sink.samples[-1].values == {"deposited": 13_645}
        scale.again(air, back=1)
        await until(lambda: "replayed" in sink.reasons("m"), "the refusal after the restart")
    assert len(sink.samples) == 1


async def test_two_weighings_of_one_second_are_never_both_counted(air: BluezEmulator) -> None:
    """No scale settles twice in a second; and told again in turns, each would look new beside the other."""
    scale = WasteScale(SENSOR)
    air.add(scale.peripheral)
    for grams in (500, 700):
        scale.weigh(grams, NOON)
    async with driving(meter("waste-scale")) as (_, sink), beacon(lambda: (scale.advertise(air), scale.tell(air))):
        await until(lambda: "replayed" in sink.reasons("m"), "the refusal of the second")
        scale.again(air, back=1)
        scale.again(air)
        await until(lambda: len(sink.faults) > 1, "the refusal once more")
    assert [s.values["deposited"] for s in sink.samples] == [500]


async def test_a_scale_whose_clock_is_not_set_is_told_and_adds_nothing(air: BluezEmulator) -> None:
    scale = WasteScale(SENSOR, clock_set=False)
    air.add(scale.peripheral)
    scale.weigh(5_000, NOON)
    store = MemoryReplayStore()
    async with (
        driving(meter("waste-scale"), store=store) as (_, sink),
        beacon(lambda: (scale.advertise(air), scale.tell(air))),
    ):
        await until(lambda: sink.faults, "the fault")
    assert sink.reasons("m") == {"bad-frame"}
    assert "set its clock" in sink.faults[0].detail
    assert sink.samples == []
    assert store.kept == {}


async def test_a_dead_bus_under_a_notifying_device_is_survived(air: BluezEmulator) -> None:
    world = World()
    bicycle = Bicycle(SENSOR, world)
    air.add(bicycle.peripheral)

    def ride() -> None:
        bicycle.advertise(air)
        bicycle.notify(air)

    times = dataclasses.replace(CALM, silent_s=1.0, call_s=2.0, connect_s=2.0, rpc_s=2.0, away_s=1.0)
    async with driving(meter("bicycle-csc"), times=times) as (_, sink), beacon(ride):
        await until(lambda: sink.samples, "the first sample")
        air.faults.bus_loss()
        world.wheel += 1
        await until(lambda: sink.samples[-1].values == {"distance": 1_001 * TURN_MM}, "a sample on the new bus")
