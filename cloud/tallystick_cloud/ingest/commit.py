"""Group commit: uploads that come while others are being written wait for each other and share a transaction.

Nobody waits when nobody writes; a group is what came meanwhile, one upload of a gateway, in the order in which they
came. An upload that ends its group costs the others nothing: each is then taken by itself. One that ends a process
costs its group a second try, by themselves as well, and from then on its own gateway alone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import Busy

from . import notices
from .group import Sent, ingest_group
from .outcome import Outcome
from .service import ingest
from .suspects import TOLD_AFTER, Suspects
from .worker import Fault, Taken, fault_of
from .workers import Worker, Workers

GROUP_MAX = 32  # uploads: above it a group takes longer, and no upload costs less any more
GROUPS_AT_ONCE = 2  # on PostgreSQL: one computes while the other is written; more only wait for each other's locks
WAIT_MS_MAX = 60_000  # an upload is written within this, or its gateway has long given up and sends again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    sent: Sent
    done: asyncio.Future[Outcome]


class Commits:
    """One per server, used from one event loop. `group_max` 1: a transaction for each upload.

    `workers`: processes that take groups once there is more than this one can do; whoever made them ends them.
    """

    def __init__(
        self, db: Database, aggregator: Aggregator, group_max: int = GROUP_MAX, workers: Workers | None = None
    ) -> None:
        self._db, self._aggregator, self._group_max, self._workers = db, aggregator, group_max, workers
        self._at_once = 1 if db.is_sqlite else GROUPS_AT_ONCE
        self._queue: deque[_Waiting] = deque()
        self._busy: set[bytes] = set()  # gateways of the groups that are under way
        self._tasks: set[asyncio.Task[None]] = set()
        self._suspects = Suspects()
        self._latest_ms = 0  # what was recorded last: a group that is written later is not recorded earlier

    async def take(self, sent: Sent) -> Outcome:
        """What became of it, once it is committed. Raises what `ingest` raises, and Busy when the machine could not."""
        waiting = _Waiting(sent, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        return await waiting.done

    def _start(self) -> None:
        while self._has_room():
            group = self._next_group()
            if not group:
                return
            worker = None if self._workers is None else self._workers.borrow()
            task = asyncio.get_running_loop().create_task(self._run(group, worker))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
            if self._workers is not None and len(group) == self._group_max:
                self._workers.call()  # as many as a group takes came while others were written

    def _has_room(self) -> bool:
        if self._workers is not None and self._workers.there:
            return self._workers.has_idle
        return len(self._tasks) < self._at_once

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    def _next_group(self) -> list[_Waiting]:
        """The oldest that wait, at most one of a gateway: its next one is checked against what this one leaves.

        A suspect is a group by itself.
        """
        group: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        while self._queue and len(group) < self._group_max:
            waiting = self._queue.popleft()
            is_suspect = waiting.sent.upload in self._suspects
            if waiting.sent.gid in self._busy or (group and is_suspect):
                left.append(waiting)
                continue
            self._busy.add(waiting.sent.gid)
            group.append(waiting)
            if is_suspect:
                break
        self._queue.extendleft(reversed(left))
        return group

    def _stamped(self, group: Sequence[_Waiting]) -> list[_Waiting]:
        """All with one time, no earlier than that of any group before: what was known at a moment never changes.

        A clock that goes back further than uploads wait was wrong, and is followed: receipts carry this time.
        """
        newest_ms = max(waiting.sent.now_ms for waiting in group)
        if self._latest_ms - newest_ms <= WAIT_MS_MAX:
            newest_ms = max(self._latest_ms, newest_ms)
        self._latest_ms = newest_ms
        return [replace(waiting, sent=replace(waiting.sent, now_ms=self._latest_ms)) for waiting in group]

    async def _run(self, group: Sequence[_Waiting], worker: Worker | None) -> None:
        group = self._stamped(group)
        try:
            outcomes = await self._together(group, worker)
            for waiting, outcome in zip(group, outcomes, strict=True):
                if not isinstance(outcome, Busy):
                    self._suspects.clear(waiting.sent.upload)
                if isinstance(outcome, Exception) or outcome is not None:
                    _settle(waiting.done, outcome)
                else:
                    await self._alone(waiting)
        finally:
            for waiting in group:
                self._busy.discard(waiting.sent.gid)
                if not waiting.done.done():
                    waiting.done.cancel()  # the server ends; the transaction may be committed, and it comes again

    async def _together(self, group: Sequence[_Waiting], worker: Worker | None) -> Sequence[Outcome | Exception | None]:
        """None: to be taken by itself."""
        match await self._taken([waiting.sent for waiting in group], worker):
            case Fault(of_content=True, text=text):  # of one of them
                _log.warning("%d uploads are taken one by one: %s", len(group), text)
                return [None] * len(group)
            case Fault(no_answer=True, text=text):
                await self._blame(group)
                return [Busy("database", text)] * len(group)
            case Fault(text=text):  # the machine's, which would end each of them the same way
                return [Busy("database", text)] * len(group)
            case outcomes:
                return outcomes

    async def _taken(self, group: Sequence[Sent], worker: Worker | None) -> Taken:
        if self._workers is not None and worker is not None:
            return await self._workers.ask(worker, group)
        if self._workers is not None and group[0].upload in self._suspects and not self._workers.refused:
            self._workers.call()
            return Fault(False, "a process ended over it: it waits for another, so that this one goes on")
        try:
            return await self._db.write(ingest_group, self._aggregator, group)
        except Exception as error:  # said to whoever sent what is in the group
            return fault_of(error)

    async def _blame(self, group: Sequence[_Waiting]) -> None:
        """One of them ended a process. Whoever did so alone, and again, is what somebody should look at."""
        ended = self._suspects.blame(waiting.sent.upload for waiting in group)
        if ended < TOLD_AFTER or len(group) > 1:
            return
        sent = group[0].sent
        try:
            await self._db.write(notices.tell_deadly, sent.gid, ended, sent.now_ms)
        except SQLAlchemyError as error:  # the alarm is raised the next time
            _log.error("gateway %s ended %d processes: %s", sent.gid.hex(), ended, type(error).__name__)

    async def _alone(self, waiting: _Waiting) -> None:
        sent = waiting.sent
        try:
            outcome = await self._db.write(ingest, self._aggregator, sent.gid, sent.upload, sent.now_ms, sent.path)
        except Exception as error:  # whoever sent it is told, in whose task it is raised
            _settle(waiting.done, error)
        else:
            _settle(waiting.done, outcome)


def _settle(done: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    """Tell who waits, if anybody still does."""
    if done.done():
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
