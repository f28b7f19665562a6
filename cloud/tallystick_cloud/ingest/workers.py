"""The processes that take groups in: started when there is more than this one can do, and used one group each.

They never sign, and no group depends on them: when none is there, the server's own threads take what comes.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from typing import ParamSpec, TypeVar

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database

from .group import Sent
from .worker import Fault, Taken, work

COUNT_MAX = 8  # a group is written in one line at balances and the log: more of them only wait there
START_S = 60.0  # for the imports of a loaded Raspberry Pi
END_S = 30.0  # the group under way; then it is killed, its transaction with it, and its gateways send again
ANSWER_S = 60.0  # a group takes a second; what takes longer stands still, and its gateways have given up
AGAIN_S = 10.0  # after one died: whatever kills them does not keep the machine busy with starting
_log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def usual_count() -> int:
    """One for each core; none where there is only one."""
    cores = os.cpu_count() or 1
    return min(cores, COUNT_MAX) if cores > 1 else 0


@dataclass(frozen=True, slots=True, eq=False)
class Worker:
    """A process and our end of its pipe."""

    process: SpawnProcess
    pipe: Pipe


class Workers:
    """Used from one event loop. `count` 0, or SQLite, which has one writer: none is ever started."""

    def __init__(self, database: Database, aggregator: Aggregator, count: int, again_s: float = AGAIN_S) -> None:
        self._again_s = again_s
        self._url = database.engine.url.render_as_string(hide_password=False)
        self._directory = aggregator.keyless()
        self._count = 0 if database.is_sqlite else count
        self._made: list[Worker] = []  # all that run, those that are not ready yet among them
        self._ready: list[Worker] = []
        self._idle: list[Worker] = []
        self._threads = ThreadPoolExecutor(max(1, self._count), thread_name_prefix="ingest-worker")
        self._starting: set[asyncio.Task[None]] = set()
        self._next_start_s = 0.0
        self.refused = False  # the machine would not start another one when last asked

    @property
    def there(self) -> int:
        """How many are ready or at work."""
        return len(self._ready)

    def pids(self) -> list[int]:
        return [worker.process.pid or 0 for worker in self._ready]

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    def call(self) -> None:
        """More comes than this process can take: start those that are missing, beside what goes on."""
        missing, now_s = self._count - len(self._ready), time.monotonic()
        if missing <= 0 or self._starting or now_s < self._next_start_s:
            return
        self._next_start_s = now_s + self._again_s
        for _ in range(missing):
            task = asyncio.get_running_loop().create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self) -> None:
        try:
            worker = await self._in_thread(self._started)
        except (EOFError, OSError) as error:  # no memory, too many processes: this one goes on alone
            _log.warning("no further process for uploads: %s: %s", type(error).__name__, error)
            self.refused = True
            return
        self.refused = False
        self._ready.append(worker)
        self._idle.append(worker)

    def _started(self) -> Worker:
        context = get_context("spawn")
        pipe, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._url, self._directory), daemon=True)
        process.start()
        theirs.close()
        worker = Worker(process, pipe)
        self._made.append(worker)
        try:
            if not pipe.poll(START_S):
                raise TimeoutError(f"not ready after {START_S:.0f} s")
            pipe.recv()
        except (EOFError, OSError):
            self._end(worker, 0.0)
            raise
        return worker

    def borrow(self) -> Worker | None:
        """One that has nothing to do, for `ask`, which gives it back."""
        return self._idle.pop() if self._idle else None

    async def ask(self, worker: Worker, group: Sequence[Sent]) -> Taken:
        """What a borrowed one made of the group. Without an answer nobody knows: it is ended, and all comes again."""
        limit = asyncio.get_running_loop().call_later(ANSWER_S, worker.process.kill)
        try:
            done = await self._in_thread(_answer, worker, list(group))
        except Exception as error:  # its pipe ended, or anything at all that unpickling raises
            self._ready.remove(worker)
            await self._in_thread(self._end, worker, 0.0)
            why = f"{type(error).__name__}: {error}".removesuffix(": ")
            text = f"no answer of process {worker.process.pid} over {len(group)} uploads: {why}"
            return Fault(False, text, no_answer=True)
        finally:
            limit.cancel()
        self._idle.append(worker)
        return done

    async def _in_thread(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: fn(*args, **kwargs))

    def close(self) -> None:
        """Ends them all, each after its group."""
        for worker in self._made:
            if worker not in self._ready:
                worker.process.kill()
        self._threads.shutdown()
        for worker in self._ready:
            worker.pipe.close()
        for worker in list(self._made):
            self._end(worker, END_S)
        self._ready, self._idle = [], []

    def _end(self, worker: Worker, wait_s: float) -> None:
        worker.pipe.close()
        worker.process.join(wait_s)
        worker.process.kill()
        worker.process.join()
        self._made.remove(worker)


def _answer(worker: Worker, group: list[Sent]) -> Taken:
    worker.pipe.send(group)
    found: Taken = worker.pipe.recv()
    if not isinstance(found, Fault) and len(found) != len(group):
        raise ValueError(f"it speaks of {len(found)}")
    return found
