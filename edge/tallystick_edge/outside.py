"""What the machine around the agent is told: systemd's watchdog, and figures for whoever scrapes them on loopback.
It only looks; nothing the agent does depends on it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tallystick_protocol.codes import TimeQuality

from tallystick_edge.agent import Agent
from tallystick_edge.core import Core
from tallystick_edge.metrics import Standing, render
from tallystick_edge.metrics_server import MetricsServer
from tallystick_edge.notify import FEEDS_PER_WATCHDOG, Notify
from tallystick_edge.ports import Clock
from tallystick_edge.vitals import Vitals

log = logging.getLogger("tallystick.outside")


class Outside:
    """One per running agent."""

    def __init__(
        self, port: int | None, notify: Notify, vitals: Vitals, core: Core, agent: Agent, clock: Clock
    ) -> None:
        self._notify, self._vitals = notify, vitals
        self._core, self._agent, self._clock = core, agent, clock
        self._port = port

    @asynccontextmanager
    async def tasks(self) -> AsyncIterator[None]:
        """Run while the body runs."""
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._watch(), name="watchdog")]
            if self._port is not None:
                running.append(group.create_task(MetricsServer(self._port, self.text).run(), name="metrics"))
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    def text(self) -> str:
        """One scrape."""
        return render(self._vitals, self._standing())

    async def _watch(self) -> None:
        """Feed systemd's watchdog while drivers and store move; say what does not, and let it bite."""
        if self._notify.watchdog_s is None:
            return
        told = False
        while True:
            stall = self._vitals.stall()
            if stall is None:
                values, faults = self._vitals.values, sum(self._vitals.faults.values())
                self._notify.alive(f"{values} values read, {faults} polls without an answer")
            elif not told:
                log.error("%s has not moved for %d s; the watchdog is not fed any more", stall.what, stall.seconds)
                self._notify.stalled(f"{stall.what} has not moved for {stall.seconds} s")
            told = stall is not None
            await asyncio.sleep(self._notify.watchdog_s / FEEDS_PER_WATCHDOG)

    def _standing(self) -> Standing:
        uplink, now = self._agent.uplink, asyncio.get_running_loop().time()
        age = None if uplink is None or uplink.receipt_at is None else int(now - uplink.receipt_at)
        return Standing(
            waiting_batches=self._core.waiting_count(),
            unsealed_items=self._core.unsealed_count,
            receipts=0 if uplink is None else uplink.receipts,
            receipt_age_s=age,
            shed=self._core.desk.shed,
            clock_trusted=self._clock.quality() is not TimeQuality.U,
            resident_bytes=resident_bytes(),
        )


def resident_bytes() -> int:
    """Memory of this process as the kernel counts it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
