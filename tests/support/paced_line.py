"""A simulated RS-485 line in a process of its own, so that its characters keep their time while the agent works.
python -m support.paced_line BAUD UNITS    prints the port; ends when standard input ends."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.modbus import SelfNaming
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.timing import LineTiming

TESTS = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def paced_line(baud: int, units: int = 1) -> Iterator[str]:
    """The port of a line with meters that think for no time at all, so that only the wire is measured."""
    command = [sys.executable, "-m", "support.paced_line", str(baud), str(units)]
    with subprocess.Popen(command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("a process with pipes has pipes")
        yield process.stdout.readline().strip()
        process.stdin.close()


async def _serve(baud: int, units: int) -> None:
    line = SerialLine(LineTiming(baud, 0))
    for unit in range(1, units + 1):
        line.attach(unit, SelfNaming(unit << 8))
    line.open()
    print(line.port, flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    line.close()


def _precise_loop() -> asyncio.SelectorEventLoop:
    """select waits to the microsecond, epoll to the next millisecond: a character at 115200 baud takes 95 us."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
