"""The network behind the edge's Transport port: slow, lossy, doubling, reordering, silent, or reset in the middle.
It never says that anything arrived; only the receipt does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from random import Random

from sim.rates import Rates
from sim.server import Server, ServerDied
from sim.trace import Trace
from tallystick_cloud.errors import CloudError
from tallystick_edge.errors import UplinkError
from tallystick_edge.uplink.transport import Incoming

QUEUED_MAX = 200  # what a broker keeps for a client that is away


class SimSession:
    """One connection, as the gateway sees it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._inbox: asyncio.Queue[Incoming | None] = asyncio.Queue()
        self.broken = False

    async def send_hello(self, data: bytes) -> None:
        await self._send("hello", None, data)

    async def send_batch(self, epoch: int, seq: int, data: bytes) -> None:
        await self._send("batch", (epoch, seq), data)

    async def _send(self, kind: str, place: tuple[int, int] | None, data: bytes) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise UplinkError("connection reset")
        self._wire.up(self, kind, place, data)
        await asyncio.sleep(0)

    async def receive(self) -> Incoming:
        found = await self._inbox.get()
        if found is None:
            raise UplinkError("connection reset")
        return found

    def put(self, message: Incoming) -> None:
        if not self.broken:
            self._inbox.put_nowait(message)

    def reset(self) -> None:
        if not self.broken:
            self.broken = True
            self._inbox.put_nowait(None)


class Wire:
    """One gateway's way to the aggregator. `mqtt`: a broker in between keeps answers for whoever connects next."""

    def __init__(
        self, gid: bytes, name: str, mqtt: bool, server: Server, rates: Rates, chance: Random, trace: Trace,
        context: Context,
    ) -> None:  # fmt: skip
        self._gid, self._name, self.mqtt, self._server = gid, name, mqtt, server
        self._rates, self._chance, self._trace, self._context = rates, chance, trace, context
        self.calm = True
        self.hole = False
        self._session: SimSession | None = None
        self._queued: list[Incoming] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_batch: Callable[[tuple[int, int]], None] = lambda place: None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[SimSession]:
        """The Transport port."""
        await asyncio.sleep(self._delay_s())
        if self.hole:
            await asyncio.sleep(10)
        if self.hole or not self._server.up:
            raise UplinkError("connect failed")
        session = SimSession(self)
        if self._session is not None:
            self._session.reset()  # the broker lets one client of a name in, the newest
        self._session = session
        if self.mqtt:
            for message in self._queued:
                session.put(message)
            self._queued.clear()
        try:
            yield session
        finally:
            session.broken = True
            if self._session is session:
                self._session = None

    def reset(self, why: str) -> None:
        """The connection breaks, and both sides notice."""
        if self._session is not None:
            self._trace.tell(self._name, "reset", why)
            self._session.reset()
            self._session = None

    def up(self, session: SimSession, kind: str, place: tuple[int, int] | None, data: bytes) -> None:
        """The gateway handed a message to its operating system."""
        if place is not None:
            self.on_batch(place)
        for copy in self._copies(data):
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay_s(), self._begin, session, kind, place, copy, context=self._context)

    def _begin(self, session: SimSession, kind: str, place: tuple[int, int] | None, data: bytes) -> None:
        if self.hole:
            return
        self._run(self._arrive(session, kind, place, data))

    async def _arrive(self, session: SimSession, kind: str, place: tuple[int, int] | None, data: bytes) -> None:
        try:
            if kind == "hello":
                answer = await self._server.hello(self._gid, data, "mqtt" if self.mqtt else "https")
            else:
                answer = await self._server.batch(self._gid, None if self.mqtt else place, data)
        except ServerDied:
            return
        except CloudError as error:
            self._trace.tell(self._name, "refused-bytes", type(error).__name__)
            if not self.mqtt:
                self.reset("the request was refused")
            return
        self._down(session, answer)

    def _down(self, session: SimSession, answer: Incoming) -> None:
        for copy in self._copies(answer.data):
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay_s(), self._deliver, session, Incoming(answer.kind, copy), context=self._context)
            if self.mqtt and not self.calm and self._chance.random() < self._rates.redelivered:
                self._queue(Incoming(answer.kind, copy))  # its acknowledgement was lost: it comes again, however late

    def _deliver(self, session: SimSession, message: Incoming) -> None:
        if self.hole:
            if self.mqtt:
                self._queue(message)
        elif not self.mqtt:
            session.put(message)
        elif self._session is not None:
            self._session.put(message)
        else:
            self._queue(message)

    def _queue(self, message: Incoming) -> None:
        if len(self._queued) < QUEUED_MAX:
            self._queued.append(message)

    def _copies(self, data: bytes) -> list[bytes]:
        """What the network makes of one message: nothing, itself, two of it, or something bent."""
        if self.calm:
            return [data]
        if self.hole or self._chance.random() < self._rates.loss:
            self._trace.tell(self._name, "lost-message")
            return []
        if self._chance.random() < self._rates.bent:
            bent = bytearray(data)
            bent[self._chance.randrange(len(bent))] ^= 1 << self._chance.randrange(8)
            return [bytes(bent)]
        return [data, data] if self._chance.random() < self._rates.twice else [data]

    def _delay_s(self) -> float:
        """Each message for itself: two that follow each other may arrive the other way round."""
        if self.calm:
            return 0.02
        slow = 20.0 if self._chance.random() < 0.02 else 1.0
        return self._chance.expovariate(1 / self._rates.latency_s) * slow

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
