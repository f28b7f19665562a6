"""How much power an appliance draws while it works: programmes as lists of phases with constant power.
Pure values; nothing here knows the time of day or which machine runs the programme."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of constant power. `ms` in domain time, `watts` electric power; `rinse`: it is billable by now."""

    name: str
    ms: int
    watts: int
    rinse: bool = False


@dataclass(frozen=True, slots=True)
class Programme:
    """What a machine does when somebody presses start. A programme without a rinse is never counted as a cycle."""

    name: str
    phases: tuple[Phase, ...]

    @property
    def ms(self) -> int:
        return sum(phase.ms for phase in self.phases)


def _wash(name: str, heating_minutes: int) -> Programme:
    """A wash as a meter sees it: valves and pump, the heater, the drum, rinses, the spin.

    Powers after the usual shape of a household machine's curve (heater about 2 kW, drum 100-200 W, spin 400-500 W);
    times are a short programme's, so that a demo of a minute shows whole washes."""
    return Programme(
        name,
        (
            Phase("fill", 1 * MINUTE_MS, 35),
            Phase("heat", heating_minutes * MINUTE_MS, 2_050),
            Phase("drum", 90_000, 160),
            Phase("rinse", 2 * MINUTE_MS, 120, rinse=True),
            Phase("spin", 1 * MINUTE_MS, 430, rinse=True),
        ),
    )


WASH_30 = _wash("30", heating_minutes=3)
WASH_60 = _wash("60", heating_minutes=7)
DRY = Programme(
    "dry", (Phase("warm", 2 * MINUTE_MS, 950), Phase("dry", 7 * MINUTE_MS, 720), Phase("cool", MINUTE_MS, 140))
)
HEATING_PHASES = frozenset({"fill", "heat"})  # an aborted wash stops in one of these, before anything is billable
