"""Mains plugs over real bleak and GATT: links that break, plugs that go away, answers that never come."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from support.ble import (
    CALM,
    OTHER_PLUG,
    PLUG,
    SENSOR,
    Truth,
    beacon,
    driving,
    emulated_air,
    plug_meter,
    sensor_meter,
    until,
)
from tallystick_edge.drivers.ble import CONNECTIONS_MAX
from tallystick_sim.bluez import BluezEmulator, BthomeSensor, ShellyPlug


@pytest.fixture
async def air() -> AsyncIterator[BluezEmulator]:
    async with emulated_air() as emulator:
        yield emulator


def plug_in(air: BluezEmulator, address: str = PLUG, mwh: int = 1_234_567) -> tuple[ShellyPlug, Truth]:
    truth = Truth(0, mwh, 2_044)
    plug = ShellyPlug(address, truth)
    air.add(plug.peripheral)
    return plug, truth


async def test_plug_is_polled_at_multiples_of_its_interval(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    async with driving(plug_meter(every_ms=5_000)) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: len(sink.samples) >= 4, "four polls")
    assert {tuple(s.values.items()) for s in sink.samples} == {(("energy", 1_234_567), ("power", 2_044))}
    assert {s.serial for s in sink.samples} == {plug.id}
    assert all(b'"aenergy":{"total":1234.567' in s.raw for s in sink.samples)
    assert len({s.utc_ms // 5_000 for s in sink.samples}) == len(sink.samples)
    assert sink.faults == []


async def test_plugs_with_swapped_addresses_are_refused_by_the_serial_numbers_planned(air: BluezEmulator) -> None:
    one, _ = plug_in(air, PLUG, 1_000)
    other, _ = plug_in(air, OTHER_PLUG, 9_000)

    def advertise() -> None:
        one.advertise(air)
        other.advertise(air)

    right = dataclasses.replace(plug_meter("right"), serial=one.id.upper())
    wrong = dataclasses.replace(plug_meter("wrong", OTHER_PLUG), serial=one.id)
    async with driving(right, wrong) as (_, sink), beacon(advertise):
        await until(lambda: sink.of("right") and (sink.of("wrong") or sink.reasons("wrong")), "a sample and a refusal")
    assert sink.of("wrong") == []
    assert sink.reasons("wrong") == {"serial-mismatch"}
    assert sink.reasons("right") == set()
    assert f"{other.id} answers, {one.id} is planned" in sink.faults[0].detail


async def test_link_is_kept_between_polls(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    links: list[bool] = []
    reset, plug.peripheral.on_link = plug.peripheral.on_link, lambda up: (links.append(up), reset(up))
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: len(sink.samples) >= 5, "five polls")
        assert links == [True]
    assert links == [True, False], "a cancelled driver leaves no link behind"


async def test_link_lost_in_the_middle_of_a_read_costs_one_poll(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.link_loss_during("ReadValue")
        await until(lambda: sink.faults, "the fault")
        truth.mwh += 1
        await until(lambda: sink.samples[-1].values["energy"] == truth.mwh, "the next sample")
    assert sink.reasons("plug") == {"link-lost"}


@pytest.mark.parametrize("member", ["Connect", "WriteValue", "ReadValue"])
async def test_call_that_is_never_answered_ends_by_its_timeout(air: BluezEmulator, member: str) -> None:
    plug, _ = plug_in(air)
    air.faults.no_answer(member)
    async with (
        driving(plug_meter(), times=dataclasses.replace(CALM, call_s=1.0, connect_s=1.0, rpc_s=1.0)) as (_, sink),
        beacon(lambda: plug.advertise(air)),
    ):
        await until(lambda: sink.samples, "a sample after the timeout")
    assert sink.reasons("plug") == {"no-answer"}


@pytest.mark.parametrize("member", ["Connect", "ReadValue", "WriteValue"])
async def test_in_progress_is_ridden_out(air: BluezEmulator, member: str) -> None:
    plug, _ = plug_in(air)
    air.faults.in_progress(member, times=2)
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "a sample")


async def test_aborted_connections_are_tried_again(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    air.faults.abort_connect(times=3)
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "a sample")
    assert len(sink.faults) == 3
    assert sink.reasons("plug") == {"link-lost"}


async def test_plug_that_goes_away_is_out_of_range_and_read_again_when_back(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    async with (
        driving(plug_meter(), times=dataclasses.replace(CALM, away_s=0.5, connect_s=1.0)) as (_, sink),
        beacon(lambda: plug.advertise(air)),
    ):
        await until(lambda: sink.samples, "the first sample")
        air.faults.away(plug.peripheral)
        await until(lambda: "out-of-range" in sink.reasons("plug"), "the fault")
        truth.mwh += 500
        air.faults.back(plug.peripheral)
        await until(lambda: sink.samples[-1].values["energy"] == truth.mwh, "a sample after it came back")


async def test_coming_back_into_range_ends_the_pause_early(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    times = dataclasses.replace(CALM, away_s=0.5, connect_s=1.0, backoff_s=60.0, backoff_max_s=60.0)
    async with driving(plug_meter(), times=times) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.away(plug.peripheral)
        await until(lambda: sink.faults, "the fault that starts a pause of a minute")
        await asyncio.sleep(2 * times.away_s)
        truth.mwh += 1
        air.faults.back(plug.peripheral)
        await until(lambda: sink.samples[-1].values["energy"] == truth.mwh, "a sample after it came back")


async def test_link_is_closed_after_an_answer_that_makes_no_sense(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    links: list[bool] = []
    reset, plug.peripheral.on_link = plug.peripheral.on_link, lambda up: (links.append(up), reset(up))
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        plug.channel.tamper = lambda _: b"nonsense"
        await until(lambda: sink.faults, "the fault")
        assert links == [True, False]


async def test_plug_never_heard_is_out_of_range(air: BluezEmulator) -> None:
    async with driving(plug_meter(), times=dataclasses.replace(CALM, away_s=0.2)) as (_, sink):
        await until(lambda: "out-of-range" in sink.reasons("plug"), "the fault")


async def test_dead_bus_under_a_link_is_survived(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    async with (
        driving(plug_meter(), times=dataclasses.replace(CALM, silent_s=1.0, call_s=1.0, connect_s=2.0, rpc_s=2.0)) as (
            _,
            sink,
        ),
        beacon(lambda: plug.advertise(air)),
    ):
        await until(lambda: sink.samples, "the first sample")
        air.faults.bus_loss()
        truth.mwh += 1
        await until(lambda: sink.samples[-1].values["energy"] == truth.mwh, "a sample on the new bus")


async def test_plug_forgotten_by_bluetoothd_is_found_by_its_next_advert(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "the first sample")
        air.faults.forget(plug.peripheral)
        truth.mwh += 1
        await until(lambda: sink.samples[-1].values["energy"] == truth.mwh, "a sample afterwards")


@pytest.mark.parametrize(
    ("tampered", "reason"),
    [
        (b"not json", "bad-frame"),
        (b'{"id":0,"result":{}}', "bad-frame"),
        (b'{"id":null,"error":{"code":401,"message":"Unauthorized"}}', "bad-frame"),
    ],
)
async def test_nonsense_from_a_plug_is_a_named_fault_and_no_sample(
    air: BluezEmulator, tampered: bytes, reason: str
) -> None:
    plug, _ = plug_in(air)
    plug.channel.tamper = lambda _: tampered
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.faults, "the fault")
        assert sink.samples == []
        plug.channel.tamper = None
        await until(lambda: sink.samples, "a sample once it talks sense")
    assert sink.reasons("plug") == {reason}


async def test_answer_to_an_older_request_is_never_taken_for_a_value(air: BluezEmulator) -> None:
    plug, truth = plug_in(air)
    answers: list[bytes] = []

    def one_late(reply: bytes) -> bytes:
        answers.append(reply)
        return answers[-2] if len(answers) % 3 == 0 else reply

    plug.channel.tamper = one_late
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        for _ in range(4):
            truth.mwh += 1_000
            before = len(sink.samples)
            await until(lambda before=before: len(sink.samples) > before, "a sample")
    assert "bad-frame" in sink.reasons("plug")
    energies = [s.values["energy"] for s in sink.samples]
    assert energies == sorted(energies)


async def test_frozen_plug_stops_neither_another_plug_nor_a_sensor(air: BluezEmulator) -> None:
    frozen, _ = plug_in(air)
    healthy, truth = plug_in(air, OTHER_PLUG, mwh=7)
    sensor = BthomeSensor(SENSOR, truth)
    air.add(sensor.peripheral)
    frozen.channel.frozen = True

    def advertise() -> None:
        frozen.advertise(air)
        healthy.advertise(air)
        sensor.advertise(air)

    meters = (plug_meter(), plug_meter("other", OTHER_PLUG), sensor_meter())
    times = dataclasses.replace(CALM, rpc_s=3_600.0)  # whoever waited for the frozen one would wait for an hour
    async with driving(*meters, times=times) as (_, sink), beacon(advertise):
        await until(lambda: frozen.peripheral.connected, "the link to the frozen plug")
        before = len(sink.of("other")), len(sink.of("water"))
        await until(lambda: len(sink.of("other")) > before[0] + 3, "values of the other plug")
        await until(lambda: len(sink.of("water")) > before[1] + 3, "values of the sensor")
    assert sink.of("plug") == []


async def test_plug_that_swallows_requests_is_a_named_fault_and_no_sample(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    plug.channel.frozen = True
    times = dataclasses.replace(CALM, rpc_s=0.5)
    async with driving(plug_meter(), times=times) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: "no-answer" in sink.reasons("plug"), "the fault")
    assert sink.samples == []


async def test_plug_that_wants_pairing_is_paired_with(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    plug.peripheral.pairing_required = True
    async with driving(plug_meter()) as (_, sink), beacon(lambda: plug.advertise(air)):
        await until(lambda: sink.samples, "a sample")
    assert plug.peripheral.paired


async def test_more_plugs_than_links_take_turns(air: BluezEmulator) -> None:
    plugs = [plug_in(air, f"A4:C1:38:00:01:{n:02X}", mwh=n)[0] for n in range(CONNECTIONS_MAX + 2)]
    most = 0

    def advertise() -> None:
        nonlocal most
        most = max(most, sum(plug.peripheral.connected for plug in plugs))
        for plug in plugs:
            plug.advertise(air)

    meters = [plug_meter(f"plug{n}", plug.peripheral.address) for n, plug in enumerate(plugs)]
    async with driving(*meters) as (_, sink), beacon(advertise, 0.002):
        await until(lambda: all(len(sink.of(m.id)) >= 2 for m in meters), "two samples of each")
    assert most <= CONNECTIONS_MAX
    for n, meter in enumerate(meters):
        assert {s.values["energy"] for s in sink.of(meter.id)} == {n}


async def test_power_of_the_adapter_stays_on_while_plugs_answer(air: BluezEmulator) -> None:
    plug, _ = plug_in(air)
    async with driving(plug_meter(), times=dataclasses.replace(CALM, silent_s=0.5, power_cycle_s=1.5)) as (
        driver,
        sink,
    ):
        async with beacon(lambda: plug.advertise(air)):
            await until(lambda: sink.samples, "the first sample")
        started = driver.scanner.starts
        await until(lambda: driver.scanner.starts >= started + 5, "2.5 s without an advert")
        assert driver.scanner.power_cycles == 0
