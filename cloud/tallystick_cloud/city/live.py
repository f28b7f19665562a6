"""Live pages: one look and one encoding per tick for all viewers of a community, and only what changed is sent.

It never lets a slow viewer hold anybody up: that one's queue is emptied and the newest whole state put in."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tallystick_cloud.city.frame import Frame, changes, encode
from tallystick_cloud.city.service import look
from tallystick_cloud.db import Database
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.ports import Clock

TICK_S = 0.4
"""Shortest time between two looks at the database for one community: a few per second at most."""
IDLE_S = 2.0
"""A look without any event, because gateways also fall silent; and a sign of life for every viewer."""
SHARE_OF_TIME = 5
"""A look that takes t is followed by a pause of at least SHARE_OF_TIME * t: a large city is looked at less often."""
QUEUE_MAX = 8
"""Messages a viewer may lag behind, about three seconds; then it gets the newest state instead."""
VIEWERS_MAX = 2_000
"""Open streams in all; each costs some 20 kB."""
RETRY_MS = 2_000
"""After this a browser connects again."""
_log = logging.getLogger(__name__)


class TooManyViewers(RuntimeError):
    """VIEWERS_MAX streams are open."""


@dataclass(slots=True, eq=False)
class Viewer:
    """One open stream."""

    room: "Room"
    queue: deque[bytes] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: bytes) -> None:
        """Queue a message; a viewer that lags gets the whole newest state."""
        if len(self.queue) >= QUEUE_MAX:
            self.queue.clear()
            message = self.room.whole()
        self.queue.append(message)
        self.ready.set()


@dataclass(slots=True, eq=False)
class Room:
    """All viewers of one community who read the same words and numbers, and what they have been told last."""

    wording: Wording
    viewers: set[Viewer] = field(default_factory=set)
    frame: Frame | None = None
    now_ms: int = 0

    def whole(self) -> bytes:
        """The newest state, all of it."""
        empty = Frame()
        return message("full", {"t": self.now_ms, **changes(empty, self.frame or empty)})

    def tell(self, frame: Frame, now_ms: int) -> None:
        """Send what changed since the last time; nothing but the time when nothing did."""
        difference = changes(self.frame or Frame(), frame)
        kind = "tick" if self.frame is not None else "full"
        self.frame, self.now_ms = frame, now_ms
        encoded = message(kind, {"t": now_ms, **difference})
        for viewer in self.viewers:
            viewer.put(encoded)


class Hub:
    """The ports.Events of the services: what is published makes the community's viewers look again."""

    def __init__(self, database: Database, pages: Pages, clock: Clock) -> None:
        self._database, self._pages, self._clock = database, pages, clock
        self._rooms: dict[tuple[str, Wording], Room] = {}
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def viewers(self) -> int:
        """Open streams."""
        return sum(len(room.viewers) for room in self._rooms.values())

    def publish(self, kind: str, data: Mapping[str, object]) -> None:
        """A commit happened; `data["community"]` says where. Callable from any thread, never blocks."""
        community = str(data.get("community", ""))
        if self._loop is not None and not self._closed:
            self._loop.call_soon_threadsafe(self._mark, community)

    def close(self) -> None:
        """End all streams; browsers come back by themselves when there is a server again."""
        self._closed = True
        for room in self._rooms.values():
            for viewer in room.viewers:
                viewer.ready.set()

    async def run(self) -> None:
        """Look and tell until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            started = time.monotonic()
            for community in {community for community, _ in self._rooms}:
                await self._tell(community)
            pause_s = max(TICK_S, SHARE_OF_TIME * (time.monotonic() - started))
            await asyncio.sleep(pause_s)
            await self._wait_for_news()

    async def stream(self, community: str, wording: Wording) -> AsyncGenerator[bytes, None]:
        """Server-sent events for one viewer, from the whole state on; ends when the hub closes."""
        if self.viewers >= VIEWERS_MAX:
            raise TooManyViewers(f"{VIEWERS_MAX} streams are open")
        room = self._rooms.setdefault((community, wording), Room(wording))
        viewer = Viewer(room)
        room.viewers.add(viewer)
        if room.frame is not None:
            viewer.put(room.whole())
        else:
            self._mark(community)
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            while not self._closed:
                await viewer.ready.wait()
                viewer.ready.clear()
                while viewer.queue and not self._closed:
                    yield viewer.queue.popleft()
        finally:
            room.viewers.discard(viewer)
            if not room.viewers:
                self._rooms.pop((community, wording), None)

    async def _tell(self, community: str) -> None:
        self._dirty.discard(community)
        now_ms = self._clock.utc_ms()
        try:
            situation = await self._database.read(look, community, now_ms)
            for (one, _), room in list(self._rooms.items()):
                if one == community:
                    room.tell(encode(situation, room.wording, self._pages), now_ms)
        except Exception:  # a task border: pages show "No data for n s" meanwhile, and the next tick tries again
            _log.exception("live view of %s failed; trying again", community)

    async def _wait_for_news(self) -> None:
        if self._dirty & {community for community, _ in self._rooms}:
            return
        self._wake.clear()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            return

    def _mark(self, community: str) -> None:
        self._dirty.add(community)
        self._wake.set()


def message(kind: str, data: dict[str, Any]) -> bytes:
    """One server-sent event; JSON has no line breaks of its own."""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {body}\n\n".encode()
