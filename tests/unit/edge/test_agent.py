"""The agent between drivers and uplink: what it does while there is nothing to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import cast

from sim.clocks import GatewayClock, TrueTime
from sim.loop import SimLoop, run
from tallystick_edge.agent import Agent, Pace
from tallystick_edge.core import Core

HOUR_S = 3600


def steps_until(first_s: float) -> tuple[int, float]:
    """Steps of the loop, and when what the first meter said after `first_s` seconds was flushed."""

    async def main(loop: SimLoop) -> tuple[int, float]:
        flushed: list[float] = []
        done = asyncio.Event()

        def flush() -> None:
            flushed.append(loop.time())
            done.set()

        desk = SimpleNamespace(is_clean=lambda: loop.time() < first_s, urgent_seal=False)
        core = SimpleNamespace(desk=desk, flush=flush)
        clock = GatewayClock(TrueTime(loop, 0), 0, True)
        agent = Agent(cast(Core, core), [], clock, Pace(60_000, 60_000, 60_000))
        task = asyncio.create_task(agent._flush())
        await done.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return loop.steps, flushed[0]

    return run(main, Random(1))


def test_the_first_readings_are_durable_at_once() -> None:
    assert steps_until(0.0)[1] < 0.001
    assert steps_until(0.3)[1] < 0.36


def test_where_no_meter_answers_nobody_looks_fifty_times_a_second() -> None:
    steps, flushed_s = steps_until(HOUR_S)
    assert flushed_s < HOUR_S + 1.1
    assert steps < 3 * HOUR_S  # one look a second is two of them
