"""Decides what a value of a counter register is: the next reading, a wrap, an exchange, a reset, or wrong.
A value that does not follow plausibly is never billed: it is set aside with a reason until it explains itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tallystick_protocol.codes import EventCode, MeterState, Reason

from tallystick_edge.clock_watch import AGREE_MS
from tallystick_edge.items import Happening, Item, Moment, Reading
from tallystick_edge.metering.channel import CONFIRM_COUNT, Break, ChannelState, Suspect, after

GLITCH_POLLS = 2  # as long as a wrong value lasts
SLACK_MS = 5_000  # an answer is stamped when it arrives: two stamps may be this much closer than the two measurements
SLACK_STEPS = 2  # each of two readings is rounded to a step of the register
FLOAT32_BITS = 24  # of a significand: neighbours are 2^-23 of the power of two below them apart
GAP_UNKNOWN_MS = 31 * 86_400_000  # when no clock says how long the gateway was off, allow a month at rated power
CLOCKS_APART_MS = 2 * AGREE_MS  # two boots' clocks, each as wrong as one may be beside the aggregator's time
BREAK_MS, BREAK_POLLS = 900_000, 5  # without a good value for longer, a wrong one may pass for what was used meanwhile
STILL_MS = 900_000  # a converter that starts or hangs repeats one value for minutes, and a bill can wait for so long
HOUR_MS = 3_600_000
BEGUN_ANEW = (Reason.FELL, Reason.SERIAL_CHANGED)
WAITS = Reason.BOOT  # why a suspect waits that is plausible, and not sure


@dataclass(frozen=True, slots=True)
class CounterRule:
    """What is known of the register: where it wraps, and the most it can count per hour, in its own units.

    `step`: by how much it moves at once. `float_unit`: value units per unit of a float32 register, whose steps grow
    with the reading: 7.8 Wh at 100,000 kWh. `still_ms`: how long a register that does not move must repeat itself
    before its rise over an outage is believed; 0 where a use hangs on it and cannot wait."""

    modulus: int | None
    rated_max_per_h: int | None
    every_ms: int
    step: int = 1
    float_unit: int | None = None
    still_ms: int = STILL_MS

    def step_at(self, value: int) -> int:
        """The step of the register around `value`, rounded up to whole value units."""
        if self.float_unit is None:
            return self.step
        exponent = (value // self.float_unit).bit_length() - FLOAT32_BITS
        finest = self.float_unit << exponent if exponent >= 0 else -(-self.float_unit >> -exponent)
        return max(self.step, finest)


class Seen(NamedTuple):
    """One value as a driver read it."""

    at: Moment
    value: int
    serial: str | None
    state: MeterState = MeterState.OK


class Metered(NamedTuple):
    """The state to go on from, the reading when the value is good, and the events to tell."""

    state: ChannelState
    reading: Reading | None
    events: tuple[Happening, ...] = ()

    @property
    def items(self) -> tuple[Item, ...]:
        return self.events if self.reading is None else (*self.events, self.reading)


def meter(state: ChannelState, rule: CounterRule, seen: Seen) -> Metered:
    """Decide one value. Pure; the returned reading carries no use number yet."""
    decided = _decide(state, rule, seen)
    waiting = state.suspect
    if waiting is None or waiting.reason is not WAITS or state.value is None or not waiting.count:  # it is told already
        return decided
    waited = _way(rule, state.value, waiting.last)
    if _way(rule, state.value, seen.value) >= waited and not _is_other_meter(state, seen):
        return decided
    # it waited for company and was contradicted, perhaps for good: the record of it stays
    total = state.total + waited
    event = Happening(state.number, seen.at, EventCode.QUARANTINED, total=total, reason=Reason.IMPLAUSIBLE_JUMP)
    return decided._replace(events=(event, *decided.events))


def _decide(state: ChannelState, rule: CounterRule, seen: Seen) -> Metered:
    if seen.value < 0 or (rule.modulus is not None and seen.value >= rule.modulus):
        return _set_aside(state, rule, seen, Reason.DECODE)
    if state.value is None or state.at is None:
        return _accept(state, seen, Reason.BEGIN)
    if state.serial is not None and seen.serial is not None and _is_other_meter(state, seen):
        return _exchange(state, rule, seen, (state.serial, state.value, seen.serial))
    if _is_other_level(state.suspect, rule, seen):
        return _set_aside(state, rule, seen, Reason.IMPLAUSIBLE_JUMP)
    before = state.after_break.before if state.after_break else state.at  # since when its rise may have been used
    allowed = _allowed(rule, seen.at, before, seen.value)
    if allowed is not None and _way(rule, state.value, seen.value) > allowed and _waits_on(state.suspect, rule, seen):
        return _wait(state, rule, seen)
    risen = seen.value - state.value
    if risen < 0:
        if rule.modulus is None or not _wrapped(state.value, seen.value, rule.modulus, allowed):
            return _set_aside(state, rule, seen, Reason.FELL)
        risen += rule.modulus
    elif allowed is not None and risen > allowed:
        return _set_aside(state, rule, seen, Reason.IMPLAUSIBLE_JUMP)
    if not _had_break(rule, seen.at, before):
        return _good(state, rule, seen)
    is_wrap = seen.value < state.value  # or the 0 of a meter that starts
    if is_wrap or not _is_soon(rule, seen, before, risen):
        return _wait(state, rule, seen)
    is_first = _had_break(rule, seen.at, state.at)
    told = 1 if is_first or state.after_break is None else state.after_break.told + 1
    return _after_break(state, _good(state, rule, seen), Break(before, told))


def _after_break(state: ChannelState, good: Metered, doubted: Break) -> Metered:
    """A value that says that next to nothing was used over a break may be an old one told again. Until as many said so
    as a level needs, a rise may still be what the break brought, and waits as it would have.

    Not where the channel has hardly a reading: its very first one may be wrong, and the same again after the break."""
    if doubted.told >= CONFIRM_COUNT or state.is_young:
        return good
    return good._replace(state=good.state._replace(after_break=doubted))


def _is_other_meter(state: ChannelState, seen: Seen) -> bool:
    return seen.serial is not None and state.serial is not None and seen.serial != state.serial


def _good(state: ChannelState, rule: CounterRule, seen: Seen) -> Metered:
    is_boot = state.at is not None and seen.at.boot != state.at.boot
    if rule.modulus is not None and seen.value < state.total - state.base:
        good = _wrap(state, seen, rule.modulus)
    else:
        good = _accept(state, seen, Reason.BOOT if is_boot else None)
    doubted = _doubted(state.suspect, rule, seen, good.state.total - state.total)
    return good if doubted is None else good._replace(state=good.state._replace(suspect=doubted))


def _doubted(suspect: Suspect | None, rule: CounterRule, seen: Seen, counted: int) -> Suspect | None:
    """What stays of another level once a value went on from the good one, for that value may be the wrong one.

    A rise that waits begins anew, for as long as a wrong value lasts. A level with company loses as much of it as a
    wrong value brings: the good level may have begun with one, and that one may come again. What it brings over the one
    before (`counted`) is on the total now, so the other level joins on that much higher."""
    while suspect is not None:
        if suspect.reason is WAITS and _is_young(suspect, rule, seen):
            return replace(suspect, count=0, older=None)
        if suspect.reason in (Reason.IMPLAUSIBLE_JUMP, Reason.FELL) and suspect.count > GLITCH_POLLS:
            company = min(suspect.count, CONFIRM_COUNT) - GLITCH_POLLS
            return replace(suspect, count=company, first=suspect.first + counted, older=None)
        suspect = suspect.older
    return None


def _is_young(waiting: Suspect, rule: CounterRule, seen: Seen) -> bool:
    """Whether no more polls passed since its last value than a wrong value may last."""
    young_ms = GLITCH_POLLS * rule.every_ms + SLACK_MS
    return waiting.at.boot == seen.at.boot and seen.at.uptime_ms - waiting.at.uptime_ms <= young_ms


def _waits_on(suspect: Suspect | None, rule: CounterRule, seen: Seen) -> bool:
    """Whether a value goes on from a rise that waited when another value came between."""
    return suspect is not None and suspect.reason is WAITS and _fits(suspect, rule, seen)


def _way(rule: CounterRule, before: int, now: int) -> int:
    """How far the register went since the last good value, the shorter way round where it wraps; below 0: it fell."""
    risen = now - before
    is_round = risen < 0 and rule.modulus is not None and _wrapped(before, now, rule.modulus, None)
    return risen + rule.modulus if is_round and rule.modulus is not None else risen


def _wrapped(before: int, now: int, modulus: int, allowed: int | None) -> bool:
    """Whether a fall is the register starting again at 0. After a long gap a reset could pass for it, and would bill
    what nobody used; so it must also be the shorter way round."""
    risen = now + modulus - before
    return risen <= modulus // 2 and (allowed is None or risen <= allowed)


def _allowed(rule: CounterRule, now: Moment, before: Moment, value: int) -> int | None:
    """The most the register can have risen; None when nothing is known of the meter's rating."""
    elapsed = now.since_ms(before)
    if elapsed is None:
        elapsed = GAP_UNKNOWN_MS
    elif now.boot != before.boot:
        elapsed += CLOCKS_APART_MS  # a clock that was stepped, and back again, makes an outage shorter than it was
    return _at_rated(rule, elapsed, value)


def _had_break(rule: CounterRule, now: Moment, before: Moment) -> bool:
    """Whether nobody read the register for so long that a wrong value may pass for what was used meanwhile."""
    return now.boot != before.boot or now.uptime_ms - before.uptime_ms > _break_ms(rule)


def _break_ms(rule: CounterRule) -> int:
    return max(BREAK_MS, BREAK_POLLS * rule.every_ms)


def _is_soon(rule: CounterRule, seen: Seen, before: Moment, risen: int) -> bool:
    """Whether so much can have been used since this boot began, or within a boot in two polls, however short the break
    was that came after `before`; a boot that heard nothing for long makes a break itself."""
    read_ms = 0 if seen.at.boot == before.boot else min(seen.at.uptime_ms, _break_ms(rule))
    most = _at_rated(rule, read_ms, seen.value)
    return most is None or risen <= most


def _at_rated(rule: CounterRule, elapsed_ms: int, value: int) -> int | None:
    if rule.rated_max_per_h is None:
        return None
    span = elapsed_ms + 2 * rule.every_ms + SLACK_MS
    step = rule.step if rule.float_unit is None else rule.step_at(value)
    return rule.rated_max_per_h * span // HOUR_MS + SLACK_STEPS * step


def _accept(state: ChannelState, seen: Seen, mark: Reason | None) -> Metered:
    serial = seen.serial or state.serial
    reading = Reading(
        state.number, seen.at, state.generation, state.base, seen.value, seen.state, serial=serial, mark=mark
    )
    return Metered(after(state, reading), reading)


def _rebase(state: ChannelState, seen: Seen, base: int, event: Happening, mark: Reason) -> Metered:
    metered = _accept(state._replace(generation=state.generation + 1, base=base), seen, mark)
    return Metered(metered.state, metered.reading, (event,))


def _wrap(state: ChannelState, seen: Seen, modulus: int) -> Metered:
    event = Happening(state.number, seen.at, EventCode.WRAP, total=state.base + modulus + seen.value)
    return _rebase(state, seen, state.base + modulus, event, Reason.GENERATION)


def _exchange(state: ChannelState, rule: CounterRule, seen: Seen, old: tuple[str, int, str]) -> Metered:
    """Another meter answers (`old`: serial number and value before, serial number now). Its first value joins on to the
    last good total once it has company: it may be wrong, and after a break any rise over it would be billed."""
    suspect = _follow(state.suspect, rule, seen, Reason.SERIAL_CHANGED)
    if not _has_company(suspect, GLITCH_POLLS + 1):
        return Metered(state._replace(suspect=suspect), None)
    exchange = (*old, suspect.begun)
    event = Happening(state.number, seen.at, EventCode.EXCHANGE, total=state.total, exchange=exchange)
    return _borne_out(_rebase(state, seen, state.total - suspect.begun, event, Reason.SERIAL_CHANGED))


def _set_aside(state: ChannelState, rule: CounterRule, seen: Seen, reason: Reason) -> Metered:
    """Quarantine a value, or believe a new level when enough values have followed each other on it, and it counts:
    a register that stands still may be a meter that starts, and would jump back to where it was."""
    suspect = _follow(state.suspect, rule, seen, reason)
    if suspect.count == 1:
        event = Happening(state.number, seen.at, EventCode.QUARANTINED, total=state.base + seen.value, reason=reason)
        return Metered(state._replace(suspect=suspect), None, (event,))
    if not _has_company(suspect, CONFIRM_COUNT) or suspect.last == suspect.begun or reason is Reason.DECODE:
        return Metered(state._replace(suspect=suspect), None)
    event = Happening(state.number, seen.at, EventCode.RESET, total=state.total, reason=reason)
    joins = min(suspect.first, seen.value)  # a total never falls
    return _borne_out(_rebase(state, seen, state.total - joins, event, Reason.GENERATION))


def _borne_out(metered: Metered) -> Metered:
    """A level that had company is as good as one that has been read for long."""
    return metered._replace(state=metered.state._replace(readings=CONFIRM_COUNT + 1))


def _has_company(suspect: Suspect, count: int) -> bool:
    """Whether so many values have followed each other, the last of them not the first after a break: that may be an old
    one told again, from which the true one behind it could not be reached."""
    return suspect.count >= count and suspect.at != suspect.since


def _follow(suspect: Suspect | None, rule: CounterRule, seen: Seen, reason: Reason) -> Suspect:
    """The level that a value set aside goes on from, or a new one. A newer level that it passes over stays beside an
    older one, if it has company or may be the true one: the same wrong value may come before it and once more after."""
    levels = () if suspect is None else suspect.levels
    level = _level_of(levels, rule, seen, reason)
    if level is None:
        return Suspect(reason, seen.value, seen.value, seen.at, 1, seen.at, seen.value, _beside(suspect))
    newer = levels[: levels.index(level)]
    passed = next((each for each in newer if each.count > GLITCH_POLLS or each.reason in BEGUN_ANEW), None)
    gone_on = _gone_on(level, rule, seen)
    return gone_on if passed is None else replace(gone_on, older=replace(passed, older=gone_on.older))


def _level_of(levels: Sequence[Suspect], rule: CounterRule, seen: Seen, reason: Reason) -> Suspect | None:
    """Which of the levels a value goes on from: the newest that it fits, but one with company before a young one, for
    over a break it fits any that is lower."""
    fitting = [level for level in levels if level.reason is reason and _fits(level, rule, seen)]
    if not fitting:
        return None
    newest = fitting[0]
    itself = (newest.first, newest.first + (rule.modulus or 0))  # as it was before a break, and before it wrapped
    known = [level for level in fitting if level.count > GLITCH_POLLS and level.first not in itself]
    return known[0] if known and newest.count <= GLITCH_POLLS else newest


def _beside(suspect: Suspect | None) -> Suspect | None:
    """The levels that stay beside a new one, two at most. A young one that fell or is another meter's may be the true
    one however many wrong values come around it; beside it stays one with company, or one as young."""
    if suspect is None or suspect.reason not in BEGUN_ANEW or suspect.count > GLITCH_POLLS:
        return _with_company(suspect)
    others = [replace(level, older=None) for level in suspect.levels[1:]]
    known = [level for level in others if level.count > GLITCH_POLLS]
    young = [level for level in others if level.reason in BEGUN_ANEW]
    return replace(suspect, older=next(iter(known + young), None))


def _gone_on(level: Suspect, rule: CounterRule, seen: Seen) -> Suspect:
    """After another break it may be the same level; its values need company anew, unless little was used since. It is
    kept as it was before: a register that fell to 0 may say 0 once more, wrongly, and that must not end what the break
    allows."""
    round_ = rule.modulus if rule.modulus is not None and seen.value < level.last else 0  # its register wrapped
    gone_on = replace(level, last=seen.value, at=seen.at, count=level.count + 1)
    gone_on = replace(gone_on, first=level.first - round_, begun=level.begun - round_)
    if not level.count:  # it begins anew: a wrong value that comes again does not grow old meanwhile
        gone_on = replace(gone_on, since=seen.at, begun=seen.value)
    if not _had_break(rule, seen.at, level.at):
        return gone_on
    gone_on = replace(gone_on, since=seen.at, older=_beside(level))
    if _is_soon(rule, seen, level.at, _above(level, rule, seen)):
        return gone_on
    return replace(gone_on, count=1, begun=seen.value)


def _with_company(suspect: Suspect | None) -> Suspect | None:
    """The newest level that lasted longer than a wrong value does, or a younger one that fell or is another meter's: a
    wrong value may follow a register that began anew. One that waits loses nothing by beginning anew; what contradicts
    it counts."""
    if suspect is None:
        return None
    if suspect.reason is WAITS:
        return suspect.older
    is_kept = suspect.count > GLITCH_POLLS or (suspect.older is None and suspect.reason in BEGUN_ANEW)
    return replace(suspect, older=None) if is_kept else suspect.older


def _fits(level: Suspect, rule: CounterRule, seen: Seen) -> bool:
    allowed = _allowed(rule, seen.at, level.at, seen.value)
    risen = _above(level, rule, seen)
    return risen >= 0 and (allowed is None or risen <= allowed)


def _above(level: Suspect, rule: CounterRule, seen: Seen) -> int:
    """How far a value is above a level; the register of one that fell or jumped may wrap as well."""
    if level.reason in (Reason.IMPLAUSIBLE_JUMP, Reason.FELL):
        return _way(rule, level.last, seen.value)
    return seen.value - level.last


def _is_other_level(suspect: Suspect | None, rule: CounterRule, seen: Seen) -> bool:
    """Whether a value goes on from one that cannot have been reached from the last good one: then it cannot either, and
    no time that passes makes it so. One alone may be a glitch; across a boot it counts when little was used since, and
    so do the values after that one."""
    if suspect is None:
        return False
    if suspect.reason is Reason.IMPLAUSIBLE_JUMP and _fits(suspect, rule, seen):
        is_near = seen.at.boot != suspect.at.boot and _is_soon(rule, seen, suspect.at, seen.value - suspect.last)
        was_near = suspect.count > 1 and suspect.at == suspect.since
        if suspect.count > GLITCH_POLLS or is_near or was_near:
            return True
    return _is_other_level(suspect.older, rule, seen)


def _wait(state: ChannelState, rule: CounterRule, seen: Seen) -> Metered:
    """A clock says at most how much is possible while it was dark, and a wrong rise may be possible too. It is billed
    when enough values have followed each other and the register moved, or stood still for longer than a converter that
    hangs; a wrong one is contradicted before. Totals lose nothing by waiting."""
    suspect = _follow(state.suspect, rule, seen, WAITS)
    stood_ms = seen.at.uptime_ms - suspect.since.uptime_ms
    is_still = suspect.last == suspect.begun and stood_ms < rule.still_ms
    if is_still or not _has_company(suspect, CONFIRM_COUNT):
        return Metered(state._replace(suspect=suspect), None)
    return _good(state._replace(suspect=None), rule, seen)
