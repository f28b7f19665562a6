"""Cuts the samples of one washing machine into uses: start, billable point (rinse), end, or abort (free).
It never counts a wash twice and, after an outage, trusts the energy counter instead of the samples it missed; a
programme that it did not see is named only where the counter admits no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256

from tallystick_protocol import cbor
from tallystick_protocol.codes import EventCode, Reason

from tallystick_edge.items import Happening, Moment

MOTOR_MW = 300_000  # what drum, pump and drain take at most without the heater; a gap's rest was heating
HOUR_MS = 3_600_000
ROUNDED_MWH = 2_000  # a counter of whole Wh, read twice
SLACK_MS = 5_000  # as in metering/counter.py: an answer is stamped when it arrives
EVER_MWH = 10**9  # more than any use takes
NO_HASH = bytes(32)


class Phase(IntEnum):
    """Where the machine is; RUNNING is free until it becomes BILLABLE."""

    IDLE = 0
    RUNNING = 1
    BILLABLE = 2


@dataclass(frozen=True, slots=True)
class WashRule:
    """Thresholds in mW, mWh and ms of domain time; `programmes`: (at least this much heating, name), rising.
    `rated_mw`: more than that the machine cannot take, so that a counter may show a clock to be wrong."""

    channel: int
    start_mw: int
    end_mw: int
    heat_mw: int
    heat_over_ms: int
    end_after_ms: int
    billable_mwh: int
    gap_ms: int
    programmes: tuple[tuple[int, str], ...]
    rated_mw: int | None = None

    def programme(self, least_mwh: int, most_mwh: int) -> str | None:
        """The last programme whose heating energy was reached; None when that depends on how much it was."""
        names = [name for at_least, name in self.programmes if least_mwh >= at_least]
        is_certain = all(not least_mwh < at_least <= most_mwh for at_least, _ in self.programmes)
        return names[-1] if names and is_certain else None


@dataclass(frozen=True, slots=True)
class WashSample:
    """Power now and the energy total (which never falls), at one instant."""

    at: Moment
    power_mw: int
    energy_mwh: int


@dataclass(frozen=True, slots=True)
class WashState:
    """A snapshot that goes on after a restart. `count`: billable washes so far; `number`: of the last use begun.

    `heat_mwh`: heating since the last gap that may hide the end of a use. `maybe_mwh`: what may have been heating of
    this use beside it, unseen or before such a gap; `before_mwh`: most that surely was between two of them."""

    phase: Phase = Phase.IDLE
    count: int = 0
    number: int = 0
    last: WashSample | None = None
    start_mwh: int = 0
    heat_mwh: int = 0
    heat_off_ms: int = 0
    low_ms: int = 0
    low_at: Moment | None = None
    samples_hash: bytes = NO_HASH
    gap_seen: bool = False
    maybe_mwh: int = 0
    before_mwh: int = 0

    @property
    def open_use(self) -> int | None:
        """Number of the use that is open, None when the machine stands still."""
        return None if self.phase is Phase.IDLE else self.number


Step = tuple[WashState, tuple[Happening, ...]]


def step(state: WashState, rule: WashRule, sample: WashSample) -> Step:
    """Take one sample. Pure; the events come in the order in which they happened."""
    if state.phase is Phase.IDLE:
        return _idle(state, rule, sample)
    running = _accumulate(state, rule, sample)
    running, events = _billable(running, rule, sample.at)
    if running.low_ms >= rule.end_after_ms:
        running, ended = _end(running, rule, sample.at)
        events = (*events, *ended)
    return running, events


def believable(held: Sequence[WashSample]) -> Sequence[WashSample]:
    """Those of the first samples after an outage that may step the machine: what stands before a rise that its power
    does not explain was an old energy told again, and hides what was used while nobody looked."""
    for index in range(len(held) - 1, 0, -1):
        before, now = held[index - 1], held[index]
        most = max(before.power_mw, now.power_mw) * (now.at.since_ms(before.at) or 0) // HOUR_MS + ROUNDED_MWH
        if now.energy_mwh - before.energy_mwh > most:
            return held[index:]
    return held


def close_restored(state: WashState, rule: WashRule, at: Moment) -> Step:
    """Close the open use of a restored card as aborted; how it really went on, the aggregator already knows."""
    if state.phase is Phase.IDLE:
        return state, ()
    return _idle_again(state), (_event(state, rule, at, EventCode.USE_ABORTED, reason=Reason.RESTORED),)


def forgetful(state: WashState) -> WashState:
    """What a card that came back knows: energy since its copy was made is the books', not an unseen wash; and what the
    machine is at, when it is next seen at work, may have been going and heating for long."""
    return replace(state, last=None, maybe_mwh=EVER_MWH)


def _idle(state: WashState, rule: WashRule, sample: WashSample) -> Step:
    before = state.last or sample
    used_mwh = sample.energy_mwh - before.energy_mwh
    if sample.power_mw >= rule.start_mw:
        started, events = _start(state, rule, before, sample.at)
        return _accumulate(replace(started, last=before, maybe_mwh=state.maybe_mwh), rule, sample), events
    if _is_gap(rule, before.at, sample.at) and used_mwh >= rule.billable_mwh:
        return _unseen(state, rule, before, sample)
    return replace(state, last=sample, maybe_mwh=0), ()


def _start(state: WashState, rule: WashRule, before: WashSample, at: Moment) -> Step:
    started = replace(
        state,
        phase=Phase.RUNNING,
        number=state.number + 1,
        start_mwh=before.energy_mwh,
        heat_mwh=0,
        maybe_mwh=0,
        before_mwh=0,
        heat_off_ms=0,
        low_ms=0,
        low_at=None,
        samples_hash=NO_HASH,
        gap_seen=False,
    )
    return started, (_event(started, rule, at, EventCode.USE_STARTED, personal=True),)


def _unseen(state: WashState, rule: WashRule, before: WashSample, sample: WashSample) -> Step:
    """A whole wash ran while nobody looked: the energy counter says so. One is counted, however long the gap."""
    started, events = _start(state, rule, before, before.at)
    ran = _accumulate(started, rule, sample)
    ran, billable = _to_billable(ran, rule, sample.at, Reason.POWER_RETURN)
    ended = _event(ran, rule, sample.at, EventCode.USE_ENDED, Reason.POWER_RETURN, ran.samples_hash)
    return _idle_again(ran), (*events, *billable, ended)


def _accumulate(state: WashState, rule: WashRule, sample: WashSample) -> WashState:
    """Add the span since the last sample to the energies and times of the open use."""
    last = state.last or sample
    used_mwh = sample.energy_mwh - last.energy_mwh
    elapsed = _elapsed(rule, last.at, sample.at, used_mwh)
    gap = _is_gap(rule, last.at, sample.at)
    heating = max(sample.power_mw, last.power_mw) >= rule.heat_mw
    if gap:
        state = _heated_in_gap(state, rule, used_mwh, elapsed)
    elif heating:
        state = replace(state, heat_mwh=state.heat_mwh + used_mwh)
    rested = gap and _rested(rule, used_mwh, elapsed or 0)
    span = 0 if (gap and not rested) or elapsed is None else elapsed
    low = sample.power_mw < rule.end_mw
    low_before = low and state.low_at is not None and (rested or not gap)
    return replace(
        state,
        last=sample,
        heat_off_ms=0 if sample.power_mw >= rule.heat_mw else state.heat_off_ms + (0 if low else span),
        low_ms=state.low_ms + span if low_before else 0,
        low_at=(state.low_at if low_before else sample.at) if low else None,
        samples_hash=_chain(state.samples_hash, sample),
        gap_seen=state.gap_seen or gap,
    )


def _elapsed(rule: WashRule, before: Moment, now: Moment, used_mwh: int) -> int | None:
    """Milliseconds between two samples; None when nobody knows, or when the counter says that it was longer: a clock
    may be set back an hour over a restart, and two washes would look like a short gap of one."""
    elapsed = now.since_ms(before)
    if elapsed is None or rule.rated_mw is None:
        return elapsed
    most = rule.rated_mw * (elapsed + SLACK_MS) // HOUR_MS + ROUNDED_MWH
    return elapsed if used_mwh <= most else None


def _heated_in_gap(state: WashState, rule: WashRule, used_mwh: int, elapsed_ms: int | None) -> WashState:
    """A short gap was heating as far as the drum cannot have used it. One that is long enough to hide the end of a use,
    or of unknown length, may part two uses: each heated what was seen on its side of it, and nobody knows more."""
    if elapsed_ms is None or elapsed_ms >= rule.end_after_ms:
        before = max(state.before_mwh, state.heat_mwh)
        return replace(state, heat_mwh=0, before_mwh=before, maybe_mwh=state.maybe_mwh + state.heat_mwh + used_mwh)
    heat = max(0, used_mwh - MOTOR_MW * elapsed_ms // HOUR_MS)
    return replace(state, heat_mwh=state.heat_mwh + heat, maybe_mwh=state.maybe_mwh + used_mwh - heat)


def _rested(rule: WashRule, used_mwh: int, elapsed_ms: int) -> bool:
    """Whether the counter says that the machine stood still in a gap: then restarts do not delay the end of a use."""
    return used_mwh * HOUR_MS <= rule.end_mw * elapsed_ms


def _billable(state: WashState, rule: WashRule, at: Moment) -> Step:
    """The rinse begins when the drum went on for a while after the heating and enough was used; once per use."""
    used_mwh = 0 if state.last is None else state.last.energy_mwh - state.start_mwh
    over = state.heat_off_ms >= rule.heat_over_ms
    if state.phase is not Phase.RUNNING or not over or used_mwh < rule.billable_mwh:
        return state, ()
    return _to_billable(state, rule, at, None)


def _to_billable(state: WashState, rule: WashRule, at: Moment, reason: Reason | None) -> Step:
    after = replace(state, phase=Phase.BILLABLE, count=state.count + 1)
    return after, (_event(after, rule, at, EventCode.USE_BILLABLE, reason),)


def _end(state: WashState, rule: WashRule, at: Moment) -> Step:
    """Power was low long enough: the use ended when it became low. A rinse hidden by a gap shows in the energy."""
    ended_at = state.low_at or at
    events: tuple[Happening, ...] = ()
    used_mwh = 0 if state.last is None else state.last.energy_mwh - state.start_mwh
    if state.phase is Phase.RUNNING and state.gap_seen and used_mwh >= rule.billable_mwh:
        state, events = _to_billable(state, rule, ended_at, Reason.POWER_RETURN)
    code = EventCode.USE_ENDED if state.phase is Phase.BILLABLE else EventCode.USE_ABORTED
    return _idle_again(state), (*events, _event(state, rule, ended_at, code, None, state.samples_hash))


def _idle_again(state: WashState) -> WashState:
    return WashState(count=state.count, number=state.number, last=state.last)


def _event(
    state: WashState,
    rule: WashRule,
    at: Moment,
    code: EventCode,
    reason: Reason | None = None,
    samples_hash: bytes | None = None,
    personal: bool = False,
) -> Happening:
    is_named = code in (EventCode.USE_BILLABLE, EventCode.USE_ENDED)
    least, most = max(state.heat_mwh, state.before_mwh), state.heat_mwh + state.maybe_mwh
    programme = rule.programme(least, most) if is_named else None
    return Happening(
        rule.channel,
        at,
        code,
        total=state.count,
        use=state.number,
        programme=programme,
        samples_hash=samples_hash,
        reason=reason,
        personal=personal,
    )


def _is_gap(rule: WashRule, before: Moment, now: Moment) -> bool:
    elapsed = now.since_ms(before)
    return now.boot != before.boot or elapsed is None or elapsed > rule.gap_ms


def _chain(previous: bytes, sample: WashSample) -> bytes:
    """h(n) = SHA-256(h(n-1) || CBOR [boot, uptime-ms, mW, mWh]); h(0) is 32 zero bytes."""
    row = [sample.at.boot, sample.at.uptime_ms, sample.power_mw, sample.energy_mwh]
    return sha256(previous + cbor.encode(row)).digest()
