"""Builders for tests of the gateway agent: moments, rules, samples, a clock that is set by hand, counted randomness.
They hold no expectations; a test says what it expects itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from tallystick_edge.items import Happening, Moment
from tallystick_edge.metering.counter import CounterRule
from tallystick_edge.plan import CounterPlan, Measure, MeterPlan, Scale, WashPlan
from tallystick_edge.sample import Sample
from tallystick_edge.usage.wash import WashRule, WashSample, WashState, step
from tallystick_protocol.codes import EventCode, MeterState, TimeQuality

BOOT, BOOT_2 = b"boot-1", b"boot-2"
T0 = 1_780_000_000_000
EVERY_MS = 5_000
WASH_RULE = WashRule(
    channel=11,
    start_mw=15_000,
    end_mw=8_000,
    heat_mw=1_000_000,
    heat_over_ms=60_000,
    end_after_ms=120_000,
    billable_mwh=60_000,
    gap_ms=60_000,
    programmes=((0, "30"), (160_000, "60")),
    rated_mw=11_000_000,
)
WATT_HOURS = Measure("1-0:1.8.0", "Wh", 0)
COUNTER = CounterRule(modulus=None, rated_max_per_h=11_000, every_ms=EVERY_MS)
EDGE_TOML = """\
version = 1
[gateway]
name = "test"
data = "data"
flush_s = 0.05
[uplink]
transport = "mqtt"
[[line]]
id = "line"
kind = "tcp"
host = "127.0.0.1"
[[meter]]
id = "washer"
line = "line"
unit = 1
profile = "eastron-sdm120"
every_s = 1
[[meter.channel]]
number = 1
register = "energy_import"
"""
"""One washer on a line that nobody has to be at."""


def moment(ms: int, boot: bytes = BOOT, quality: TimeQuality = TimeQuality.S) -> Moment:
    """`ms` after the beginning of the test, on a boot that began with it."""
    return Moment(boot, ms, T0 + ms, quality)


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.ms = 0

    def utc_ms(self) -> int:
        return T0 + self.ms

    def uptime_ms(self) -> int:
        return self.ms

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(0)

    def quality(self) -> TimeQuality:
        return TimeQuality.S


class CountedEntropy:
    """Different bytes at every call, the same in every run."""

    def __init__(self, seed: str = "test") -> None:
        self._seed = seed
        self._calls = 0

    def bytes(self, n: int) -> bytes:
        self._calls += 1
        return sha256(f"{self._seed}/{self._calls}".encode()).digest()[:n]


def plans(rule: CounterRule = COUNTER, measure: Measure = WATT_HOURS) -> dict[str, MeterPlan]:
    """One washing machine: energy on channel 1, cycles on channel 11."""
    wash = WashPlan(WASH_RULE, "power", Scale(1_000, 1), 1, Scale(1_000, 1))
    return {"washer": MeterPlan("washer", EVERY_MS, (CounterPlan(1, "energy", rule, measure),), (), wash)}


def sample(ms: int, energy_wh: int, power_w: int, serial: str | None = "4711") -> Sample:
    return Sample("washer", ms, T0 + ms, {"energy": energy_wh, "power": power_w}, serial, MeterState.OK)


class Machine:
    """A washing machine whose power a test sets; energy follows, samples come every 5 s."""

    def __init__(self, state: WashState | None = None) -> None:
        self.state = state or WashState()
        self.ms = 0
        self.energy_mwh = 1_000_000
        self.boot = BOOT
        self.events: list[Happening] = []

    def run(self, power_w: int, seconds: int) -> None:
        """Draw `power_w` for `seconds`, seen by the gateway."""
        for _ in range(seconds * 1_000 // EVERY_MS):
            self.unseen(power_w, EVERY_MS // 1_000)
            self.look(power_w)

    def unseen(self, power_w: int, seconds: int) -> None:
        """Draw power while nobody looks."""
        self.ms += seconds * 1_000
        self.energy_mwh += power_w * seconds * 1_000 // 3_600

    def look(self, power_w: int) -> None:
        at = moment(self.ms, self.boot)
        self.state, events = step(self.state, WASH_RULE, WashSample(at, power_w * 1_000, self.energy_mwh))
        self.events.extend(events)

    @property
    def codes(self) -> list[EventCode]:
        return [each.code for each in self.events]


def wash_30() -> Sequence[tuple[int, int]]:
    """(watts, seconds) of a short programme: fill, heat, drum, rinse, spin."""
    return ((35, 60), (2_050, 180), (160, 90), (120, 120), (430, 60))


def wash_60() -> Sequence[tuple[int, int]]:
    return ((35, 60), (2_050, 420), (160, 90), (120, 120), (430, 60))
