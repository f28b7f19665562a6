"""An uplink that is told to end in the very moment in which its connection is lost ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.aggregator import TestAggregator
from support.edge_online import FAST, SOON_S, Gateway, known
from tallystick_edge.errors import UplinkError
from tallystick_edge.uplink.transport import Incoming
from tallystick_edge.uplink.worker import Uplink


class Cord:
    """A transport whose only connection says nothing until it is cut."""

    def __init__(self) -> None:
        self.plugged, self.cut = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Cord]:
        yield self

    async def send_hello(self, data: bytes) -> None:
        self.plugged.set()

    async def send_batch(self, epoch: int, seq: int, data: bytes) -> None: ...

    async def receive(self) -> Incoming:
        await self.cut.wait()
        raise UplinkError("connection reset")


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_stop_that_comes_with_a_lost_connection_is_heeded(tmp_path: Path, *, at_once: bool) -> None:
    """Seed 3300070 of the simulation: the task that was told to end waited for its next attempt instead."""
    folder = tmp_path / "aggregator"
    folder.mkdir()
    gateway: Gateway[TestAggregator] = Gateway(tmp_path / "edge", TestAggregator(folder))
    await gateway.aggregator.start()
    enrolment = await gateway.enrol()
    gateway.core.enrolled(known(gateway.plans, enrolment))
    cord = Cord()
    task = asyncio.create_task(Uplink(gateway.core, cord, enrolment.trust, FAST, gateway.entropy).run())
    async with asyncio.timeout(SOON_S):
        await cord.plugged.wait()
        await asyncio.sleep(0)
        cord.cut.set()
        if not at_once:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gateway.core.close()
    await gateway.aggregator.stop()
