"""Cellars alone: meters, metering and usage machines behind a desk, without network, card or books. Many more are
played in the same time than worlds, all with wrong values and power cuts: what metering loses is found here first.

What a cellar bills is what its readings say; that they arrive and are booked is the worlds' to show.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, cast

from sim import checks
from sim.clocks import WOKE_MS, GatewayClock, TrueTime
from sim.meters import Cellar, CellarDriver, Register
from sim.town import CYCLES, HOUSE, WASHER
from tallystick_edge.desk import Desk
from tallystick_edge.items import Happening, Item, Reading
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.usage.wash import WashState
from tallystick_protocol.codes import EventCode
from tallystick_protocol.ids import BOOT_BYTES

if TYPE_CHECKING:
    import asyncio

    from tallystick_edge.core import Core

WARM_MS = 300_000  # nothing is used and no power goes; values may be wrong, as whoever installs a meter sees
COLD_MS = 120_000  # the same of every fourth cellar, as of worlds (seed 6803643 broke within four minutes)
FAULTS_MS = 7_200_000
HEAL_MS = 1_500_000  # a register that stands still is believed after a quarter of an hour
LAST_USE_MS = (900_000, 1_200_000)  # of healing: what began anew is believed when it moves
NEVER_MS = 1 << 62
HOUR_MS = 3_600_000
CLOCK_STEPS_MS = (0, 0, 0, -HOUR_MS, 300_000, -20_000, -24 * HOUR_MS, 365 * 24 * HOUR_MS, -365 * 24 * HOUR_MS)


@dataclass(frozen=True, slots=True)
class Rough:
    """How rough one cellar is; `*_every_s` are mean seconds between two, 0 = never."""

    poll_ms: int
    flush_ms: int
    glitch: float
    crash_every_s: float
    down_s: float
    silent_every_s: float
    silent_s: float
    has_rtc: bool
    clock_set_after_s: float
    clock_step_every_s: float


def draw(chance: Random) -> Rough:
    """As the worlds draw it (sim/rates.py), but never without wrong values and crashes."""
    return Rough(
        poll_ms=chance.choice((10_000, 15_000, 20_000)),
        flush_ms=chance.choice((5_000, 15_000, 30_000, 60_000)),
        glitch=0.01,
        crash_every_s=chance.choice((3600.0, 900.0, 240.0, 240.0)),
        down_s=chance.choice((1.0, 30.0, 300.0)),
        silent_every_s=chance.choice((0.0, 0.0, 1200.0)),
        silent_s=chance.choice((30.0, 300.0)),
        has_rtc=chance.random() < 0.6,
        clock_set_after_s=chance.choice((5.0, 120.0, 1200.0)),
        clock_step_every_s=chance.choice((0.0, 0.0, 1800.0)),
    )


class _Now:
    """What `TrueTime` asks a loop for."""

    def __init__(self) -> None:
        self.ms = 0

    def time(self) -> float:
        return self.ms / 1000


@dataclass(slots=True)
class _Machine:
    """What `CellarDriver` asks a core for."""

    desk: Desk
    boot: bytes


@dataclass(slots=True)
class _Card:
    """What is surely kept: states, and every item that was flushed."""

    channels: dict[int, ChannelState] = field(default_factory=dict)
    machines: dict[int, WashState] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)


class LoneCellar:
    """One cellar through two hours of faults and half an hour without."""

    def __init__(self, seed: int) -> None:
        self._chance, self._driver_chance = Random(f"{seed} cellar"), Random(f"{seed} driver")
        self.rough = draw(self._chance)
        self._warm_ms = COLD_MS if seed % 4 == 3 else WARM_MS
        self.cellar = Cellar("lone", Random(f"{seed} meters"), Random(f"{seed} old values"))
        self._now = _Now()
        self._true = TrueTime(cast("asyncio.AbstractEventLoop", self._now), self._chance.randrange(20, 100) * 60_000)
        self._plans = self.cellar.plans(self.rough.poll_ms)
        self._card = _Card()
        self._calm = self._is_open = False
        self._skew_ms = self.lives = 0
        self._silence_ms = self._warm_ms + self._after(self.rough.silent_every_s)
        self._step_ms = self._warm_ms + self._after(self.rough.clock_step_every_s)

    def play(self) -> tuple[str, ...]:
        """What is not so at the end, a sentence each."""
        while self._now.ms < FAULTS_MS + HEAL_MS:
            self._live()
            self.cellar.forgotten()
            self._now.ms += 1_000 if self._calm else self._after(self.rough.down_s)
            if self._now.ms >= FAULTS_MS and not self._calm:
                self._heal()
        return tuple(self._amiss())

    def _after(self, mean_s: float) -> int:
        return int(self._chance.expovariate(1 / mean_s) * 1000) if mean_s else NEVER_MS

    def _heal(self) -> None:
        self._now.ms = FAULTS_MS
        self._calm, self._skew_ms = True, 0
        self.cellar.silent_until_ms = 0
        self.cellar.close()

    def _live(self) -> None:
        """One boot, until the power goes or all is over."""
        self.lives += 1
        now = self._now
        clock, set_ms = self._new_clock()
        boot = self._chance.randbytes(BOOT_BYTES)
        desk = Desk(self._plans, clock, boot)
        desk.load(self._card.channels, self._card.machines, {})
        self.cellar.booted_ms = now.ms
        core = cast("Core", _Machine(desk, boot))
        glitch = 0.0 if self._calm else self.rough.glitch
        driver = CellarDriver(self.cellar, self._true, clock, core, self.rough.poll_ms, glitch, self._driver_chance)
        end_ms = FAULTS_MS + HEAL_MS if self._calm else FAULTS_MS
        lives_ms = 0 if self._calm else self._after(self.rough.crash_every_s)
        dies_ms = end_ms if self._calm else min(end_ms, max(now.ms, self._warm_ms) + lives_ms)
        poll_ms, flush_ms = now.ms, now.ms + self.rough.flush_ms
        while now.ms < dies_ms:
            if now.ms >= set_ms:
                clock.set(self._skew_ms)
                set_ms = NEVER_MS
            self._trouble(clock)
            self._use()
            if now.ms >= poll_ms:
                driver.poll(desk)
                poll_ms += self.rough.poll_ms
            if now.ms >= flush_ms or desk.urgent_flush:
                self._flush(desk)
                flush_ms = max(flush_ms, now.ms + (self.rough.flush_ms if now.ms >= flush_ms else 0))
            now.ms = max(now.ms, min(poll_ms, flush_ms, dies_ms, set_ms))
        if self._calm:
            self._flush(desk)

    def _new_clock(self) -> tuple[GatewayClock, int]:
        """The clock of a boot, and when somebody sets it."""
        if self.rough.has_rtc or self.lives == 1:
            return GatewayClock(self._true, self._skew_ms, True), NEVER_MS
        wait_ms = 5_000 if self._calm else self._after(self.rough.clock_set_after_s)
        return GatewayClock(self._true, WOKE_MS - self._true.utc_ms(), False), self._now.ms + wait_ms

    def _trouble(self, clock: GatewayClock) -> None:
        """Meters that fall silent, people who set the clock wrong or right again."""
        now_ms = self._now.ms
        if self._calm:
            return
        if now_ms >= self._silence_ms:
            self.cellar.silent_until_ms = now_ms + int(self.rough.silent_s * 1000)
            self._silence_ms = now_ms + self._after(self.rough.silent_every_s)
        if now_ms >= self._step_ms:
            self._skew_ms = self._chance.choice(CLOCK_STEPS_MS)
            self._step_ms = now_ms + self._after(self.rough.clock_step_every_s)
            if clock.quality().name == "S":
                clock.set(self._skew_ms)

    def _use(self) -> None:
        """Opened once all is warm; a register that began anew is used a little at the end, once all is quiet."""
        now_ms, house = self._now.ms, self.cellar.house
        if not self._is_open and now_ms >= self._warm_ms:
            self._is_open = True
            self.cellar.open(now_ms, self._chance.randrange(1, 10) * 60_000)
        begin_ms, end_ms = (FAULTS_MS + each for each in LAST_USE_MS)
        if house.was_reset and begin_ms <= now_ms < end_ms and not house.open:
            house.use(now_ms, end_ms - begin_ms)
        if self._calm and now_ms >= end_ms and house.open:
            house.advance(now_ms)
            house.open = False

    def _flush(self, desk: Desk) -> None:
        desk.urgent_flush = False
        self._card.items += desk.unflushed().items
        desk.flushed()
        self._card.channels, self._card.machines = dict(desk.channels), dict(desk.machines)
        self.cellar.kept(self._now.ms)

    def _amiss(self) -> list[str]:
        cellar = self.cellar
        cellar.advance(self._now.ms)
        found = self._energy(HOUSE, cellar.house.register, f"house-{cellar.site}")
        found += self._energy(WASHER, cellar.washer.register, f"washer-{cellar.site}")
        return found + self._washes()

    def _energy(self, channel: int, register: Register, meter: str) -> list[str]:
        """Used up = billed, but for what waits because the meter has stood still since its level began."""
        readings = [each for each in self._card.items if isinstance(each, Reading) and each.channel == channel]
        totals = [each.total for each in readings]
        if not totals:
            return [f"{meter}: nothing was ever read"]
        if totals != sorted(totals):
            return [f"{meter}: a total falls"]
        missing = checks.seam_loss(self.cellar, register, self.cellar.seen[meter], {})
        used, billed = register.truth_wh, totals[-1] - totals[0]
        if used - missing <= billed <= used or (billed <= used and self._waits(channel, register)):
            return []
        return [f"{meter}: used {used} Wh (up to {missing} may be missing), billed {billed}"]

    def _waits(self, channel: int, register: Register) -> bool:
        """Whether the true level is known, has company, and is believed with the next use: nothing is lost by it."""
        level = self._card.channels[channel].suspect
        is_still = level is not None and level.last == level.begun == register.shown
        return level is not None and is_still and level.count >= checks.CONFIRM_COUNT

    def _washes(self) -> list[str]:
        cellar, machine = self.cellar, self.cellar.washer.appliance
        ran, like_one = sum(machine.cycles.values()), checks.aborts_like_a_wash(self.cellar)
        counted = self._card.machines.get(CYCLES, WashState()).count
        missing = checks.untold(cellar, self.rough.poll_ms)
        found: list[str] = []
        if not ran - missing <= counted <= ran + like_one:
            found.append(f"{ran} washes ran ({missing} may be missing), {counted} counted")
        happened = [each for each in self._card.items if isinstance(each, Happening)]
        named = Counter(each.programme for each in happened if each.code is EventCode.USE_BILLABLE)
        most = machine.cycles + Counter({checks.CHEAPEST_WASH: like_one, None: ran})
        found += [f"{count} washes are billed as {name}, of {dict(machine.cycles)}" for name, count in named.items()
                  if count > most[name]]  # fmt: skip
        return found
