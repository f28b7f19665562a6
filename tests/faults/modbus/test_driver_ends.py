"""A driver that is cancelled ends, also in the moment in which its line refuses the connection."""

from __future__ import annotations

import asyncio

import pytest
from tallystick_edge.clock import SystemClock
from tallystick_edge.config import ChannelConfig, LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.modbus import ModbusDriver
from tallystick_edge.sample import Fault, Sample

LINE = LineConfig("line", LineKind.TCP, host="127.0.0.1", port=9)  # discard: nobody listens there
CHANNEL = ChannelConfig(1, "energy_import")
METER = MeterConfig("meter", "eastron-sdm120", 1_000, line="line", unit=1, channels=(CHANNEL,))
TURNS = 30  # turns of the loop from the start to long after the refusal
END_S = 30


class Nowhere:
    def sample(self, s: Sample) -> None: ...

    def fault(self, f: Fault) -> None: ...


@pytest.mark.parametrize("turns", range(TURNS))
async def test_a_driver_cancelled_while_connecting_ends(turns: int) -> None:
    task = asyncio.create_task(ModbusDriver(LINE, [METER], SystemClock()).run(Nowhere()))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=END_S)
    assert done
    assert task.cancelled()
