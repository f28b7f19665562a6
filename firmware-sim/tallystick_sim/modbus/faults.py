"""What may go wrong with one unit, set by whoever runs the simulation and drawn from its seed.
It decides how the next answer is played; it sends nothing itself."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

ONE_SHOTS_MAX = 1_000  # a script that queues more is a mistake


@dataclass(frozen=True, slots=True)
class Play:
    """How one answer is given. `refuse`: exception code instead of registers. `held`: late by an event, not by
    a time: it is given when the unit hears its next request, or when it is let go."""

    late_ms: int = 0
    silent: bool = False
    corrupt: bool = False
    refuse: int | None = None
    held: bool = False


@dataclass(slots=True)
class UnitFaults:
    """Standing faults of a unit, in answers per thousand, and one-shots that are used up before them."""

    late_per_mille: int = 0
    late_ms: int = 0
    held_per_mille: int = 0
    corrupt_per_mille: int = 0
    silent: bool = False
    refuse: int | None = None
    played: dict[str, int] = field(default_factory=dict)
    _next: deque[Play] = field(default_factory=deque)

    def late_once(self, ms: int) -> None:
        """The next answer comes `ms` later than it should."""
        self.once(Play(late_ms=ms))

    def hold_once(self) -> None:
        """The next answer is held back until the unit hears another request or is told to let go."""
        self.once(Play(held=True))

    def once(self, play: Play) -> None:
        """The next answer is given like this."""
        if len(self._next) >= ONE_SHOTS_MAX:
            raise ValueError(f"once: more than {ONE_SHOTS_MAX} one-shot faults are waiting")
        self._next.append(play)

    def draw(self, random: Random) -> Play:
        """Decide about one answer and count what was decided."""
        play = self._next.popleft() if self._next else self._standing(random)
        for name, on in (
            ("late", play.late_ms > 0 or play.held),
            ("silent", play.silent),
            ("corrupt", play.corrupt),
            ("refused", play.refuse is not None),
        ):
            if on:
                self.played[name] = self.played.get(name, 0) + 1
        return play

    def _standing(self, random: Random) -> Play:
        late = random.randrange(1_000) < self.late_per_mille
        corrupt = random.randrange(1_000) < self.corrupt_per_mille
        held = self.held_per_mille > 0 and random.randrange(1_000) < self.held_per_mille
        return Play(self.late_ms if late else 0, self.silent, corrupt, self.refuse, held)
