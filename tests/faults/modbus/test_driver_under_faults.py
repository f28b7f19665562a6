"""The whole driver on real ports: silent units, late answers, noise, wrong meters, lines that go and come."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.modbus import RealClock, Remember, SetTruth, seen
from tallystick_edge.config import ChannelConfig, LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.line_guard import GuardTimes
from tallystick_edge.drivers.modbus import ModbusDriver, ReconnectTimes
from tallystick_edge.drivers.modbus_meter import Backoff
from tallystick_edge.drivers.modbus_probe import Found, probe_line
from tallystick_edge.profile import ProfileError
from tallystick_sim.modbus.iem3155 import Iem3155
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.registers import Refusal
from tallystick_sim.modbus.sdm120 import Sdm120
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.modbus.timing import LineTiming

BAUD = 115_200
EVERY_MS = 50
TIMEOUT_MS = 150  # what a question without an answer costs; no test counts on an answer within it
PATIENT_MS = 1_500  # where a test does count on every answer but the one it spoils
ENERGY = (ChannelConfig(1, "energy_import"),)


def driver_of(line: LineConfig, *meters: MeterConfig) -> ModbusDriver:
    return ModbusDriver(
        line,
        meters,
        RealClock(),
        guard_times=GuardTimes(line.timeout_ms, 2_000),
        backoff=Backoff(100, 400),
        reconnect=ReconnectTimes(50, 200),
    )


def rtu(line: SerialLine, timeout_ms: int = TIMEOUT_MS) -> LineConfig:
    return LineConfig("cellar", LineKind.RTU, device=line.port, baud=BAUD, timeout_ms=timeout_ms)


def washer(unit: int, serial: str | None = None) -> MeterConfig:
    return MeterConfig(
        f"washer{unit}", "eastron-sdm120", EVERY_MS, line="cellar", unit=unit, serial=serial, channels=ENERGY
    )


def house(port: int) -> tuple[LineConfig, MeterConfig]:
    line = LineConfig("house", LineKind.TCP, host="127.0.0.1", port=port, timeout_ms=TIMEOUT_MS)
    return line, MeterConfig("house", "schneider-iem3155", EVERY_MS, line="house", unit=1, channels=ENERGY)


@contextlib.asynccontextmanager
async def running(driver: ModbusDriver) -> AsyncIterator[Remember]:
    sink = Remember()
    task = asyncio.create_task(driver.run(sink))
    try:
        yield sink
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[SerialLine]:
    line = SerialLine(LineTiming(BAUD, 2_000), seed=1, link=tmp_path / "rs485")
    line.open()
    yield line
    line.close()


async def test_meters_of_a_line_are_read_with_serial_and_raw_bytes(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(1_234_567, 2_044), 20_261_122))
    line.attach(2, Sdm120(SetTruth(42, 0), 7))
    driver = driver_of(rtu(line), washer(1, "20261122"), washer(2))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.of("washer1")) >= 3 and len(sink.of("washer2")) >= 3)
    first = sink.of("washer1")[0]
    assert dict(first.values) == {"energy_import": 1_234_567, "power": 2_044}
    assert first.serial == "20261122"
    assert (
        first.raw is not None
    )  # one request from 0x000C to 0x0049: at this speed the hole costs less than a second one
    assert first.raw[:9] == bytes.fromhex("04 000c 003e 44ff8000")
    assert first.raw[-4:] == bytes.fromhex("449a5225")
    assert dict(sink.of("washer2")[0].values) == {"energy_import": 42, "power": 0}
    assert sink.faults == []
    late_ms = [sample.utc_ms % EVERY_MS for sample in sink.of("washer1")[1:]]
    assert max(late_ms) < EVERY_MS  # every poll belongs to its own edge
    edges = [sample.utc_ms // EVERY_MS for sample in sink.of("washer1")]
    assert edges == sorted(set(edges))


async def test_a_silent_unit_does_not_stop_the_others_and_is_found_when_it_speaks(line: SerialLine) -> None:
    faults = {unit: line.attach(unit, Sdm120(SetTruth(unit), unit)) for unit in (1, 2, 3)}
    faults[2].silent = True
    driver = driver_of(rtu(line, 60), *(washer(unit) for unit in (1, 2, 3)))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.of("washer1")) >= 20 and len(sink.of("washer3")) >= 20)
        assert sink.of("washer2") == []
        assert set(sink.reasons("washer2")) == {"timeout"}
        tried_ms = [fault.uptime_ms for fault in sink.faults if fault.meter == "washer2"]
        waits_ms = [after - before for before, after in itertools.pairwise(tried_ms)]
        assert len(waits_ms) >= 1
        assert all(
            wait >= least for wait, least in zip(waits_ms, (100, 200, 400, *(400 for _ in waits_ms)), strict=False)
        )
        faults[2].silent = False
        await sink.until(lambda: bool(sink.of("washer2")))
    assert sink.of("washer2")[0].values["energy_import"] == 2


async def test_one_late_answer_costs_no_reading_and_gives_no_wrong_value(line: SerialLine) -> None:
    faults = line.attach(1, Sdm120(SetTruth(5_000, 2_000), 1))
    driver = driver_of(rtu(line, PATIENT_MS), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.samples) >= 2)
        faults.hold_once()
        await seen(lambda: driver.counts.timeouts == 1)
        line.let_go(1)  # into the quarantine, which is as long as the timeout
        after = len(sink.samples) + 4
        await sink.until(lambda: len(sink.samples) >= after)
    assert faults.played == {"late": 1}
    assert {tuple(sample.values.values()) for sample in sink.samples} == {(5_000, 2_000)}
    assert sink.faults == []
    assert driver.counts.timeouts == 1


async def test_an_answer_later_than_the_quarantine_is_told_and_gives_no_wrong_value(line: SerialLine) -> None:
    faults = line.attach(1, Sdm120(SetTruth(5_000, 2_000), 1))
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.samples) >= 2)
        faults.hold_once()
        await sink.until(lambda: bool(sink.faults))
        after = len(sink.samples) + 4
        await sink.until(lambda: len(sink.samples) >= after)
    assert {tuple(sample.values.values()) for sample in sink.samples} == {(5_000, 2_000)}
    assert driver.counts.timeouts >= 1


async def test_noise_and_spoilt_checksums_give_no_wrong_value(line: SerialLine) -> None:
    faults = line.attach(1, Sdm120(SetTruth(5_000, 2_000), 1))
    faults.corrupt_per_mille = 200
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        async with asyncio.timeout(60):
            while not (faults.played.get("corrupt") and driver.counts.timeouts and len(sink.samples) >= 8):
                line.noise(bytes.fromhex("0104045a5a5a5a1234"))
                await asyncio.sleep(0.13)
    assert {tuple(sample.values.values()) for sample in sink.samples} == {(5_000, 2_000)}


async def test_a_wrong_serial_number_is_a_fault_and_never_a_sample(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(5_000), 999))
    driver = driver_of(rtu(line), washer(1, serial="20261122"))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.faults) >= 2)
    assert sink.samples == []
    assert set(sink.reasons("washer1")) == {"serial-mismatch"}
    assert sink.faults[0].detail == "serial number 999 answers, 20261122 is planned"


async def test_another_type_of_meter_is_a_fault_and_never_a_sample(line: SerialLine) -> None:
    line.attach(1, Iem3155(SetTruth(5_000), 1))
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: bool(sink.faults))
    assert sink.samples == []
    assert sink.reasons("washer1")[0] == "refused"


async def test_a_meter_swapped_while_it_was_silent_is_noticed(line: SerialLine) -> None:
    faults = line.attach(1, Sdm120(SetTruth(5_000), 1))
    driver = driver_of(rtu(line), washer(1, serial="1"))
    async with running(driver) as sink:
        await sink.until(lambda: bool(sink.samples))
        faults.silent = True
        await sink.until(lambda: bool(sink.faults))
        line.detach(1)
        line.attach(1, Sdm120(SetTruth(17), 2))
        await sink.until(lambda: "serial-mismatch" in sink.reasons("washer1"))
    assert {sample.values["energy_import"] for sample in sink.samples} == {5_000}


async def test_a_meter_exchanged_between_two_polls_is_told_by_its_serial_with_its_first_value(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.samples) >= 2)
        line.detach(1)
        line.attach(1, Sdm120(SetTruth(17), 2))  # at once: nobody was silent
        await sink.until(lambda: sink.samples[-1].values["energy_import"] == 17)
    assert {(s.values["energy_import"], s.serial) for s in sink.samples} == {(5_000, "1"), (17, "2")}


async def test_a_pulled_cable_is_named_and_the_line_comes_back(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: bool(sink.samples))
        line.unplug()
        await sink.until(lambda: "line-down" in sink.reasons("washer1"))
        before = len(sink.samples)
        line.plug()
        await sink.until(lambda: len(sink.samples) > before)


async def test_a_tcp_meter_that_is_down_at_start_is_found_when_it_comes() -> None:
    server = MeterServer()
    server.attach(1, Iem3155(SetTruth(267_242_409, 5_460), 3_155_000_123))
    await server.start()
    await server.stop()
    driver = driver_of(*house(server.port))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.faults) >= 2)
        assert set(sink.reasons("house")) == {"line-down"}
        await server.start()
        await sink.until(lambda: len(sink.samples) >= 2)
        assert dict(sink.samples[0].values) == {"energy_import": 267_242_409, "power": 5_460}
        assert sink.samples[0].serial == "3155000123"
        await server.stop()
        before = len(sink.samples)
        await server.start()
        await sink.until(lambda: len(sink.samples) >= before + 2)
    await server.stop()


async def test_late_and_misnumbered_tcp_answers_give_no_wrong_value() -> None:
    server = MeterServer(seed=3, turnaround_ms=1)
    truth = SetTruth(10_000, 1_000)
    faults = server.attach(1, Iem3155(truth, 1))
    faults.late_per_mille, faults.late_ms, faults.corrupt_per_mille = 100, TIMEOUT_MS + 10, 100
    await server.start()
    driver = driver_of(*house(server.port))
    async with running(driver) as sink:
        await sink.until(lambda: faults.played.get("late", 0) >= 2 and faults.played.get("corrupt", 0) >= 2)
    assert {tuple(sample.values.values()) for sample in sink.samples} <= {(10_000, 1_000)}
    await server.stop()


async def test_a_hole_that_a_unit_refuses_is_read_around_from_then_on(line: SerialLine) -> None:
    asked: list[tuple[int, int]] = []

    class Holey(Sdm120):
        def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
            asked.append((address, count))
            if address <= 0x20 < address + count:
                raise Refusal(2)
            return super().read(function, address, count)

    line.attach(1, Holey(SetTruth(5_000, 2_000), 1))
    driver = driver_of(rtu(line), washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.samples) >= 3)
    assert {tuple(sample.values.values()) for sample in sink.samples} == {(5_000, 2_000)}
    assert sink.faults == []
    assert asked[1:6] == [(0x0C, 62), (0x0C, 2), (0x48, 2), (0x0C, 2), (0x48, 2)]
    assert asked.count((0x0C, 62)) == 1


async def test_a_counter_that_the_unit_refuses_is_told_once_and_the_others_are_read(line: SerialLine) -> None:
    class NoTotal(Sdm120):
        def read(self, function: int, address: int, count: int) -> tuple[int, ...]:
            if address <= 0x156 < address + count:
                raise Refusal(2)
            return super().read(function, address, count)

    line.attach(1, NoTotal(SetTruth(5_000, 2_000), 1))
    channels = (*ENERGY, ChannelConfig(2, "energy_total"))
    meter = MeterConfig("w", "eastron-sdm120", EVERY_MS, line="cellar", unit=1, channels=channels)
    driver = driver_of(rtu(line), meter)
    async with running(driver) as sink:
        await sink.until(lambda: len(sink.samples) >= 4)
    assert {tuple(sample.values.items()) for sample in sink.samples} == {(("energy_import", 5_000), ("power", 2_000))}
    assert [(fault.reason, fault.detail) for fault in sink.faults] == [
        ("no-value", "energy_total: the meter refuses this register")
    ]


async def test_a_register_the_profile_lacks_is_refused_before_anything_is_asked(line: SerialLine) -> None:
    meter = MeterConfig("w", "eastron-sdm120", 50, line="cellar", unit=1, channels=(ChannelConfig(1, "energy_imp"),))
    with pytest.raises(
        ProfileError, match=r"eastron-sdm120.toml: register.energy_imp: is not in this profile.*energy_import"
    ):
        driver_of(rtu(line), meter)


async def test_a_line_at_another_baud_rate_is_silent_not_wrong(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    config = LineConfig("cellar", LineKind.RTU, device=line.port, baud=9_600, timeout_ms=60)
    driver = driver_of(config, washer(1))
    async with running(driver) as sink:
        await sink.until(lambda: bool(sink.faults))
    assert sink.reasons("washer1")[0] == "timeout"
    assert sink.samples == []


async def test_probe_names_each_meter_by_its_identity_registers(line: SerialLine) -> None:
    line.attach(1, Sdm120(SetTruth(), 20_261_122))
    line.attach(3, Iem3155(SetTruth(), 55))
    found = [found async for found in probe_line(rtu(line), (1, 2, 3))]
    assert found == [Found(1, "eastron-sdm120", "20261122"), Found(3, "schneider-iem3155", "55")]
