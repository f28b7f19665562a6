"""Compares what the simulator knows was used with what the ledger says, channel by channel, in the channel's own unit.
Pure arithmetic on two dictionaries; it asks nobody and forgives nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tallystick_sim.plan import DRYER_CHANNEL, HOUSE_CHANNEL, WASHERS, WATER_CHANNEL, Gateway

Truth = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """A channel of the demo: the gateway's name and the channel's number there."""

    gateway: str
    number: int


@dataclass(frozen=True, slots=True)
class Booked:
    """What the ledger holds of a channel, in the channel's counts."""

    billed: int
    exceptions: int
    open: int
    programmes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One channel compared. `truth` and `booked` are in `unit`; `open`: seen by the ledger, not billed yet.

    `programmes`: (really washed, billed) by programme, in text, where they differ by more than what stands open."""

    key: ChannelKey
    meter: str
    unit: str
    truth: int
    booked: int
    open: int
    programmes: str

    @property
    def name(self) -> str:
        return f"{self.key.gateway}/{self.key.number} {self.meter} [{self.unit}]"

    @property
    def agrees(self) -> bool:
        return self.truth == self.booked and self.open == 0 and not self.programmes


@dataclass(frozen=True, slots=True)
class Expected:
    """What a channel must show at the end."""

    key: ChannelKey
    meter: str
    unit: str
    truth: int
    programmes: Mapping[str, int] = field(default_factory=dict)


def expected(truth: Truth) -> tuple[Expected, ...]:
    """The simulator's truth by channel. `truth` is the answer of the control line's `truth`."""
    lines = []
    for washer in WASHERS:
        energy, cycles = (ChannelKey(washer.gateway.value, number) for number in (washer.energy, washer.cycles))
        lines.append(Expected(energy, washer.name, "Wh", truth["watt_hours"][washer.name]))
        by_programme = truth["cycles"][washer.name]
        lines.append(Expected(cycles, washer.name, "cycles", sum(by_programme.values()), by_programme))
    dryer, water = (ChannelKey(Gateway.CELLAR.value, number) for number in (DRYER_CHANNEL, WATER_CHANNEL))
    lines.append(Expected(dryer, "dryer", "mWh", truth["milliwatt_hours"]["dryer"]))
    lines.append(Expected(water, "hot-water", "ml", truth["millilitres"]))
    house = ChannelKey(Gateway.ATTIC.value, HOUSE_CHANNEL)
    lines.append(Expected(house, "house", "Wh", truth["watt_hours"]["house"]))
    return tuple(lines)


def compare(truth: Truth, booked: Mapping[ChannelKey, Booked]) -> tuple[Line, ...]:
    """Every expected channel, and every channel in the ledger that nobody expected (its truth is 0)."""
    wanted = {e.key: e for e in expected(truth)}
    strangers = (Expected(key, "unknown", "counts", 0) for key in booked if key not in wanted)
    return tuple(_line(e, booked.get(e.key, Booked(0, 0, 0))) for e in (*wanted.values(), *strangers))


def _line(wanted: Expected, booked: Booked) -> Line:
    total = booked.billed + booked.exceptions
    different = "" if _is_told(wanted, booked) else f"{wanted.programmes} as {booked.programmes}"
    return Line(wanted.key, wanted.meter, wanted.unit, wanted.truth, total, booked.open, different)


def _is_told(wanted: Expected, booked: Booked) -> bool:
    """Whether each use is billed as the programme that ran, or stands open because nobody saw which one did."""
    billed = sum(booked.programmes.values())
    as_they_ran = all(wanted.programmes.get(name, 0) >= count for name, count in booked.programmes.items())
    return as_they_ran and billed + booked.exceptions >= sum(wanted.programmes.values())


def mismatches(lines: Iterable[Line]) -> list[str]:
    """One sentence per channel that does not agree, with both numbers."""
    return [
        f"{line.name}: used {line.truth}, booked {line.booked}"
        + (f", still open {line.open}" if line.open else "")
        + (f", programmes {line.programmes}" if line.programmes else "")
        for line in lines
        if not line.agrees
    ]
