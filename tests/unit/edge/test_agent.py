"""The agent between drivers and uplink: what it does while there is nothing to do."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import cast

import pytest
from sim.clocks import GatewayClock, TrueTime
from sim.loop import SimLoop, run
from support.edge import sample
from tallystick_edge.agent import Agent, CarefulSink, Pace
from tallystick_edge.core import Core
from tallystick_edge.desk import Desk
from tallystick_edge.sample import Fault
from tallystick_edge.vitals import Vitals

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


def test_a_meter_that_answers_again_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    desk = SimpleNamespace(sample=lambda _: None, fault=lambda _: None)
    sink = CarefulSink(cast(Desk, desk), Vitals(lambda: 0.0, {}, 1.0), "line")
    with caplog.at_level(logging.INFO, "tallystick.agent"):
        sink.sample(sample(0, 1_000, 0))
        sink.fault(Fault("washer", 1, "timeout", "no answer"))
        sink.sample(sample(2, 1_000, 0))
        sink.sample(sample(3, 1_000, 0))
    assert [record.message for record in caplog.records] == [
        "meter washer: timeout: no answer",
        "meter washer: gives values again",
    ]
