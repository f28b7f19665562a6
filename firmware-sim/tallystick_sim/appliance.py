"""One thing that is used again and again: it rests, works through a programme, and counts what it took.
It moves only when told how late it is, draws all chance from the generator it was given, and never reads a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tallystick_sim.curve import HEATING_PHASES, MINUTE_MS, Phase, Programme
from tallystick_sim.slots import Slots

MJ_PER_WH = 3_600_000  # one watt for one millisecond is one millijoule
COMING_MS = (1_000, 15_000)  # how long after the begin of a slot somebody presses start
REST_MIN_MS = 8 * MINUTE_MS  # shorter rests would let two washes look like one to a gateway that was down


@dataclass(frozen=True, slots=True)
class Habit:
    """What an appliance does, how long it rests between uses (ms: least, most), how many of 100 are aborted."""

    programmes: Sequence[Programme]
    rest_ms: tuple[int, int]
    aborted_percent: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """One piece of an appliance's future: a phase of a programme, or the rest between two (`phase` None)."""

    end_ms: int
    watts: int
    phase: Phase | None
    completes: str | None = None  # the programme that counts as a cycle when this stretch begins


class Appliance:
    """Counts energy in millijoules and billable cycles by programme, from the moment it is opened."""

    def __init__(self, name: str, habit: Habit, random: Random, slots: Slots | None = None) -> None:
        """`slots`: it is used once in each, by whoever has it then; None: again and again."""
        self.name = name
        self._slots = slots
        self._habit = habit
        self._random = random
        self._now_ms = 0
        self._current: Stretch | None = None
        self._future: Iterator[Stretch] = iter(())
        self._closing = False
        self.millijoules = 0
        self.cycles: Counter[str] = Counter()
        self.started = 0
        self.aborted = 0

    def open(self, now_ms: int, first_rest_ms: int) -> None:
        """Start resting now; the first use begins after `first_rest_ms`. Before this the counters stand still."""
        self._now_ms = now_ms
        self._closing = False
        self._future = self._live(now_ms, first_rest_ms)
        self._current = next(self._future)

    def close(self) -> None:
        """No new use; one that runs is finished."""
        self._closing = True

    @property
    def still(self) -> bool:
        """True when the counters will not move again before the next `open`."""
        return self._current is None or (self._closing and self._current.phase is None)

    @property
    def watts(self) -> int:
        return 0 if self._current is None else self._current.watts

    @property
    def phase(self) -> str:
        return "rest" if self._current is None or self._current.phase is None else self._current.phase.name

    @property
    def watt_hours(self) -> int:
        """Whole watt-hours since it was opened, as a meter's register would have counted them."""
        return self.millijoules // MJ_PER_WH

    def advance(self, to_ms: int) -> None:
        """Live up to `to_ms` (domain time); a time in the past changes nothing."""
        while self._current is not None and self._now_ms < to_ms:
            until = min(to_ms, self._current.end_ms)
            self.millijoules += self._current.watts * (until - self._now_ms)
            self._now_ms = until
            if until == self._current.end_ms and not self.still:
                self._begin(next(self._future))
            elif self.still:
                self._now_ms = to_ms

    def _begin(self, stretch: Stretch) -> None:
        self._current = stretch
        if stretch.completes is not None:
            self.cycles[stretch.completes] += 1

    def _live(self, now_ms: int, first_rest_ms: int) -> Iterator[Stretch]:
        """The appliance's whole life, one stretch after the other; endless."""
        yield Stretch(end_ms := now_ms + first_rest_ms, 0, None)
        done: int | None = None  # the slot in which it was used last, and the one in which a start was aborted last
        hesitated: int | None = None
        while True:
            if self._slots is not None and (begin_ms := self._slots.wait_ms(end_ms, done)) is not None:
                end_ms = begin_ms + self._random.randint(*COMING_MS)
                yield Stretch(end_ms, 0, None)
            programme = self._random.choice(list(self._habit.programmes))
            aborts = self._random.randrange(100) < self._habit.aborted_percent
            if self._slots is not None:
                slot = self._slots.at(end_ms)
                aborts = aborts and slot != hesitated and self._slots.may_abort(end_ms)
                done, hesitated = (done, slot) if aborts else (slot, hesitated)
            self.started += 1
            self.aborted += aborts
            for stretch in self._use(programme, end_ms, aborts):
                end_ms = stretch.end_ms
                yield stretch
            end_ms += self._random.randint(*self._habit.rest_ms)
            yield Stretch(end_ms, 0, None)

    def _use(self, programme: Programme, start_ms: int, aborts: bool) -> Iterator[Stretch]:
        counted = False
        end_ms = start_ms
        for phase in programme.phases:
            if aborts and phase.name not in HEATING_PHASES:
                return
            # An abort in the heating phase comes early, long before the energy of any billable wash is spent.
            ms = min(phase.ms, 40_000) if aborts and phase.name == "heat" else phase.ms
            end_ms += ms
            completes = programme.name if phase.rinse and not counted else None
            counted = counted or phase.rinse
            yield Stretch(end_ms, self._wobble(phase.watts), phase, completes)

    def _wobble(self, watts: int) -> int:
        """The same programme never draws quite the same power twice: within 5 %."""
        return watts + self._random.randint(-watts // 20, watts // 20)
