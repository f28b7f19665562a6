"""The guard alone, over a link that behaves like a slave with a memory: in order, sometimes late, without numbers."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest
from tallystick_edge.drivers.line_guard import GuardTimes, LineGuard
from tallystick_edge.drivers.modbus_errors import LineDown, NoAnswer, Refused, WrongAnswer
from tallystick_edge.drivers.modbus_meter import Backoff
from tallystick_edge.profile import Span

pytestmark = pytest.mark.virtual_time

ENERGY, POWER, VOLTAGE = Span(4, 0x48, 2), Span(4, 0x0C, 2), Span(4, 0, 1)
TIMES = GuardTimes(late_window_ms=20, gap_us=0)


@dataclass
class Slave:
    """Law of RTU: whatever fits in shape is taken. `late`: questions that time out and are answered at the next one."""

    late: deque[bool] = field(default_factory=deque)
    refuse: int | None = None
    numbers_answers: bool = False
    asked: list[tuple[int, Span]] = field(default_factory=list)
    owed: dict[int, deque[Span]] = field(default_factory=dict)
    busy: int = 0
    most_busy: int = 0
    hold: asyncio.Event | None = None
    heard_at: float = 0.0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, unit: int, span: Span) -> tuple[int, ...]:
        self.asked.append((unit, span))
        self.busy += 1
        self.heard.set()
        self.most_busy = max(self.busy, self.most_busy)
        try:
            await (asyncio.sleep(0.002) if self.hold is None else self.hold.wait())
            return self._answer(unit, span)
        finally:
            self.busy -= 1
            self.heard_at = asyncio.get_running_loop().time()

    def _answer(self, unit: int, span: Span) -> tuple[int, ...]:
        owed = self.owed.setdefault(unit, deque())
        if self.late and self.late.popleft():
            owed.append(span)
            raise NoAnswer("nothing in time")
        if owed:
            old = owed.popleft()
            if (old.function, old.count) != (span.function, span.count):
                raise WrongAnswer("another shape")
            return words(unit, old)
        if self.refuse is not None:
            raise Refused(self.refuse, "refused")
        return words(unit, span)


def words(unit: int, span: Span) -> tuple[int, ...]:
    return tuple(range(unit * 1_000 + span.address, unit * 1_000 + span.end))


async def test_an_answer_of_the_same_shape_that_comes_after_the_quarantine_is_fenced_off() -> None:
    slave = Slave(late=deque([True]))
    guard = LineGuard(slave, TIMES)
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    with pytest.raises(WrongAnswer):
        await guard.read(1, POWER)  # the fence met the old answer
    assert await guard.read(1, POWER) == words(1, POWER)
    assert guard.counts.fences == 2
    assert guard.counts.discarded == 1


async def test_after_a_clean_fence_there_is_no_further_one() -> None:
    slave = Slave(late=deque([True]))
    guard = LineGuard(slave, TIMES)
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    slave.owed.clear()
    for _ in range(3):
        assert await guard.read(1, ENERGY) == words(1, ENERGY)
    assert guard.counts.fences == 1


async def test_a_question_of_another_shape_is_its_own_fence() -> None:
    slave = Slave(late=deque([True]))
    guard = LineGuard(slave, TIMES)
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    with pytest.raises(WrongAnswer):
        await guard.read(1, VOLTAGE)
    assert await guard.read(1, VOLTAGE) == words(1, VOLTAGE)


async def test_a_unit_that_refuses_the_fence_is_still_read() -> None:
    slave = Slave(late=deque([True]), refuse=2)
    guard = LineGuard(slave, TIMES)
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    slave.owed.clear()
    with pytest.raises(Refused):
        await guard.read(1, ENERGY)
    slave.refuse = None
    assert await guard.read(1, ENERGY) == words(1, ENERGY)


async def test_a_numbered_line_needs_no_fence() -> None:
    slave = Slave(late=deque([True]), numbers_answers=True)
    guard = LineGuard(slave, TIMES)
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    slave.owed.clear()
    assert await guard.read(1, ENERGY) == words(1, ENERGY)
    assert guard.counts.fences == 0


async def test_a_quarantined_unit_waits_while_others_are_read() -> None:
    slave = Slave(late=deque([True]))
    guard = LineGuard(slave, GuardTimes(late_window_ms=100, gap_us=0))
    with pytest.raises(NoAnswer):
        await guard.read(1, ENERGY)
    slave.owed.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiting = asyncio.create_task(guard.read(1, ENERGY))
    for _ in range(10):
        assert await guard.read(2, ENERGY) == words(2, ENERGY)
    assert loop.time() - began < 0.09
    assert not waiting.done()
    assert await waiting == words(1, ENERGY)
    assert loop.time() - began >= 0.095


async def test_questions_never_overlap_on_the_wire() -> None:
    slave = Slave()
    guard = LineGuard(slave, TIMES)
    spans = [(unit, span) for unit in (1, 2, 3) for span in (ENERGY, POWER, VOLTAGE)]
    answers = await asyncio.gather(*(guard.read(unit, span) for unit, span in spans))
    assert answers == [words(unit, span) for unit, span in spans]
    assert slave.most_busy == 1


async def test_a_cancelled_caller_does_not_cancel_the_question_on_the_wire() -> None:
    slave = Slave()
    guard = LineGuard(slave, TIMES)
    slave.hold = asyncio.Event()
    caller = asyncio.create_task(guard.read(1, ENERGY))
    await slave.heard.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert slave.busy == 1
    slave.hold.set()
    assert await guard.read(1, POWER) == words(1, POWER)
    assert slave.most_busy == 1


async def test_the_gap_between_frames_is_kept() -> None:
    guard = LineGuard(Slave(), GuardTimes(late_window_ms=20, gap_us=15_000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        await guard.read(1, ENERGY)
    assert loop.time() - began >= 2 * 0.015 + 3 * 0.002


@pytest.mark.parametrize(
    ("failures", "wait_ms"), [(1, 2_000), (2, 4_000), (8, 256_000), (9, 300_000), (10_000, 300_000)]
)
def test_a_unit_that_keeps_failing_is_asked_ever_more_seldom(failures: int, wait_ms: int) -> None:
    assert Backoff().wait_ms(failures) == wait_ms


async def test_a_closed_guard_asks_nothing_more() -> None:
    slave = Slave()
    guard = LineGuard(slave, TIMES)
    await guard.close()
    with pytest.raises(LineDown):
        await guard.read(1, ENERGY)
    assert slave.asked == []
