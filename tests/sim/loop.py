"""A seeded asyncio event loop in virtual time: no thread, no socket, no file descriptor; time jumps to the next timer.
Handles that are ready together run in an order that the seed draws, and a machine may die before any of them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar, copy_context
from itertools import count
from random import Random
from typing import Any, Protocol, TypeVar

STEPS_MAX = 300_000  # the busiest of some hundred worlds took 60,000: this many turn in circles, and are half a minute
STEPS_TO_END = 20_000  # for cancelling whatever is left


class Restless(RuntimeError):
    """The world does not come to rest: its tasks keep each other busy."""


T = TypeVar("T")


class Mortal(Protocol):
    """Whatever can be killed between any two steps of its tasks."""

    def step(self) -> None: ...


OWNER: ContextVar[Mortal | None] = ContextVar("OWNER", default=None)


class SimTask(asyncio.Task[Any]):
    """Tasks live in sets (TaskGroup, wait): hashed by their number, not by where they lie in memory, sets have an order
    that is the same in every run."""

    def __init__(self, coro: Any, *, loop: SimLoop, **more: Any) -> None:
        self._number = loop.next_number()
        super().__init__(coro, loop=loop, **more)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def _make_task(loop: Any, coro: Any, **more: Any) -> SimTask:
    return SimTask(coro, loop=loop, **more)


class SimHandle(asyncio.Handle):
    """The base's, without what it keeps for people who debug."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: Any, context: Any) -> None:
        self._callback, self._args, self._loop = callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled, self._repr, self._source_traceback = False, None, None


class SimTimer(asyncio.TimerHandle):
    """The base's, as above; the loop counts no cancelled timers."""

    __slots__ = ()

    def __init__(self, when: float, callback: Any, args: Any, loop: Any, context: Any) -> None:
        self._when, self._callback, self._args, self._loop = when, callback, args, loop
        self._context = copy_context() if context is None else context
        self._cancelled, self._repr, self._source_traceback, self._scheduled = False, None, None, True

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._callback = self._args = None


class SimLoop(asyncio.BaseEventLoop):
    """Runs unmodified asyncio code. `time()` is seconds of this world and begins at 0."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._clock_resolution = 1e-9
        self.steps = 0
        self._steps_max = STEPS_MAX
        self._numbers = count(1)
        self.set_task_factory(_make_task)

    def next_number(self) -> int:
        return next(self._numbers)

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = SimHandle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = SimTimer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer = SimTimer(self._now + delay, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        return timer

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        raise RuntimeError("no thread lives in the simulation: hand the effect in through a port")

    def _run_once(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        ready: Any = self._ready  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)
        if not ready:
            if not timers:
                raise RuntimeError("nothing is ready and nothing is scheduled: everybody waits for somebody else")
            self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now + self._clock_resolution:
            handle = heapq.heappop(timers)
            if not handle._cancelled:
                ready.append(handle)
        turn = list(ready)
        ready.clear()
        if len(turn) > 1:
            self._chance.shuffle(turn)
        for index, handle in enumerate(turn):
            if not handle._cancelled:
                if self.steps >= self._steps_max:
                    ready.extend(turn[index:])  # so that they can be cancelled
                    self._steps_max += STEPS_TO_END
                    raise Restless(f"does not come to rest: {self.steps} steps and no end at {self._now:.3f} s")
                self.steps += 1
                context = handle._context
                owner = context.get(OWNER)
                if owner is not None:
                    owner.step()
                    if handle._cancelled:  # its machine died before this step
                        continue
                try:
                    context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # as the base does it
                    self.call_exception_handler({"message": "in a callback", "exception": error, "handle": handle})


def run(main: Callable[[SimLoop], Coroutine[Any, Any, T]], chance: Random) -> T:
    """Run `main` to its end on a loop of its own."""
    loop = SimLoop(chance)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        try:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                with suppress(Restless):
                    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            loop.close()
            asyncio.set_event_loop(None)
