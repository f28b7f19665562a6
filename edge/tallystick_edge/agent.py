"""The agent's tasks over what it is given: drivers, group commit, sealer and the hand-over to an uplink, in one group.
It opens no file, no socket and no clock: `app.py` brings the real ones, the simulation of the tests brings its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tallystick_edge.core import Core
from tallystick_edge.desk import Desk
from tallystick_edge.errors import JournalError, JournalFull
from tallystick_edge.ports import Clock, Driver
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.uplink.worker import Uplink
from tallystick_edge.vitals import Vitals

log = logging.getLogger("tallystick.agent")
DRIVER_AGAIN_MS = 5_000  # real time before a driver that ended by an error is started anew
FORGETS_A_DAY = 10  # of 1,000 batches each: a day makes 1,440, and what was missed while it was off is caught up
DAY_MS = 86_400_000  # old evidence is looked for once a day, and at the start
FIRST_FLUSH_MS = 20  # real time; the first readings after a start become durable at once, not at the end of a period
FIRST_FLUSH_SHARE = 10  # of the time waited for them: where no meter answers, nobody looks fifty times a second
STORE_AGAIN_MS = 1_000  # real time between attempts while the disk is full or failing


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the agent commits and seals, in domain time."""

    flush_ms: int
    seal_every_ms: int
    heartbeat_ms: int


class Agent:
    """Everything that goes on between the drivers and the uplink. `talk` connects it to an aggregator, for ever."""

    def __init__(
        self,
        core: Core,
        drivers: Sequence[tuple[str, Driver]],
        clock: Clock,
        pace: Pace,
        vitals: Vitals | None = None,
    ) -> None:
        self._core, self._drivers, self._clock, self._pace = core, drivers, clock, pace
        self._vitals = vitals or Vitals(lambda: clock.uptime_ms() / 1000, {}, pace.flush_ms / 1000)
        self._changed = asyncio.Event()
        self._uplink: Uplink | None = None
        core.on_sealed = core.desk.on_urgent = self._on_change

    @asynccontextmanager
    async def tasks(self, talk: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Run while the body runs; then every task is cancelled and nothing is flushed any more by itself."""

        async def talking() -> None:
            await talk()

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._drive(name, driver), name=name) for name, driver in self._drivers]
            running += [
                group.create_task(self._flush(), name="journal"),
                group.create_task(self._seal(), name="sealer"),
                group.create_task(talking(), name="uplink"),
            ]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    @property
    def uplink(self) -> Uplink | None:
        """What hands over; None before enrolment."""
        return self._uplink

    async def hand_over(self, uplink: Uplink) -> None:
        """Send what is sealed, for ever; a store that fails costs a pause, not the task."""
        self._uplink = uplink
        while True:
            try:
                await uplink.run()
            except* JournalError as group:
                log.error("%s", group.exceptions[0])
            await asyncio.sleep(STORE_AGAIN_MS / 1000)

    def _on_change(self) -> None:
        self._changed.set()
        if self._uplink is not None:
            self._uplink.sealed()

    async def _drive(self, name: str, driver: Driver) -> None:
        sink = CarefulSink(self._core.desk, self._vitals, name)
        while True:
            try:
                await driver.run(sink)
                log.error("driver %s ended by itself; it is started again", name)
            except Exception:  # a task border: whatever breaks in one line or adapter must not stop the others
                log.exception("driver %s failed; it is started again", name)
            self._vitals.moved(name)
            await asyncio.sleep(DRIVER_AGAIN_MS / 1000)

    async def _flush(self) -> None:
        core, waited_ms = self._core, 0
        while core.desk.is_clean():
            wait_ms = min(max(FIRST_FLUSH_MS, waited_ms // FIRST_FLUSH_SHARE), STORE_AGAIN_MS)
            await asyncio.sleep(wait_ms / 1000)
            self._vitals.stored()
            waited_ms += wait_ms
        self._changed.set()
        while True:
            await self._flush_due()
            self._changed.clear()
            try:
                core.flush()
                if core.desk.urgent_seal:
                    core.seal()
                self._vitals.stored()
            except JournalError as error:
                log.error("%s", error)
                if isinstance(error, JournalFull):
                    self._vitals.stored()  # starting anew frees no disk, and would forget what is held in memory
                await asyncio.sleep(STORE_AGAIN_MS / 1000)

    async def _flush_due(self) -> None:
        """Until the next group commit, or until something urgent came. Commits are due at multiples of their interval,
        whatever the last one took: so no interval holds more than its own share of what is polled."""
        wait_ms = self._pace.flush_ms - self._clock.uptime_ms() % self._pace.flush_ms
        nap = asyncio.ensure_future(self._clock.sleep_ms(wait_ms))
        nap.add_done_callback(self._nap_ended)
        try:
            await self._changed.wait()
        finally:
            nap.cancel()

    def _nap_ended(self, nap: asyncio.Future[None]) -> None:
        if not nap.cancelled():
            self._changed.set()

    async def _seal(self) -> None:
        core, pace = self._core, self._pace
        day = -1
        while True:
            await self._clock.sleep_ms(min(pace.seal_every_ms, pace.heartbeat_ms))
            uptime_ms = self._clock.uptime_ms()  # a wall clock that is set back must not silence the heartbeat
            idle_ms = uptime_ms - core.last_seal_ms
            day, forgot_day = uptime_ms // DAY_MS, day
            try:
                forgets = FORGETS_A_DAY if day != forgot_day else 0
                while forgets and core.forget_old():
                    forgets -= 1
                core.seal(heartbeat=idle_ms >= pace.heartbeat_ms)
            except JournalError as error:
                log.error("%s", error)


class CarefulSink:
    """Gives samples to the desk; a bug met there costs one sample and a line in the log, not the driver."""

    def __init__(self, desk: Desk, vitals: Vitals, driver: str) -> None:
        self._desk, self._vitals, self._driver = desk, vitals, driver
        self._silent: set[str] = set()

    def sample(self, s: Sample) -> None:
        self._vitals.sample(self._driver, s)
        if s.meter in self._silent:
            self._silent.remove(s.meter)
            log.info("meter %s: gives values again", s.meter)
        try:
            self._desk.sample(s)
        except Exception:  # a task border: drivers are promised that a sink never raises
            log.exception("a sample of %s was refused", s.meter)

    def fault(self, f: Fault) -> None:
        self._vitals.fault(self._driver, f)
        self._silent.add(f.meter)
        log.warning("meter %s: %s: %s", f.meter, f.reason, f.detail)
        try:
            self._desk.fault(f)
        except Exception:  # a task border, as above
            log.exception("a fault of %s was refused", f.meter)
