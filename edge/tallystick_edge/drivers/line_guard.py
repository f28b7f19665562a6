"""Guards one Modbus line: one question at a time, and no answer is taken for another's.
On RTU an answer carries no number of its question, so after any doubt the unit is left alone, then fenced."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from tallystick_edge.config import LineConfig, LineKind
from tallystick_edge.drivers.coalesce import gap_us
from tallystick_edge.drivers.modbus_errors import LineDown, NoAnswer, Refused, WrongAnswer
from tallystick_edge.profile import Span

ADDRESS_END = 0x1_0000


class Link(Protocol):
    """What the guard needs of a connection; see ModbusLink."""

    @property
    def numbers_answers(self) -> bool: ...

    @property
    def heard_at(self) -> float:
        """Loop time at which the last characters came; the silence between two frames counts from there."""
        ...

    async def ask(self, unit: int, span: Span) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True)
class GuardTimes:
    """Real time, as the wire knows no other.

    `late_window_ms`: how long a unit is left alone after any doubt. `gap_us`: silence between two frames."""

    late_window_ms: int
    gap_us: int

    @classmethod
    def of(cls, line: LineConfig) -> GuardTimes:
        """An answer may come up to one more timeout late; between frames 3.5 characters on a serial line."""
        gap = 0 if line.kind is LineKind.TCP else gap_us(line.baud)
        return cls(late_window_ms=line.timeout_ms, gap_us=gap)


@dataclass(slots=True)
class GuardCounts:
    """What the guard has seen so far."""

    answered: int = 0
    timeouts: int = 0
    discarded: int = 0
    refused: int = 0
    fences: int = 0


@dataclass(slots=True)
class _Unit:
    """`owed`: shapes (function, count) of questions whose answers may still come."""

    quiet_until: float = 0.0
    owed: set[tuple[int, int]] = field(default_factory=set)


class LineGuard:
    """The one owner of a line. `read` may be called from many tasks; they take turns in the order they came."""

    def __init__(self, link: Link, times: GuardTimes) -> None:
        self.counts = GuardCounts()
        self._link = link
        self._times = times
        self._lock = asyncio.Lock()
        self._units: dict[int, _Unit] = {}
        self._free_at = 0.0
        self._on_wire: set[asyncio.Task[tuple[int, ...] | None]] = set()
        self._closed = False

    async def read(self, unit: int, span: Span) -> tuple[int, ...]:
        """Exactly the registers asked for. Raises NoAnswer, WrongAnswer, Refused or LineDown; never repeats by itself.

        Cancelling the caller does not cancel what is on the wire: the answer is waited for and thrown away."""
        state = self._units.setdefault(unit, _Unit())
        while True:
            await self._sleep_until(state.quiet_until)
            task = asyncio.get_running_loop().create_task(self._in_turn(unit, state, span))
            self._on_wire.add(task)
            task.add_done_callback(self._landed)
            words = await asyncio.shield(task)
            if words is not None:
                return words

    async def close(self) -> None:
        """Let what is on the wire finish, and ask nothing more."""
        self._closed = True
        await asyncio.gather(*self._on_wire, return_exceptions=True)

    async def _in_turn(self, unit: int, state: _Unit, span: Span) -> tuple[int, ...] | None:
        """None when the unit fell into doubt while this question waited for its turn."""
        async with self._lock:
            if self._closed:
                raise LineDown("the line is being closed")
            if state.quiet_until > self._now():
                return None
            if (span.function, span.count) in state.owed and not self._link.numbers_answers:
                await self._fence(unit, state, span)
            return await self._ask(unit, state, span)

    async def _fence(self, unit: int, state: _Unit, span: Span) -> None:
        """Ask for another number of registers first. A slave answers in order, so once an answer of this shape has
        come, no older one is left, however late it was; and an older one is told from it by its shape."""
        counts = (count for count in range(1, 126) if (span.function, count) not in state.owed)
        count = next((count for count in counts if span.address + count <= ADDRESS_END), None)
        if count is None:
            raise NoAnswer(f"unit {unit} owes answers of every shape")
        self.counts.fences += 1
        try:
            await self._ask(unit, state, Span(span.function, span.address, count))
        except Refused:
            state.owed.clear()  # it hears and answers; a refusal carries no value that could be taken for another

    async def _ask(self, unit: int, state: _Unit, span: Span) -> tuple[int, ...]:
        await self._sleep_until(self._free_at)
        try:
            words = await self._link.ask(unit, span)
        except (NoAnswer, WrongAnswer, LineDown) as failure:
            self._doubt(state, span, failure)
            raise
        except Refused:
            self.counts.refused += 1
            raise
        finally:
            self._free_at = self._link.heard_at + self._times.gap_us / 1_000_000
        self.counts.answered += 1
        state.owed.clear()
        return words

    def _doubt(self, state: _Unit, span: Span, failure: NoAnswer | WrongAnswer | LineDown) -> None:
        self.counts.discarded += isinstance(failure, WrongAnswer)
        self.counts.timeouts += isinstance(failure, NoAnswer)
        state.owed.add((span.function, span.count))
        state.quiet_until = self._now() + self._times.late_window_ms / 1_000

    def _landed(self, task: asyncio.Task[tuple[int, ...] | None]) -> None:
        self._on_wire.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may be gone; looking at it keeps the loop from complaining

    async def _sleep_until(self, when: float) -> None:
        delay_s = when - self._now()
        if delay_s > 0:  # a sleep of nothing is another turn of the loop, twice for every question
            await asyncio.sleep(delay_s)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
