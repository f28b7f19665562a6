"""The state of one channel that must survive a restart: its base, generation, last good value and counters.
It is a value; changing it is the deciders' work, keeping it is the journal's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tallystick_protocol.codes import Reason

from tallystick_edge.items import Moment, Reading

CONFIRM_COUNT = 5  # values that must follow each other before a new level is believed


@dataclass(frozen=True, slots=True)
class Suspect:
    """Values set aside because they do not follow the last good one; `count` of them follow each other plausibly.

    `first` begins their level, `begun` the values that have followed each other without an unknown outage between them,
    `since` is when this boot saw that. `older`: a level with company that this one put in doubt."""

    reason: Reason
    first: int
    last: int
    at: Moment
    count: int
    since: Moment
    begun: int
    older: Suspect | None = None

    @property
    def levels(self) -> tuple[Suspect, ...]:
        """This one and those beside it, the newest first."""
        return (self,) if self.older is None else (self, *self.older.levels)


@dataclass(frozen=True, slots=True)
class Break:
    """A time without a good value, over which next to nothing seems to have been used: when the last one before it was,
    and how many after it said so."""

    before: Moment
    told: int


class ChannelState(NamedTuple):
    """What a channel goes on from; a tuple, because two are made for every value.

    `pagination`, `event`: the last numbers given, 0 = none yet.
    `value` and `at` are of the last good reading (None before the first); for a cycles channel `value` is the count.
    `readings`: how many there were, as far as it matters: up to one more than a level needs.
    `after_break`: a break whose first values may have been old ones told again."""

    number: int
    generation: int = 0
    base: int = 0
    value: int | None = None
    at: Moment | None = None
    serial: str | None = None
    pagination: int = 0
    event: int = 0
    suspect: Suspect | None = None
    readings: int = 0
    after_break: Break | None = None

    @property
    def is_young(self) -> bool:
        """Whether the channel has no more readings than a level needs: its very first one may still be a wrong one."""
        return self.readings <= CONFIRM_COUNT

    @property
    def total(self) -> int:
        """Base + last good value; the base alone before the first reading."""
        return self.base + (self.value or 0)


def after(state: ChannelState, reading: Reading) -> ChannelState:
    """The state once `reading` was accepted: what metering makes of it, and what the journal gives back."""
    return ChannelState(  # not `replace`: this is done for every value, and costs a fifth of it
        state.number,
        reading.generation,
        reading.base,
        reading.value,
        reading.at,
        reading.serial,
        state.pagination,
        state.event,
        None,
        state.readings + (state.readings <= CONFIRM_COUNT),
    )
