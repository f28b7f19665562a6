"""What is billed against what was used: a simulated meter wraps, resets, is exchanged, lies and falls silent.
The meter knows its truth; the laws know nothing of how a value is decided."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from support.edge import moment
from tallystick_edge.items import Moment, Reading
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.metering.counter import (
    CLOCKS_APART_MS,
    CONFIRM_COUNT,
    GLITCH_POLLS,
    STILL_MS,
    CounterRule,
    Seen,
    meter,
)
from tallystick_protocol.codes import EventCode, TimeQuality

EVERY_MS = 60_000
RATED_PER_H = 60_000
USE_MAX = RATED_PER_H // 60  # in one poll
YEAR_MS = 365 * 86_400_000
MODULUS = 10_000_000
LIES_MAX = STILL_MS // EVERY_MS  # whoever says one wrong thing for longer cannot be told from a meter at rest


@dataclass
class Meter:
    """`used`: everything that ever went through it and its successors. `unseen`: what no reading could show."""

    modulus: int | None = None
    register: int = 0
    used: int = 0
    unseen: int = 0
    serial: str = "A"
    since_read: int = 0

    def use(self, amount: int) -> None:
        self.used += amount
        self.since_read += amount
        self.register += amount
        if self.modulus is not None:
            self.register %= self.modulus

    def restart_at(self, value: int) -> None:
        """What was counted since the last reading went with the old register."""
        self.unseen += self.since_read
        self.since_read = 0
        self.register = value


@dataclass
class Gateway:
    """Feeds readings through metering, with a clock of its own."""

    rule: CounterRule
    state: ChannelState = field(default_factory=lambda: ChannelState(1))
    at: Moment = field(default_factory=lambda: moment(0))
    readings: list[Reading] = field(default_factory=list)
    events: list[EventCode] = field(default_factory=list)
    lies: int = 0  # in a row
    boots: int = 0

    def poll(self, value: int, serial: str, after_ms: int = EVERY_MS) -> bool:
        self.pass_by(after_ms)
        return self.see(value, serial)

    def pass_by(self, ms: int) -> None:
        """Nobody reads the meter for so long."""
        self.at = Moment(self.at.boot, self.at.uptime_ms + ms, self.at.utc_ms + ms, self.at.quality)

    def see(self, value: int, serial: str) -> bool:
        metered = meter(self.state, self.rule, Seen(self.at, value, serial))
        self.state = metered.state
        self.events += [event.code for event in metered.events]
        if metered.reading is not None:
            self.readings.append(metered.reading)
        return metered.reading is not None

    def lie(self, value: int, serial: str) -> None:
        if self.lies < LIES_MAX:
            self.lies += 1
            self.poll(value, serial)

    def truth(self, meter_: Meter, polls: int = 1) -> None:
        """What the meter really says; at more than one poll a little is used before each."""
        for _ in range(polls):
            if polls > 1:
                meter_.use(1)
            self.lies = 0
            self.poll(meter_.register, meter_.serial)

    def reboot(self, off_ms: int, clock_ms: int, quality: TimeQuality) -> None:
        """Off for `off_ms`; the clock is wrong by `clock_ms` afterwards."""
        self.boots += 1
        self.at = Moment(self.boots.to_bytes(6, "big"), 0, self.at.utc_ms + off_ms + clock_ms, quality)

    @property
    def billed(self) -> int:
        return self.readings[-1].total - self.readings[0].total


def gateway(meter_: Meter) -> Gateway:
    made = Gateway(CounterRule(meter_.modulus, RATED_PER_H, EVERY_MS))
    made.poll(meter_.register, meter_.serial)
    return made


USES = st.integers(0, USE_MAX)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), USES),
        st.tuples(st.just("silent"), st.integers(1, 100)),
        st.tuples(st.just("low"), st.integers(1, CONFIRM_COUNT * 2)),
        st.tuples(st.just("high"), st.integers(1, CONFIRM_COUNT * 2)),
        st.tuples(st.just("reboot"), st.integers(0, 3 * 3_600_000)),
        st.tuples(st.just("year ahead"), st.integers(0, 3_600_000)),
        st.tuples(st.just("year back"), st.integers(0, 3_600_000)),
    ),
    max_size=40,
)


def play(truth: Meter, seen: Gateway, step: tuple[str, int]) -> None:
    """One thing that happens between meter and gateway; what is used meanwhile is never more than rated."""
    kind, n = step
    if kind == "use":
        truth.use(n)
        seen.truth(truth)
    elif kind == "silent":
        truth.use(n * USE_MAX)
        seen.lies = 0
        seen.poll(truth.register, truth.serial, after_ms=n * EVERY_MS)
    elif kind == "low":
        for _ in range(n):  # a meter that starts says 0 for a while
            seen.lie(0, truth.serial)
    elif kind == "high":
        for _ in range(n):  # a converter that makes something up
            seen.lie(MODULUS - 1, truth.serial)
    else:
        jump = {"reboot": 0, "year ahead": YEAR_MS, "year back": -YEAR_MS}[kind]
        truth.use(n * RATED_PER_H // 3_600_000)
        seen.reboot(n, jump, TimeQuality.S if n % 2 else TimeQuality.U)
        seen.lies = 0
        seen.see(truth.register, truth.serial)
    truth.since_read = 0


@given(st.integers(MODULUS // 4, MODULUS // 2), STEPS)
@settings(max_examples=150, deadline=None)
def test_what_is_billed_is_what_was_used_whatever_came_between(start: int, steps: list[tuple[str, int]]) -> None:
    truth = Meter(register=start)
    seen = gateway(truth)
    for step in steps:
        play(truth, seen, step)
    seen.truth(truth, CONFIRM_COUNT)
    assert seen.billed == truth.used
    totals = [reading.total for reading in seen.readings]
    assert totals == sorted(totals)
    assert EventCode.RESET not in seen.events


@given(st.lists(USES, min_size=1, max_size=200))
@settings(deadline=None)
def test_a_register_that_wraps_again_and_again_loses_and_adds_nothing(uses: list[int]) -> None:
    truth = Meter(modulus=3 * USE_MAX + 1_000, register=USE_MAX)
    seen = gateway(truth)
    for amount in uses:
        truth.use(amount)
        seen.poll(truth.register, truth.serial)
    assert seen.billed == truth.used
    assert seen.readings[-1].generation == seen.events.count(EventCode.WRAP)


@given(
    st.lists(st.tuples(st.sampled_from(["use", "reset", "exchange"]), st.integers(1, USE_MAX)), max_size=30),
    st.integers(1_000_000, 5_000_000),
)
@settings(max_examples=150, deadline=None)
def test_resets_and_exchanges_never_bill_more_than_was_used_and_lose_only_what_nobody_saw(
    steps: list[tuple[str, int]], start: int
) -> None:
    truth = Meter(register=start)
    seen = gateway(truth)
    for kind, amount in steps:
        truth.use(amount)
        if kind == "reset":
            truth.restart_at(0)
        elif kind == "exchange":
            truth.serial = "B" if truth.serial == "A" else "A"
            truth.restart_at(amount)
        for _ in range(CONFIRM_COUNT + 1):  # long enough for a new level to be believed
            seen.poll(truth.register, truth.serial)
            truth.since_read = 0
            truth.use(1)
    seen.poll(truth.register, truth.serial)
    assert truth.used - truth.unseen <= seen.billed + len(steps) + 1
    assert seen.billed <= truth.used
    assert seen.events.count(EventCode.EXCHANGE) == sum(kind == "exchange" for kind, _ in steps)


@given(st.floats(0, 20_000_000, allow_nan=False), st.lists(st.integers(0, 3), min_size=1, max_size=50))
@settings(max_examples=150, deadline=None)
def test_a_float32_register_is_billed_to_within_one_of_its_steps_and_never_set_aside(
    start_kwh: float, uses: list[int]
) -> None:
    def shown(wh: int) -> tuple[int, int]:
        (kwh,) = struct.unpack(">f", struct.pack(">f", wh / 1_000))
        (above,) = struct.unpack(">f", (int.from_bytes(struct.pack(">f", kwh), "big") + 1).to_bytes(4, "big"))
        return round(kwh * 1_000), round((above - kwh) * 1_000) + 1

    wh = int(start_kwh * 1_000)
    seen = Gateway(CounterRule(None, 13_500, 1_000, 1, 1_000))  # read each second: rated power is less than a step
    seen.poll(shown(wh)[0], "A", 1_000)
    for amount in uses:
        wh += amount
        seen.poll(shown(wh)[0], "A", 1_000)
    assert abs(seen.billed - sum(uses)) <= shown(wh)[1]
    assert seen.events == []


def test_a_meter_that_says_zero_while_it_starts_is_not_billed_when_it_jumps_back() -> None:
    """100 Wh so small that a jump back from 0 is plausible at rated power: only that 0 stands still tells it."""
    truth = Meter(register=100)
    seen = gateway(truth)
    for _ in range(CONFIRM_COUNT * 3):
        seen.poll(0, "A")
    truth.use(1)
    seen.poll(truth.register, "A")
    assert seen.billed == 1


def test_a_reset_after_a_long_outage_is_no_wrap() -> None:
    """After a month at rated power any fall could be a wrap; the way round that bills less is taken."""
    truth = Meter(modulus=MODULUS, register=MODULUS // 4)
    seen = gateway(truth)
    seen.poll(3, "A", after_ms=31 * 86_400_000)
    assert seen.events == [EventCode.QUARANTINED]
    assert seen.billed == 0


WRONG = st.integers(-40, 140).filter(lambda n: n not in (-1, 0)).map(lambda n: n * RATED_PER_H + RATED_PER_H // 2)
"""By more than the half hour of use that a list of steps can bring, and never by what a dark hour brings."""
HOUR_MS = CLOCKS_APART_MS // 2
ERRORS = {"dark": 0, "right": 0, "ahead": HOUR_MS, "behind": -HOUR_MS, "year ahead": YEAR_MS}  # of a boot's clock
DARK = st.lists(
    st.one_of(
        st.tuples(st.just("use"), USES),
        st.tuples(st.sampled_from(list(ERRORS)), st.integers(0, 40 * 86_400_000)),
        st.tuples(st.just("silent"), st.integers(0, 300).map(lambda hours: hours * HOUR_MS + 1)),
        st.tuples(st.just("wrong"), WRONG),
        st.tuples(st.just("wrong again"), st.just(0)),
        st.tuples(st.just("old"), st.just(0)),
    ),
    max_size=30,
)


@given(DARK)
@settings(max_examples=300, deadline=None)
def test_a_wrong_value_after_an_outage_or_a_silence_is_never_billed(steps: list[tuple[str, int]]) -> None:
    """Wrong for up to two polls in a row, at any place: also as the first thing that a boot hears, whether its clock is
    not set, right, or says that less or more time passed than did; or an old one, told again as the first after it.
    Until five true ones came, less than five are wrong: five that bear each other out are a level (docs/adr/0605)."""
    truth = Meter(register=MODULUS // 2)
    seen = gateway(truth)
    seen.truth(truth, CONFIRM_COUNT + 1)
    wrong, dark_h, error, lies, trues = 0, 0, 0, 0, 0
    for kind, n in steps:
        if kind == "use":
            truth.use(n)
            seen.truth(truth)
            trues += 1
            lies, trues = (0, 0) if trues == CONFIRM_COUNT else (lies, trues)
        elif kind == "silent" or kind in ERRORS:
            if dark_h + n // HOUR_MS < 30 * 24:  # in all what a month at rated power allows
                dark_h += n // HOUR_MS
                truth.use(n // HOUR_MS // (1 + n % 2) * RATED_PER_H)  # all that is possible, or about half of it
                if kind == "silent":
                    seen.pass_by(n)
                else:
                    seen.reboot(n, ERRORS[kind] - error, TimeQuality.U if kind == "dark" else TimeQuality.S)
                    error = ERRORS[kind]
        else:
            wrong = n if kind == "wrong" else wrong
            told = seen.readings[-1].value if kind == "old" else truth.register + wrong
            if seen.lies < GLITCH_POLLS and lies < CONFIRM_COUNT - 1:
                seen.lie(told, truth.serial)
                lies, trues = lies + 1, 0
        assert seen.readings[-1].total <= truth.register
    seen.truth(truth, 2 * CONFIRM_COUNT)
    assert seen.billed == truth.used
    assert EventCode.RESET not in seen.events


@given(WRONG, st.integers(0, 20), st.integers(0, 30 * 86_400_000), st.booleans(), st.lists(WRONG, max_size=2))
@settings(max_examples=150, deadline=None)
def test_a_wrong_first_value_is_never_billed_whatever_outage_follows(
    wrong: int, polls: int, dark_ms: int, is_clock_set: bool, again: list[int]
) -> None:
    """The meter stands still at first, so that nothing shows yet which of the two levels counts; what it says first
    after the outage may be wrong as well, but not so that two wrong values bear each other out. A power cut within the
    two polls that a wrong value may last leaves nobody to say which of the two it was."""
    truth = Meter(register=MODULUS // 2)
    seen = Gateway(CounterRule(None, RATED_PER_H, EVERY_MS))
    seen.poll(truth.register + wrong, truth.serial)
    polls += GLITCH_POLLS + 1
    for _ in range(polls):
        seen.truth(truth)
    truth.use(dark_ms // 3_600_000 * RATED_PER_H)
    seen.reboot(dark_ms, 0, TimeQuality.S if is_clock_set else TimeQuality.U)
    for each in again if wrong < 0 else []:
        seen.lie(truth.register + each, truth.serial)
    seen.truth(truth, 2 * CONFIRM_COUNT)
    assert seen.billed <= truth.used
    if wrong < 0 and not any(each < 0 for each in again):
        assert seen.events.count(EventCode.RESET) == 1
        assert seen.billed == truth.used


@given(WRONG, st.integers(0, GLITCH_POLLS), st.integers(0, 30 * 86_400_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_wrong_first_value_of_an_exchanged_meter_is_never_billed_wherever_the_power_goes(
    wrong: int, polls: int, dark_ms: int, is_clock_set: bool
) -> None:
    truth = Meter(register=MODULUS // 2)
    seen = gateway(truth)
    truth.serial = "B"
    seen.poll(truth.register + wrong, truth.serial)
    for _ in range(polls):
        seen.truth(truth)
    truth.use(dark_ms // 3_600_000 * RATED_PER_H)
    seen.reboot(dark_ms, 0, TimeQuality.S if is_clock_set else TimeQuality.U)
    seen.truth(truth, 2 * CONFIRM_COUNT)
    assert seen.billed <= truth.used


@given(WRONG, st.integers(0, 20), st.integers(1, GLITCH_POLLS), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_a_wrong_first_value_that_comes_again_hides_no_use(wrong: int, polls: int, again: int, times: int) -> None:
    """The meter stands still until then: the level that the wrong value began is the only one that counts."""
    truth = Meter(register=MODULUS // 2)
    first = truth.register + wrong
    seen = Gateway(CounterRule(None, RATED_PER_H, EVERY_MS))
    seen.poll(first, truth.serial)
    for _ in range(times):
        for _ in range(polls + CONFIRM_COUNT):
            seen.truth(truth)
        for _ in range(again):
            seen.lie(first, truth.serial)
    seen.truth(truth, 2 * CONFIRM_COUNT)
    assert seen.billed == truth.used
    assert seen.events.count(EventCode.RESET) == 1


@given(
    WRONG,
    st.lists(st.tuples(st.integers(0, 3 * USE_MAX), st.integers(0, GLITCH_POLLS)), min_size=1, max_size=4),
    st.lists(USES, max_size=12),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_a_wrong_first_value_that_comes_again_a_little_higher_adds_no_more_than_that_and_hides_no_use(
    wrong: int, lies: list[tuple[int, int]], uses: list[int], catches_up: bool
) -> None:
    """What such a value brings over the first one passes for use; the true level joins on above it, so that what is
    used next is not billed once more."""
    truth = Meter(register=MODULUS // 2)
    first = truth.register + wrong
    seen = Gateway(CounterRule(None, RATED_PER_H, EVERY_MS))
    seen.poll(first, truth.serial)
    for more, times in [(0, 0), *lies]:
        for _ in range(times):
            seen.lie(first + more, truth.serial)
        for _ in range(CONFIRM_COUNT):
            seen.truth(truth)
    invented = seen.billed
    assert invented <= max(more for more, _ in lies)
    for amount in [invented, *uses] if catches_up else uses:
        truth.use(amount)
        seen.truth(truth)
    seen.truth(truth, 2 * CONFIRM_COUNT)
    assert truth.used <= seen.billed <= truth.used + (0 if catches_up else invented)
    totals = [reading.total for reading in seen.readings]
    assert totals == sorted(totals)


def test_a_rise_after_an_unknown_outage_waits_for_company_and_is_billed_whole() -> None:
    truth = Meter(register=MODULUS // 2)
    seen = gateway(truth)
    truth.use(400_000)
    seen.reboot(6 * 3_600_000, 0, TimeQuality.U)
    seen.truth(truth, CONFIRM_COUNT - 1)
    assert seen.billed == 0
    seen.truth(truth, 2)
    assert seen.billed == truth.used


def test_a_meter_that_stands_still_after_an_unknown_outage_is_billed_after_a_quarter_of_an_hour() -> None:
    truth = Meter(register=MODULUS // 2)
    seen = gateway(truth)
    truth.use(400_000)
    seen.reboot(6 * 3_600_000, 0, TimeQuality.U)
    for _ in range(LIES_MAX):
        seen.truth(truth)
    assert seen.billed == 0
    seen.truth(truth)
    assert seen.billed == truth.used
