"""Meters that do not exist and the truth about them: a flat whose register may wrap, fall to zero or be exchanged, and
a washing machine. They know what was really used; the driver gives it to the gateway's sink as any driver does."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from sim.clocks import GatewayClock, TrueTime
from tallystick_edge.core import Core
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.plan import CounterPlan, MeterPlan, Scale, WashPlan
from tallystick_edge.ports import Sink
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.usage.wash import WashRule
from tallystick_protocol.codes import MeterState
from tallystick_sim.appliance import MJ_PER_WH, Appliance, Habit
from tallystick_sim.curve import MINUTE_MS, WASH_30, WASH_60

from .town import CYCLES, HOUSE, WASHER

HOUSE_W_MAX = 9_000
RATED_WH_PER_H = 12_000
MODULUS = 100_000_000
GLITCHES_WH = (2_000_000_000, 50_000, -50_000)  # more than a month at rated power; what some hours may bring; a fall
FIRST_WRONG = 10  # times as often wrong is the first poll of a boot, when converters start too
HABIT = Habit((WASH_30, WASH_60), (10 * MINUTE_MS, 20 * MINUTE_MS), aborted_percent=10)


@dataclass(slots=True)
class Seam:
    """The register did not go on: what was used from the last kept sample before to the first after is nobody's."""

    at_ms: int
    kind: str  # reset | exchange


@dataclass(slots=True)
class Register:
    """A counter in Wh as its meter shows it; `truth_wh` is what was really used since the world began."""

    serial: str
    zero_wh: int  # shown = truth + zero, within the modulus
    modulus: int | None
    truth_wh: int = 0
    seams: list[Seam] = field(default_factory=list)

    @property
    def shown(self) -> int:
        value = self.truth_wh + self.zero_wh
        return value if self.modulus is None else value % self.modulus

    def reset(self, now_ms: int) -> None:
        self.zero_wh = -self.truth_wh
        self.seams.append(Seam(now_ms, "reset"))

    def exchange(self, now_ms: int, serial: str, shown: int) -> None:
        self.serial, self.zero_wh = serial, shown - self.truth_wh
        self.seams.append(Seam(now_ms, "exchange"))


class House:
    """A flat: power that changes every few minutes; may be told to wrap, to be reset or exchanged in its life."""

    def __init__(self, chance: Random, serial: str) -> None:
        self._chance = chance
        self.fate = chance.choice(("plain", "plain", "wraps", "reset", "exchange", "exchange"))
        modulus = MODULUS if self.fate == "wraps" else None
        zero = MODULUS - chance.randrange(200, 4_000) if modulus else chance.randrange(100_000, 900_000)
        self.register = Register(serial, zero, modulus)
        self._millijoules, self._now_ms, self._until_ms, self._watts = 0, 0, 0, 0
        self.open = False
        self.seam_at_ms = chance.randrange(20 * MINUTE_MS, 110 * MINUTE_MS)

    def advance(self, to_ms: int) -> None:
        while self._now_ms < to_ms:
            if self._now_ms >= self._until_ms:
                self._until_ms = self._now_ms + self._chance.randrange(MINUTE_MS, 9 * MINUTE_MS)
                self._watts = self._chance.choice((0, 60, 400, 2_000, HOUSE_W_MAX)) if self.open else 0
            until = min(to_ms, self._until_ms)
            self._millijoules += (self._watts if self.open else 0) * (until - self._now_ms)
            self._now_ms = until
        self.register.truth_wh = self._millijoules // MJ_PER_WH

    @property
    def was_reset(self) -> bool:
        return any(seam.kind == "reset" for seam in self.register.seams)

    def use(self, now_ms: int, for_ms: int) -> None:
        """Something is on from now for so long."""
        self.advance(now_ms)
        self._watts, self._until_ms, self.open = 2_000, now_ms + for_ms, True

    def change_meter(self, now_ms: int) -> None:
        """It is exchanged now, or reset if that is its fate; one that wraps stays."""
        if self.fate == "plain":
            self.fate = "exchange"
        self.seam_at_ms = min(self.seam_at_ms, now_ms)

    def seam(self, now_ms: int) -> str | None:
        """What happens to the meter now, once in its life."""
        if now_ms < self.seam_at_ms or self.register.seams or not self.open:
            return None
        if self.fate == "reset":
            self.register.reset(now_ms)
        elif self.fate == "exchange":
            self.register.exchange(now_ms, self.register.serial + "-new", self._chance.randrange(0, 500_000))
        else:
            return None
        return self.fate


class Washer:
    """A washing machine with a meter of its own, which nobody resets."""

    def __init__(self, chance: Random, serial: str) -> None:
        self.appliance = Appliance(serial, HABIT, chance)
        self.register = Register(serial, chance.randrange(100_000, 900_000), None)

    def advance(self, to_ms: int) -> None:
        self.appliance.advance(to_ms)
        self.register.truth_wh = self.appliance.watt_hours


class Kept(NamedTuple):
    """One sample: when, the truth in Wh, (boot, uptime) of the reading that the gateway made of it, if any, whether it
    may wait for company instead, as no true value of its boot is a reading yet (docs/adr/0605), and since when it is on
    the disk."""

    t_ms: int
    wh: int
    reading: tuple[bytes, int] | None
    may_wait: bool
    kept_ms: int = 0


@dataclass(slots=True)
class Seen:
    """What the gateway was given of one meter, and what of it is surely on its disk or was promised to be."""

    given: list[Kept] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


class Cellar:
    """Everything behind one gateway. `mishaps`: whether a converter tells an old value again."""

    def __init__(self, site: str, chance: Random, mishaps: Random) -> None:
        self.site = site
        self.house, self.washer = House(chance, f"H-{site}"), Washer(chance, f"W-{site}")
        self.seen = {f"house-{site}": Seen(), f"washer-{site}": Seen()}
        self.silent_until_ms = 0
        self.mishaps, self.told = mishaps, dict[str, tuple[int, str]]()  # value and serial at the last poll, by meter
        self.restores: list[tuple[int, int]] = []  # (copy made, copy put back)
        self.booted_ms = 0
        self.joins: list[tuple[int, int]] = []  # (boot begun, went on from the books in it)

    def advance(self, now_ms: int) -> str | None:
        self.house.advance(now_ms)
        self.washer.advance(now_ms)
        return self.house.seam(now_ms)

    def open(self, now_ms: int, first_rest_ms: int) -> None:
        self.advance(now_ms)
        self.house.open = True
        self.washer.appliance.open(now_ms, first_rest_ms)

    def close(self) -> None:
        self.house.open = False
        self.washer.appliance.close()

    @property
    def still(self) -> bool:
        return self.washer.appliance.still

    def kept(self, now_ms: int) -> None:
        """All that was given is on the disk now."""
        for seen in self.seen.values():
            seen.kept += [Kept(*each[:-1], now_ms) for each in seen.given]
            seen.given.clear()

    def forgotten(self) -> None:
        """What was given and not yet kept is gone."""
        for seen in self.seen.values():
            seen.given.clear()

    def plans(self, every_ms: int) -> dict[str, MeterPlan]:
        """What an installer's configuration says of these meters."""
        house, washer = self.seen
        rule = WashRule(CYCLES, 15_000, 8_000, 1_000_000, 60_000, 120_000, 60_000, max(3 * every_ms, 60_000),
                        ((0, "30"), (160_000, "60")), RATED_WH_PER_H * 1_000)  # fmt: skip
        scale = Scale(1_000, 1)
        flat = CounterRule(self.house.register.modulus, RATED_WH_PER_H, every_ms)
        machine = CounterRule(None, RATED_WH_PER_H, every_ms, still_ms=0)
        return {
            house: MeterPlan(house, every_ms, (CounterPlan(HOUSE, "energy", flat),), (), None),
            washer: MeterPlan(
                washer,
                every_ms,
                (CounterPlan(WASHER, "energy", machine),),
                (),
                WashPlan(rule, "power", scale, WASHER, scale),
            ),
        }


class CellarDriver:
    """The Driver port: polls both meters, and now and then gives a wrong value, an old one or none, as lines do."""

    def __init__(
        self, cellar: Cellar, true: TrueTime, clock: GatewayClock, core: Core, every_ms: int, glitch: float,
        chance: Random,
    ) -> None:  # fmt: skip
        self._cellar, self._true, self._clock, self._core = cellar, true, clock, core
        self._every_ms, self._glitch, self._chance = every_ms, glitch, chance
        self._glitched = False
        self._read: set[str] = set()  # meters of which this boot has a reading that is true

    async def run(self, sink: Sink) -> None:
        while True:
            self.poll(sink)
            await self._clock.sleep_ms(self._every_ms)

    def poll(self, sink: Sink) -> None:
        now_ms = self._true.elapsed_ms()
        self._cellar.advance(now_ms)
        house, washer = self._cellar.seen
        if now_ms < self._cellar.silent_until_ms:
            for name in (house, washer):
                sink.fault(Fault(name, self._clock.uptime_ms(), "timeout", "no answer"))
            return
        self._give(sink, house, HOUSE, self._cellar.house.register, 0)
        self._give(sink, washer, WASHER, self._cellar.washer.register, self._cellar.washer.appliance.watts)

    def _give(self, sink: Sink, name: str, channel: int, register: Register, watts: int) -> None:
        often = self._glitch * (1 if self._clock.uptime_ms() else FIRST_WRONG)
        glitch = often and not self._glitched and self._chance.random() < often
        self._glitched = bool(glitch)  # a glitch is one poll long: two that follow each other are a new level
        value, serial = register.shown, register.serial
        known = self._core.desk.channels.get(channel)
        is_first = known is not None and not known.is_young and not self._clock.uptime_ms()
        is_old = is_first and name in self._cellar.told and self._cellar.mishaps.random() < often
        if glitch:
            value = max(0, value + self._chance.choice(GLITCHES_WH))
        elif is_old:
            value, serial = self._cellar.told[name]
        self._cellar.told[name] = register.shown, register.serial
        values = {"energy": value, "power": watts}
        uptime_ms, utc_ms = self._clock.uptime_ms(), self._clock.utc_ms()
        sink.sample(Sample(name, uptime_ms, utc_ms, values, serial, MeterState.OK))
        if not glitch and not is_old:
            state, now = self._core.desk.channels.get(channel), (self._core.boot, uptime_ms)
            last = None if state is None or state.at is None else (state.at.boot, state.at.uptime_ms)
            reading = now if last == now else None
            if reading is not None:
                self._read.add(name)
            may_wait = last is not None and name not in self._read
            given = Kept(self._true.elapsed_ms(), register.truth_wh, reading, may_wait)
            self._cellar.seen[name].given.append(given)
