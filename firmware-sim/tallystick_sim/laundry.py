"""The laundry as it really is: washing machines, dryer, hot water and the house's connection, at any domain time.
A pure world: the same seed and the same times give the same washes; it has no device, socket or clock in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tallystick_sim.appliance import MJ_PER_WH, REST_MIN_MS, Appliance, Habit
from tallystick_sim.curve import DRY, MINUTE_MS, WASH_30, WASH_60, Phase, Programme
from tallystick_sim.slots import Slots

REST_SPREAD_MS = 3 * MINUTE_MS
NEXT_ONE_MS = 10_000  # one after the other comes through the door
DRY_HABIT = Habit((DRY,), (REST_MIN_MS, REST_MIN_MS + 3 * MINUTE_MS))
# Hot water: the "power" of a draw is its flow in ml per second, so an appliance's millijoules are 1/1000 ml.
DRAW_HABIT = Habit(
    (
        Programme("basin", (Phase("flow", 30_000, 100),)),
        Programme("bucket", (Phase("flow", 75_000, 150),)),
        Programme("shower", (Phase("flow", 240_000, 130),)),
    ),
    (MINUTE_MS, 4 * MINUTE_MS),
)
BASE_LOAD_W = (180, 420)  # pumps, light, lift standby: changes every few minutes
BASE_LOAD_HABIT = Habit(
    tuple(Programme(f"{watts} W", (Phase("base", 5 * MINUTE_MS, watts),)) for watts in range(*BASE_LOAD_W, 40)), (0, 0)
)
DRAW_UNITS_PER_ML = 1_000


@dataclass(frozen=True, slots=True)
class Truth:
    """What was really used since the doors opened: energies in Wh by meter, cycles by washing machine and programme,
    hot water in ml; `still` once nothing can change before the doors open again."""

    watt_hours: Mapping[str, int]
    milliwatt_hours: Mapping[str, int]
    cycles: Mapping[str, Mapping[str, int]]
    millilitres: int
    aborted: int
    still: bool


class Laundry:
    """`washers` names the machines; the doors are closed (registers stand still) until `open`.

    `rest_ms`: the shortest rest between two washes of a machine, in domain time; `slots`: its plan, if there is one."""

    def __init__(
        self, washers: tuple[str, ...], seed: str, rest_ms: int = REST_MIN_MS, slots: Slots | None = None
    ) -> None:
        rests = (rest_ms, rest_ms + REST_SPREAD_MS)
        wash = Habit((WASH_30, WASH_60, WASH_30), rests, aborted_percent=15)
        self.washers = {name: Appliance(name, wash, Random(f"{seed}/{name}"), slots) for name in washers}
        self.dryer = Appliance("dryer", DRY_HABIT, Random(f"{seed}/dryer"))
        self.water = Appliance("water", DRAW_HABIT, Random(f"{seed}/water"))
        self.base = Appliance("base", BASE_LOAD_HABIT, Random(f"{seed}/base"))
        self._starts = Random(f"{seed}/starts")

    @property
    def everything(self) -> tuple[Appliance, ...]:
        return (*self.washers.values(), self.dryer, self.water, self.base)

    def open(self, now_ms: int) -> None:
        """Open the doors: people come in within the first minutes, one after the other."""
        for position, washer in enumerate(self.washers.values()):
            washer.open(now_ms, position * NEXT_ONE_MS + self._starts.randint(10_000, 40_000))
        self.dryer.open(now_ms, self._starts.randint(MINUTE_MS, 2 * MINUTE_MS))
        self.water.open(now_ms, self._starts.randint(10_000, MINUTE_MS))
        self.base.open(now_ms, 0)

    def close(self) -> None:
        """Let nobody new in; what runs is finished, then every register stands still."""
        for appliance in self.everything:
            appliance.close()

    def advance(self, to_ms: int) -> None:
        for appliance in self.everything:
            appliance.advance(to_ms)

    @property
    def house_millijoules(self) -> int:
        return sum(a.millijoules for a in (*self.washers.values(), self.dryer, self.base))

    @property
    def house_watts(self) -> int:
        return sum(a.watts for a in (*self.washers.values(), self.dryer, self.base))

    @property
    def millilitres(self) -> int:
        return self.water.millijoules // DRAW_UNITS_PER_ML

    def truth(self) -> Truth:
        energies = {name: a.millijoules for name, a in self.washers.items()}
        energies |= {"dryer": self.dryer.millijoules, "house": self.house_millijoules}
        return Truth(
            watt_hours={name: mj // MJ_PER_WH for name, mj in energies.items()},
            milliwatt_hours={name: mj * 1_000 // MJ_PER_WH for name, mj in energies.items()},
            cycles={name: dict(a.cycles) for name, a in self.washers.items()},
            millilitres=self.millilitres,
            aborted=sum(a.aborted for a in self.washers.values()),
            still=all(a.still for a in self.everything),
        )
