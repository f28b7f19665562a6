"""Water sensors over real bleak: adverts become samples, old ones are refused, the scanner always comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest
from support.ble import (
    CALM,
    KEY,
    LADDER,
    SENSOR,
    WATCHDOG,
    MemoryReplayStore,
    Truth,
    beacon,
    driving,
    emulated_air,
    sensor_meter,
    until,
)
from tallystick_edge.drivers.ble_scanner import Rung
from tallystick_protocol.codes import MeterState
from tallystick_sim.bluez import BluezEmulator, BthomeSensor


@pytest.fixture
async def air() -> AsyncIterator[BluezEmulator]:
    async with emulated_air() as emulator:
        yield emulator


def sensor_in(air: BluezEmulator, key: bytes | None = None, ml: int = 1_000) -> tuple[BthomeSensor, Truth]:
    truth = Truth(ml)
    sensor = BthomeSensor(SENSOR, truth, key)
    air.add(sensor.peripheral)
    return sensor, truth


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
async def test_adverts_become_samples(air: BluezEmulator, key: bytes | None) -> None:
    sensor, truth = sensor_in(air, key)
    async with driving(sensor_meter(key)) as (_, sink):
        for truth.ml in (1_000, 1_250, 1_251):
            before = len(sink.samples)
            async with beacon(lambda: sensor.advertise(air)):
                await until(lambda before=before: len(sink.samples) > before, "a sample")
    seen = [s.values["water"] for s in sink.samples]
    assert seen == sorted(seen)
    assert set(seen) == {1_000, 1_250, 1_251}
    assert sink.faults == []
    assert all(s.state is MeterState.OK and s.raw and s.serial is None for s in sink.samples)


async def test_adverts_are_thinned_out_to_the_meters_interval(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    told = 0

    def send() -> None:
        nonlocal told
        told += sensor.advertise(air)

    async with driving(sensor_meter(every_ms=3_600_000), factor=1) as (_, sink), beacon(send, 0.001):
        await until(lambda: sink.samples, "the sample")
        heard = told
        await until(lambda: told > heard + 100, "a hundred adverts after it")
    assert len(sink.samples) == 1


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
async def test_replayed_advert_is_refused_also_after_a_restart(air: BluezEmulator, key: bytes | None) -> None:
    sensor, truth = sensor_in(air, key)
    store = MemoryReplayStore()
    async with driving(sensor_meter(key), store=store) as (_, sink):
        for truth.ml in range(1_000, 1_005):
            await until(lambda: sensor.advertise(air), "a scanner")
        await until(lambda: store.kept and next(iter(store.kept.values()))[0] == sensor.counter - 1, "the last advert")
        before = len(sink.samples)
        sensor.replay(air, back=2)
        await until(lambda: "replayed" in sink.reasons("water"), "the refusal")
        assert len(sink.samples) == before
    async with driving(sensor_meter(key), store=store) as (driver, sink):
        await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
        sensor.replay(air, back=2)
        await until(lambda: "replayed" in sink.reasons("water"), "the refusal after the restart")
        assert sink.samples == []
        truth.ml = 1_006
        sensor.advertise(air)
        await until(lambda: sink.samples, "a new advert after the replayed one")
        assert sink.samples[-1].values == {"water": 1_006}


async def test_after_a_battery_change_a_confirmed_sensor_is_read_again(air: BluezEmulator) -> None:
    sensor, truth = sensor_in(air, KEY)
    store, meter = MemoryReplayStore(), sensor_meter(KEY)
    sensor.counter = 5_000
    async with driving(meter, store=store) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "a sample of the old battery")
    sensor.counter, truth.ml = 0, 1_500
    async with driving(meter, store=store) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.faults, "the refusal")
        assert sink.samples == []
        assert 'restarted = "NAME, DATE"' in sink.faults[0].detail
    confirmed = dataclasses.replace(meter, restarted="Eva, 2026-12-01")
    for _ in range(2):  # a confirmation counts once: what was heard under it is refused after the next start
        async with driving(confirmed, store=store) as (_, sink), beacon(lambda: sensor.advertise(air)):
            await until(lambda: sink.samples, "a sample of the new battery")
            assert sink.samples[-1].values == {"water": 1_500}
    async with driving(confirmed, store=store) as (driver, sink):
        await until(lambda: driver.scanner and driver.scanner.starts, "a scanner")
        sensor.replay(air, back=3)
        await until(lambda: "replayed" in sink.reasons("water"), "the refusal")


async def test_advert_heard_twice_is_one_sample_and_no_fault(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    data = sensor.next_advert()
    async with driving(sensor_meter()) as (_, sink), beacon(lambda: sensor.send(air, data), 0.005):
        await until(lambda: sink.samples, "the sample")
        async with beacon(lambda: None):
            await until(lambda: sensor.send(air, data), "one more")
    assert len(sink.samples) == 1
    assert sink.faults == []


@pytest.mark.parametrize(
    ("data", "key", "reason"),
    [
        ("40 00 01 4f 01", None, "bad-frame"),
        ("60 00 01", None, "unsupported-version"),
        ("40 00 01 01 64", None, "value-absent"),
        ("41 00 01 4f 01 02 03 04 05 06 07 08", None, "key-missing"),
        ("41 00 01 4f 01 02 03 04 05 06 07 08", KEY, "wrong-key-or-forged"),
        ("40 00 01 4f 01 02 03 04", KEY, "unencrypted-although-keyed"),
    ],
)
async def test_bad_advert_is_a_named_fault_and_no_sample(
    air: BluezEmulator, data: str, key: bytes, reason: str
) -> None:
    sensor, _ = sensor_in(air)
    store = MemoryReplayStore()
    async with (
        driving(sensor_meter(key), store=store) as (_, sink),
        beacon(lambda: sensor.send(air, bytes.fromhex(data))),
    ):
        await until(lambda: sink.faults, "the fault")
    assert sink.reasons("water") == {reason}
    assert sink.samples == []
    assert store.kept == {}


async def test_repeated_fault_is_told_once_per_interval(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    times = dataclasses.replace(CALM, fault_every_s=60.0)
    told = 0

    def send() -> None:
        nonlocal told
        told += sensor.send(air, b"\x60")

    async with driving(sensor_meter(), times=times) as (_, sink), beacon(send, 0.001):
        await until(lambda: told > 50, "fifty bad adverts")
    assert len(sink.faults) == 1


async def test_silent_sensor_is_reported(air: BluezEmulator) -> None:
    sensor_in(air)
    async with driving(sensor_meter(every_ms=1_000), factor=600) as (_, sink):
        await until(lambda: "silent" in sink.reasons("water"), "the report")


async def test_dead_bus_is_noticed_by_the_watchdog_and_adverts_flow_again(air: BluezEmulator) -> None:
    """How soon is a figure of bench_ble.py; here, that it is, by a new scanner alone."""
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=WATCHDOG) as (driver, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.bus_loss()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before + 2, "samples after the bus died")
    assert driver.scanner.starts >= 2
    assert driver.scanner.power_cycles == 0


async def test_bus_that_stays_away_is_reported_and_found_again(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=LADDER) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        await air.faults.bus_away()
        await until(lambda: "bluetooth-service-gone" in sink.reasons("water"), "the report")
        await air.faults.bus_back()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples after the bus came back")


async def test_adapter_switched_off_is_switched_on_again(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=WATCHDOG) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.powered_off()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples after power off")
        assert air.adapter.powered


async def test_adapter_pulled_out_is_reported_and_used_again_when_back(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=LADDER) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.adapter_gone()
        await until(lambda: "adapter-gone" in sink.reasons("water"), "the report")
        air.faults.adapter_back()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples after the adapter came back")


async def test_hung_controller_is_power_cycled(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with (
        driving(sensor_meter(), times=dataclasses.replace(WATCHDOG, power_cycle_s=1.5)) as (driver, sink),
        beacon(lambda: sensor.advertise(air)),
    ):
        await until(lambda: sink.samples, "the first sample")
        air.faults.wedge_radio()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples after the power cycle")
        assert driver.scanner.power_cycles == 1
        assert driver.scanner.rung is Rung.LISTENING
        assert "adapter-silent" not in sink.reasons("water")


async def test_mute_air_leads_up_the_whole_ladder_and_back(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=LADDER) as (driver, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.mute_air()
        await until(lambda: "adapter-silent" in sink.reasons("water"), "the report")
        assert driver.scanner.power_cycles >= 1
        assert driver.scanner.starts >= 3
        air.faults.unmute_air()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples after the silence")


@pytest.mark.parametrize("member", ["StartDiscovery", "SetDiscoveryFilter", "GetManagedObjects"])
async def test_start_of_scanning_refused_for_a_while(air: BluezEmulator, member: str) -> None:
    sensor, _ = sensor_in(air)
    air.faults.in_progress(member, times=2)
    async with driving(sensor_meter()) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "a sample")
    assert sink.reasons("water") <= {"scan-refused"}


async def test_start_of_scanning_never_answered_ends_by_its_timeout(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    air.faults.no_answer("StartDiscovery")
    async with (
        driving(sensor_meter(), times=dataclasses.replace(CALM, call_s=1.0)) as (_, sink),
        beacon(lambda: sensor.advertise(air)),
    ):
        await until(lambda: sink.samples, "a sample")


async def test_not_ready_adapter_is_tried_again(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    air.faults.not_ready(times=3)
    async with driving(sensor_meter()) as (_, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "a sample")
    assert "adapter-off" in sink.reasons("water")


async def test_refused_stop_of_a_scanner_does_not_hinder_the_next_one(air: BluezEmulator) -> None:
    sensor, _ = sensor_in(air)
    async with driving(sensor_meter(), times=LADDER) as (driver, sink), beacon(lambda: sensor.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.mute_air()
        air.faults.in_progress("StopDiscovery", times=4)
        await until(lambda: driver.scanner.starts > 1, "the next scanner")
        air.faults.unmute_air()
        before = len(sink.samples)
        await until(lambda: len(sink.samples) > before, "samples again")
