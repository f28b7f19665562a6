"""The laundry as a process: real Modbus reads show what its control line calls the truth."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from tallystick_sim.clock import ScaledClock, real_ms
from tallystick_sim.control import ControlError, call
from tallystick_sim.plan import HOUSE_FIRST_WH

FACTOR = 600
SOON_S = 40


@pytest.fixture
async def control() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        clock = ScaledClock(FACTOR, real_ms(), 1_800_000_000_000)
        process = subprocess.Popen(  # noqa: ASYNC220 starting a program is quick
            [sys.executable, "-W", "error", "-m", "tallystick_sim", "laundry", "--folder", folder, "--seed", "a seed"],
            env=os.environ | {"TALLYSTICK_CLOCK": clock.setting()},
        )
        path = Path(folder) / "control"
        async with asyncio.timeout(SOON_S):
            while not path.exists():  # noqa: ASYNC110 - another program makes it
                await asyncio.sleep(0.05)
        yield path
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0


async def test_meters_show_the_truth_and_stand_still_before_and_after(control: Path) -> None:
    where = await call(control, "where")
    client = AsyncModbusTcpClient("127.0.0.1", port=where["house_port"])
    await client.connect()

    async def house_wh() -> int:
        words = (await client.read_holding_registers(3203, count=4, device_id=1)).registers
        return int.from_bytes(b"".join(w.to_bytes(2, "big") for w in words), "big")

    assert await house_wh() == HOUSE_FIRST_WH
    await call(control, "open")
    async with asyncio.timeout(SOON_S):
        while await house_wh() == HOUSE_FIRST_WH:  # noqa: ASYNC110 - a meter is asked
            await asyncio.sleep(0.1)
        await call(control, "close")
        while not (truth := await call(control, "truth"))["still"]:  # noqa: ASYNC110 - another program is asked
            await asyncio.sleep(0.1)
    assert await house_wh() == HOUSE_FIRST_WH + truth["watt_hours"]["house"]
    assert truth["millilitres"] > 0
    assert truth["cycles"]["washer-1"]
    client.close()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"do": "dance"}, "no 'dance' here"),
        ({"do": "late", "ms": 5}, "meter: missing"),
        ({"do": "late", "meter": "washer-1", "ms": 0}, "ms: 0 is not"),
        ({"do": "late", "meter": "toaster", "ms": 5}, "meter: no 'toaster'"),
    ],
)
async def test_bad_requests_are_refused_with_field_and_reason(
    control: Path, request_: dict[str, object], reason: str
) -> None:
    with pytest.raises(ControlError, match=reason):
        await call(control, **request_)  # type: ignore[arg-type]


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    command = [sys.executable, "-m", "tallystick_sim", "laundry", "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "too long for a unix socket" in done.stderr
