"""The stale answer comparison: many reads on a pty line, some answered late, by the guard and by plain pymodbus.
It counts what each took for the truth; test and bench judge the counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusException
from support.modbus import SelfNaming
from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import ReadFailure
from tallystick_edge.drivers.modbus_link import ModbusLink
from tallystick_edge.profile import Span
from tallystick_sim.modbus.faults import UnitFaults
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.timing import LineTiming

UNITS = (1, 2, 3)
INPUT = 4
Read = Callable[[int, Span], Awaitable[tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A run: `late_ms` is longer than `timeout_ms`, so that a late answer meets the next question
    (on an idle machine; `held_per_mille` are late until the unit hears its next question, on any)."""

    reads: int
    baud: int = 921_600
    late_per_mille: int = 100
    late_ms: int = 30
    held_per_mille: int = 0
    timeout_ms: int = 20
    window_ms: int = 20
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What became of the reads; `late` is how many answers the line really played late."""

    right: int = 0
    wrong: int = 0
    failed: int = 0
    late: int = 0
    seconds: float = 0.0


async def run_guarded(setting: Setting) -> Outcome:
    """Our link and guard, units side by side as the driver has them."""
    line, faults = _line(setting)
    config = LineConfig("l", LineKind.RTU, device=line.port, baud=setting.baud, timeout_ms=setting.timeout_ms)
    link = ModbusLink(config)
    await link.connect()
    guard = LineGuard(link, GuardTimes(late_window_ms=setting.window_ms, gap_us=GuardTimes.of(config).gap_us))
    try:
        return await _measure(setting, faults, guard.read, (ReadFailure,))
    finally:
        await guard.close()
        link.close()
        line.close()


async def run_plain(setting: Setting) -> Outcome:
    """Stock pymodbus, used as its manual shows, retries off as ours."""
    line, faults = _line(setting)
    client = AsyncModbusSerialClient(
        line.port, baudrate=setting.baud, timeout=setting.timeout_ms / 1_000, retries=0, reconnect_delay=0
    )
    client.set_max_no_responses(setting.reads)
    await client.connect()
    await asyncio.sleep(0.05)

    async def read(unit: int, span: Span) -> tuple[int, ...]:
        return tuple((await client.read_input_registers(span.address, count=span.count, device_id=unit)).registers)

    try:
        return await _measure(setting, faults, read, (ModbusException,))
    finally:
        client.close()
        line.close()


async def _measure(
    setting: Setting, faults: list[UnitFaults], read: Read, failures: tuple[type[Exception], ...]
) -> Outcome:
    outcome = Outcome()
    started = time.perf_counter()

    async def unit_reads(unit: int) -> None:
        random = Random(setting.seed * 100 + unit)
        for _ in range(setting.reads // len(UNITS) + (unit <= setting.reads % len(UNITS))):
            span = Span(INPUT, random.randrange(0, 4_000, 2), 2)
            try:
                words = await read(unit, span)
            except failures:
                outcome.failed += 1
                continue
            if words == SelfNaming(unit << 8).read(INPUT, span.address, span.count):
                outcome.right += 1
            else:
                outcome.wrong += 1

    await asyncio.gather(*(unit_reads(unit) for unit in UNITS))
    outcome.late = sum(fault.played.get("late", 0) for fault in faults)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _line(setting: Setting) -> tuple[SerialLine, list[UnitFaults]]:
    line = SerialLine(LineTiming(setting.baud, 500), seed=setting.seed)
    line.open()
    faults = [line.attach(unit, SelfNaming(unit << 8)) for unit in UNITS]
    for fault in faults:
        fault.late_per_mille, fault.late_ms = setting.late_per_mille, setting.late_ms
        fault.held_per_mille = setting.held_per_mille
    return line, faults
