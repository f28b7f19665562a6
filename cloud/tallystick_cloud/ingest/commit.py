"""Group commit: uploads that come while others are being written wait for each other and share a transaction.

Nobody waits when nobody writes; a group is what came meanwhile, one upload of a gateway, in the order in which they
came. An upload that ends its group costs the others nothing: each is then taken by itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database

from .faults import is_of_content
from .group import Sent, ingest_group
from .outcome import Outcome
from .service import ingest

GROUP_MAX = 32  # uploads: above it a group takes longer, and no upload costs less any more
GROUPS_AT_ONCE = 2  # on PostgreSQL: one computes while the other is written; more only wait for each other's locks
WAIT_MS_MAX = 60_000  # an upload is written within this, or its gateway has long given up and sends again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    sent: Sent
    done: asyncio.Future[Outcome]


class Commits:
    """One per server, used from one event loop. `group_max` 1: a transaction for each upload."""

    def __init__(self, db: Database, aggregator: Aggregator, group_max: int = GROUP_MAX) -> None:
        self._db, self._aggregator, self._group_max = db, aggregator, group_max
        self._at_once = 1 if db.is_sqlite else GROUPS_AT_ONCE
        self._queue: deque[_Waiting] = deque()
        self._busy: set[bytes] = set()  # gateways of the groups that are under way
        self._tasks: set[asyncio.Task[None]] = set()
        self._latest_ms = 0  # what was recorded last: a group that is written later is not recorded earlier

    async def take(self, sent: Sent) -> Outcome:
        """What became of it, once it is committed. Raises what `ingest` raises."""
        waiting = _Waiting(sent, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        return await waiting.done

    def _start(self) -> None:
        while len(self._tasks) < self._at_once:
            group = self._next_group()
            if not group:
                return
            task = asyncio.get_running_loop().create_task(self._run(group))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    def _next_group(self) -> list[_Waiting]:
        """The oldest that wait, at most one of a gateway: its next one is checked against what this one leaves."""
        group: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        while self._queue and len(group) < self._group_max:
            waiting = self._queue.popleft()
            if waiting.sent.gid in self._busy:
                left.append(waiting)
            else:
                self._busy.add(waiting.sent.gid)
                group.append(waiting)
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

    async def _run(self, group: Sequence[_Waiting]) -> None:
        group = self._stamped(group)
        try:
            outcomes = await self._together(group)
            for waiting, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Exception) or outcome is not None:
                    _settle(waiting.done, outcome)
                else:
                    await self._alone(waiting)
        finally:
            for waiting in group:
                self._busy.discard(waiting.sent.gid)
                if not waiting.done.done():
                    waiting.done.cancel()  # the server ends; the transaction may be committed, and it comes again

    async def _together(self, group: Sequence[_Waiting]) -> Sequence[Outcome | Exception | None]:
        """None: to be taken by itself."""
        try:
            return await self._db.write(ingest_group, self._aggregator, [waiting.sent for waiting in group])
        except Exception as error:  # of one of them, or the machine's; the second would end each of them the same way
            if not is_of_content(error):
                return [error] * len(group)
            _log.warning("%d uploads are taken one by one: %s: %s", len(group), type(error).__name__, error)
        return [None] * len(group)

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
