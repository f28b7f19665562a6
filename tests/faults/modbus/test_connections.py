"""Connections that end without a word, adapters that come back under another name: the driver finds its meters again.
Nothing here depends on a race: each fault stays until the driver has told it, and each recovery is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
from collections.abc import AsyncIterator
from pathlib import Path

from support.modbus import RealClock, Remember, SetTruth
from tallystick_edge.config import ChannelConfig, LineConfig, LineKind, MeterConfig
from tallystick_edge.drivers.line_guard import GuardTimes
from tallystick_edge.drivers.modbus import ModbusDriver, ReconnectTimes
from tallystick_edge.drivers.modbus_meter import Backoff
from tallystick_sim.modbus.bridge import SerialBridge
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.sdm120 import Sdm120
from tallystick_sim.modbus.timing import LineTiming

BAUD = 115_200
TIMEOUT_MS = 300
METER = MeterConfig("w", "eastron-sdm120", 100, line="l", unit=1, channels=(ChannelConfig(1, "energy_import"),))
GENEROUS_S = 30


@contextlib.asynccontextmanager
async def running(line: LineConfig) -> AsyncIterator[Remember]:
    times = GuardTimes(50, 2_000)
    driver = ModbusDriver(
        line, [METER], RealClock(), guard_times=times, backoff=Backoff(100, 200), reconnect=ReconnectTimes(50, 200)
    )
    sink = Remember()
    task = asyncio.create_task(driver.run(sink))
    try:
        yield sink
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_more(sink: Remember) -> None:
    before = len(sink.samples)
    await sink.until(lambda: len(sink.samples) >= before + 2, GENEROUS_S)


async def test_an_adapter_that_comes_back_under_another_name_is_found_behind_its_stable_link(tmp_path: Path) -> None:
    line = SerialLine(LineTiming(BAUD, 1_000), link=tmp_path / "rs485")
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    line.open()
    names = {os.readlink(line.port)}
    async with running(LineConfig("l", LineKind.RTU, device=line.port, baud=BAUD, timeout_ms=TIMEOUT_MS)) as sink:
        await until_more(sink)
        line.unplug()
        await sink.until(lambda: "line-down" in sink.reasons("w"), GENEROUS_S)
        held = pty.openpty()  # somebody else takes the name that was free
        line.plug()
        names.add(os.readlink(line.port))
        await until_more(sink)
    line.close()
    for fd in held:
        os.close(fd)
    assert len(names) == 2


async def test_a_link_that_was_moved_to_another_port_is_followed_although_the_old_one_stays_open(
    tmp_path: Path,
) -> None:
    """An adapter that hangs: its port stays open and silent, and udev points the link at its successor."""
    old, new = SerialLine(LineTiming(BAUD, 1_000)), SerialLine(LineTiming(BAUD, 1_000))
    faults = old.attach(1, Sdm120(SetTruth(5_000), 1))
    new.attach(1, Sdm120(SetTruth(6_000), 1))
    old.open()
    new.open()
    link = tmp_path / "rs485"
    link.symlink_to(old.port)
    async with running(LineConfig("l", LineKind.RTU, device=str(link), baud=BAUD, timeout_ms=TIMEOUT_MS)) as sink:
        await until_more(sink)
        faults.silent = True
        link.unlink()
        link.symlink_to(new.port)
        await sink.until(lambda: any(s.values["energy_import"] == 6_000 for s in sink.samples), GENEROUS_S)
    old.close()
    new.close()


async def test_a_converter_that_hangs_with_its_connection_open_is_connected_to_anew(tmp_path: Path) -> None:
    line = SerialLine(LineTiming(BAUD, 1_000), link=tmp_path / "rs485")
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    line.open()
    async with SerialBridge(line.port, BAUD) as bridge:
        config = LineConfig("l", LineKind.RTU_TCP, host="127.0.0.1", port=bridge.port, baud=BAUD, timeout_ms=TIMEOUT_MS)
        async with running(config) as sink:
            await until_more(sink)
            bridge.freeze()
            await sink.until(lambda: sink.reasons("w").count("timeout") >= 3, GENEROUS_S)
            connected = bridge.connections
            bridge.thaw()
            await until_more(sink)
            assert bridge.connections > connected or bridge.connections >= 2
    line.close()
    assert {sample.values["energy_import"] for sample in sink.samples} == {5_000}


async def test_a_converter_that_is_not_there_at_first_is_found_when_it_comes(tmp_path: Path) -> None:
    line = SerialLine(LineTiming(BAUD, 1_000), link=tmp_path / "rs485")
    line.attach(1, Sdm120(SetTruth(5_000), 1))
    line.open()
    async with SerialBridge(line.port, BAUD) as first:
        port = first.port
    config = LineConfig("l", LineKind.RTU_TCP, host="127.0.0.1", port=port, baud=BAUD, timeout_ms=TIMEOUT_MS)
    async with running(config) as sink:
        await sink.until(lambda: sink.reasons("w").count("line-down") >= 2, GENEROUS_S)
        async with SerialBridge(line.port, BAUD, port=port):
            await until_more(sink)
    line.close()
