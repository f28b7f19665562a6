"""The running agent: `run --config FILE`, as the systemd unit starts it, until SIGTERM or SIGINT.
For every other command it calls `cli`, with its parser of arguments that an agent would keep in memory for months."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tallystick_edge.app import App
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config import EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import EdgeError
from tallystick_edge.logs import log_lines
from tallystick_edge.notify import Notify

STOPS = (signal.SIGTERM, signal.SIGINT)
TIDY_S = 5.0  # a meter read every second leaves so few of them


def serve(arguments: Sequence[str]) -> int:
    """Exit code of the command: 0 = done, 1 = refused with a reason, 2 = wrong arguments."""
    match arguments:
        case ["run", "--config", path]:
            log_lines(None, verbose=False)
            return _until_stopped(Path(path))
        case _:
            from tallystick_edge.cli import main

            return main(arguments)


def _until_stopped(path: Path) -> int:
    try:
        run(load_config(path))
    except EdgeError as error:
        print(f"tallystick-edge: {error}", file=sys.stderr)
        return 1
    return 0


def run(config: EdgeConfig) -> None:
    """Run the agent. Raises EdgeError when it cannot start."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPS}
    try:
        asyncio.run(_run(config))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _run(config: EdgeConfig) -> None:
    """Without asyncio's handlers for signals: whoever replaces the one of SIGINT has the main task made text of, and
    `loop.add_signal_handler` asks what kind of function it is given. Both load inspect for it, 0.7 MiB."""
    app = App(config, system_clock(), SystemEntropy(), Notify())
    loop = asyncio.get_running_loop()
    for number in STOPS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(app.stop))
    tidying = loop.create_task(_tidy())
    try:
        await app.run()
    finally:
        tidying.cancel()
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)  # it is ending


async def _tidy() -> None:
    """Python keeps up to 2,000 freed tuples of each length, and up to 3.12 those of length 20 without using them again:
    a full collection lets go of them. It takes less than a millisecond when it leaves out what the start has made."""
    await asyncio.sleep(TIDY_S)
    gc.collect()
    gc.freeze()
    while True:
        await asyncio.sleep(TIDY_S)
        gc.collect()
