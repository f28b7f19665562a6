"""The laundry's plan: slots of one length, one after the other; in each every machine is somebody's for one wash.
Arithmetic on times only; whose slot it is the contracts say."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick_sim.curve import MINUTE_MS

SLOT_MINUTES = 28
"""A demo that is open for 45 domain minutes meets two slots, whenever it opens: the longest wash (12.5 minutes) and the
longest rest (11) after it fit into one, also behind an aborted start."""
START_ROOM_MS = 90_000  # a gateway sees a start up to a minute later, and that must be the same slot still
ABORT_ROOM_MS = 15 * MINUTE_MS  # an aborted start (1.7 minutes), a rest and a new start must still be in the slot


@dataclass(frozen=True, slots=True)
class Slots:
    """`first_ms`: when slot 0 begins, in domain time; times before it count as slot 0."""

    first_ms: int
    length_ms: int = SLOT_MINUTES * MINUTE_MS

    @classmethod
    def from_now(cls, now_ms: int) -> Slots:
        """A plan that begins now, on the whole minute, which is what a contract file can say."""
        return cls(now_ms // MINUTE_MS * MINUTE_MS)

    def at(self, t_ms: int) -> int:
        """The number of the slot that holds a time."""
        return max(0, (t_ms - self.first_ms) // self.length_ms)

    def begin_ms(self, number: int) -> int:
        return self.first_ms + number * self.length_ms

    def wait_ms(self, t_ms: int, done: int | None) -> int | None:
        """When the next slot begins, for whoever may not start now: used in slot `done` already, or time is up."""
        number = self.at(t_ms)
        is_free = done is None or number > done
        has_room = self.begin_ms(number + 1) - t_ms >= START_ROOM_MS
        return None if is_free and has_room else self.begin_ms(number + 1)

    def may_abort(self, t_ms: int) -> bool:
        """Whether whoever starts now may change their mind and still wash: in every second slot, early enough."""
        number = self.at(t_ms)
        return number % 2 == 0 and self.begin_ms(number + 1) - t_ms >= ABORT_ROOM_MS
