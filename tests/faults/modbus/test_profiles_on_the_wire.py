"""Every Modbus profile against a simulated meter of its kind, on a real line: named by its identity, read to the unit.
The meters' register maps are the simulator's own, so a profile that is wrong shows unless both are wrong alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from support.modbus import RealClock, Remember
from tallystick_edge.config import LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.modbus import ModbusDriver
from tallystick_edge.drivers.modbus_probe import modbus_profiles, probe_line
from tallystick_edge.profile import load_profile
from tallystick_sim.modbus.bridge import SerialBridge
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.register_map import MappedMeter, load_map, map_names
from tallystick_sim.modbus.tcp import MeterServer
from tallystick_sim.modbus.timing import LineTiming

BAUD = 115_200
TIMEOUT_MS = 10_000  # nobody is silent here, and the machine is busy
NUMBER_SERIALS = {"schneider-iem3155", "kamstrup-multical-603"}
NO_SERIAL = {"dynaflox-ultrad"}
SHORT_SERIALS = {"carlo-gavazzi-em340"}
TRUTH = {
    "voltage_dv": 2_312,
    "current_ma": 8_870,
    "power_w": 2_000,
    "energy_wh": 4_194_304,
    "export_wh": 65_536,
    "total_wh": 4_259_840,
    "heat_wh": 12_345_000,
    "volume_l": 429_940,
    "water_ml": 1_234_567_890,
    "reverse_ml": 1_000_012,
    "flow_lh": 318,
}
SHOWN = {  # what a channel of this name must read, in the profile's unit and exponent
    "voltage": 2_312,
    "current": 8_870,
    "power": 2_000,
    "energy_import": 4_194_304,
    "energy_export": 65_536,
    "energy_total": 4_259_840,
    "energy_heat": 12_345_000,
    "volume": 429_940,
    "water": 1_234_567_890,
    "water_reverse": 1_000_012,
    "flow": 318,
}
COARSER = {  # meters that count in coarser steps: what of the truth they can show
    "carlo-gavazzi-em24": {"energy_import": 4_194_300, "energy_import_3e": 4_194_300, "energy_export": 65_500},
    "carlo-gavazzi-em24-e1": {"energy_import": 4_194_300, "energy_export": 65_500},
    "carlo-gavazzi-em340": {"energy_import": 4_194_300, "energy_export": 65_500},
    "sunspec-203-short": {"voltage": 2_310, "energy_import": 4_194_300, "energy_export": 65_500},
}
NAMES = map_names()


def serial_of(name: str, unit: int) -> str:
    if name in SHORT_SERIALS:
        return f"KW{unit:05}"
    if name.startswith("eastron") or name in NUMBER_SERIALS:
        return str(20_260_000 + unit)
    return f"SN-{name[:6]}-{unit}"


def meter_of(name: str, unit: int) -> MappedMeter:
    serial = serial_of(name, unit)
    truth: dict[str, int | str] = {**TRUTH, "serial": int(serial) if serial.isdigit() else serial}
    return MappedMeter(load_map(name), {key: (lambda value=value: value) for key, value in truth.items()})


def expected(name: str) -> Mapping[str, int]:
    shown = {register: SHOWN.get(register) for register in load_profile(name).registers}
    return {**shown, **COARSER.get(name, {})}  # type: ignore[dict-item]


def test_there_is_a_simulated_meter_for_every_modbus_profile() -> None:
    assert set(NAMES) == {profile.name for profile in modbus_profiles()}


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[SerialLine]:
    line = SerialLine(LineTiming(BAUD, 500), link=tmp_path / "rs485")
    for unit, name in enumerate(NAMES, 1):
        line.attach(unit, meter_of(name, unit))
    line.open()
    yield line
    line.close()


async def named_and_read(config: LineConfig) -> None:
    found = {each.unit: each async for each in probe_line(config, range(1, len(NAMES) + 1), planned=range(1, 100))}
    for unit, name in enumerate(NAMES, 1):
        serial = None if name in NO_SERIAL else serial_of(name, unit)
        assert (found[unit].profile, found[unit].serial) == (name, serial)
        assert (found[unit].doubt is not None) == (name in {"dynaflox-ultrad", "kamstrup-multical-603"})
    meters = [MeterConfig(name, name, 60_000, line="l", unit=unit) for unit, name in enumerate(NAMES, 1)]
    sink = Remember()
    task = asyncio.create_task(ModbusDriver(config, meters, RealClock()).run(sink))
    try:
        await sink.until(lambda: len(sink.samples) == len(NAMES) or bool(sink.faults), 60)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert sink.faults == []
    for sample in sink.samples:
        assert dict(sample.values) == expected(sample.meter), sample.meter


async def test_all_of_them_on_one_serial_line(line: SerialLine) -> None:
    await named_and_read(LineConfig("l", LineKind.RTU, device=line.port, baud=BAUD, timeout_ms=TIMEOUT_MS))


async def test_all_of_them_behind_a_converter_that_carries_rtu_over_tcp(line: SerialLine) -> None:
    async with SerialBridge(line.port, BAUD) as bridge:
        config = LineConfig("l", LineKind.RTU_TCP, host="127.0.0.1", port=bridge.port, baud=BAUD, timeout_ms=TIMEOUT_MS)
        await named_and_read(config)


async def test_all_of_them_behind_a_modbus_tcp_gateway() -> None:
    server = MeterServer(turnaround_ms=0)
    for unit, name in enumerate(NAMES, 1):
        server.attach(unit, meter_of(name, unit))
    await server.start()
    try:
        await named_and_read(LineConfig("l", LineKind.TCP, host="127.0.0.1", port=server.port, timeout_ms=TIMEOUT_MS))
    finally:
        await server.stop()
