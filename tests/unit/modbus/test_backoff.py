"""A silent unit in virtual time: one question per backoff, ever more seldom, and back to its pace when it answers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from support.modbus import RealClock, Remember
from tallystick_edge.config import ChannelConfig, LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import NoAnswer
from tallystick_edge.drivers.modbus_meter import Backoff, ModbusMeter
from tallystick_edge.profile import Span, load_profile
from tallystick_sim.modbus.register_map import MappedMeter, load_map

LINE = LineConfig("l", LineKind.RTU, device="none", timeout_ms=1)
METER = MeterConfig("w", "eastron-sdm120", 10_000, line="l", unit=1, channels=(ChannelConfig(1, "energy_import"),))
QUANTITIES = ("voltage_dv", "current_ma", "power_w", "energy_wh", "export_wh", "total_wh", "serial")


class Wire:
    """A link to one SDM120 that is silent when it is told to be; it writes down when it was asked."""

    numbers_answers = True
    heard_at = 0.0

    def __init__(self) -> None:
        self.silent = True
        self.asked: list[float] = []
        self.identified = 0
        self._meter = MappedMeter(load_map("eastron-sdm120"), {name: (lambda: 1_000) for name in QUANTITIES})

    async def ask(self, unit: int, span: Span) -> tuple[int, ...]:
        self.asked.append(asyncio.get_running_loop().time())
        if self.silent:
            raise NoAnswer("unit 1 did not answer")
        self.identified += span.function == 3
        return self._meter.read(span.function, span.address, span.count)


@pytest.mark.virtual_time
async def test_a_silent_unit_is_asked_one_question_per_backoff_and_is_found_when_it_speaks() -> None:
    wire, sink, up = Wire(), Remember(), asyncio.Event()
    up.set()
    began = asyncio.get_running_loop().time()
    meter = ModbusMeter(
        LINE, METER, load_profile(METER.profile), LineGuard(wire, GuardTimes(0, 0)), RealClock(), Backoff()
    )
    task = asyncio.create_task(meter.run(sink, up))
    await asyncio.sleep(1_000)
    seconds = [round(when - began) for when in wire.asked]
    assert seconds == [0, 0, 2, 6, 14, 30, 62, 126, 254, 510, 810]  # twice at first, then once per backoff up to 300 s
    assert {fault.reason for fault in sink.faults} == {"timeout"}
    wire.silent = False
    await asyncio.sleep(200)
    assert sink.samples[0].values["energy_import"] == 1_000
    first_s = sink.samples[0].uptime_ms // 1_000
    assert first_s == 1_110
    assert [sample.utc_ms % 10_000 for sample in sink.samples[1:]] == [0] * (len(sink.samples) - 1)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.virtual_time
async def test_a_meter_is_recognised_again_once_an_hour_whatever_it_shows() -> None:
    wire, sink, up = Wire(), Remember(), asyncio.Event()
    wire.silent = False
    up.set()
    meter = ModbusMeter(
        LINE, METER, load_profile(METER.profile), LineGuard(wire, GuardTimes(0, 0)), RealClock(), Backoff()
    )
    task = asyncio.create_task(meter.run(sink, up))
    await asyncio.sleep(3 * 3_600 + 60)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert wire.identified == 4
    assert sink.faults == []
