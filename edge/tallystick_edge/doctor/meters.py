"""Does each meter give values, is it the planned one, does it count on from where it was?
Beside a running agent the journal is asked, because a line has one master; else each Modbus meter, once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from time import monotonic

from tallystick_protocol.codes import TimeQuality

from tallystick_edge.config import EdgeConfig, LineConfig, MeterConfig
from tallystick_edge.device_commands import NEXT
from tallystick_edge.doctor.places import Machine, agent_of
from tallystick_edge.doctor.store import BUSY_S, JOURNAL_FILE, age
from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn
from tallystick_edge.errors import JournalError
from tallystick_edge.items import Moment, Reading
from tallystick_edge.journal_rows import decode_channel, decode_items
from tallystick_edge.look import Look, look_at_line
from tallystick_edge.metering.channel import ChannelState, after
from tallystick_edge.metering.counter import Seen, meter
from tallystick_edge.plan import MeterPlan, make_plan
from tallystick_edge.ports import Clock
from tallystick_edge.profile import load_profile

ASK_S = 60.0  # for all meters of a line together: a silent one takes seconds, and a person waits
MISSED_POLLS = 3
PATIENCE_MS = 60_000  # what was read becomes durable, and one poll may come late
OTHER_METER = ("wrong-meter", "serial-mismatch")
SILENT_STEP = "see the agent's log for its fault; stop the agent, then `doctor` asks the meter itself"
COUNT_STEP = "compare the display with what was read; values that do not follow are set aside, not billed"


def check_meters(config: EdgeConfig, clock: Clock, machine: Machine) -> Iterator[Verdict]:
    """A verdict for each planned meter; none for those on a radio or a line that is down while no agent runs."""
    states = _states(config.data / JOURNAL_FILE)
    plans = make_plan(config)
    try:
        runs = agent_of(config.data, machine) is not None
    except OSError:
        runs = True  # nobody knows: then no line is touched
    for each in config.meters if runs else ():
        yield from _as_journalled(each, plans[each.id], states, clock)
    for line in () if runs else config.lines:
        yield from _asked(line, config, plans, states, clock)


def _states(path: Path) -> Mapping[int, ChannelState]:
    """As durable; empty when there is no journal, or one that check_store has words for."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_S)) as db:
            rows = db.execute("SELECT number, through, state FROM channel").fetchall()
            pending = db.execute("SELECT id, items FROM pending ORDER BY id").fetchall()
        states = {number: decode_channel(state) for number, _, state in rows}
        through = {number: flushed for number, flushed, _ in rows}
        for flushed, items in pending:
            for item in decode_items(items):
                if isinstance(item, Reading) and flushed > through.get(item.channel, 0):
                    states[item.channel] = after(states.get(item.channel) or ChannelState(item.channel), item)
    except (sqlite3.Error, JournalError):
        return {}
    return states


def _as_journalled(
    each: MeterConfig, plan: MeterPlan, states: Mapping[int, ChannelState], clock: Clock
) -> Iterator[Verdict]:
    where = f"meter {each.id}"
    known = [states[counter.channel] for counter in plan.counters if counter.channel in states]
    if not plan.counters:
        return
    newest = max((state.at.utc_ms for state in known if state.at is not None), default=None)
    if newest is None:
        yield fail("METER-ANSWER", where, "has not given a value yet", SILENT_STEP)
        return
    age_ms = max(0, clock.utc_ms() - newest)
    seen = f"its newest value is {age(age_ms // 1000)} old"
    if age_ms > MISSED_POLLS * each.every_ms + PATIENCE_MS:
        yield fail("METER-ANSWER", where, seen, SILENT_STEP)
    else:
        yield ok("METER-ANSWER", where, seen)
    for state in known:
        if state.suspect is not None and state.suspect.count:
            why = state.suspect.reason.name.lower().replace("_", "-")
            yield warn("METER-COUNT", where, f"channel {state.number}: values are set aside ({why})", COUNT_STEP)


def _asked(
    line: LineConfig,
    config: EdgeConfig,
    plans: Mapping[str, MeterPlan],
    states: Mapping[int, ChannelState],
    clock: Clock,
) -> Iterator[Verdict]:
    """One by one; a line that does not open is LINE-DEVICE's to tell."""
    profiles = cache(partial(load_profile, own=config.profiles))
    until = monotonic() + ASK_S
    for each in (each for each in config.meters if each.line == line.id):
        where = f"meter {each.id} (line {line.id}, unit {each.unit})"
        if monotonic() > until:
            step = f"`tallystick-edge read {each.id}`, once the silent ones are found"
            yield warn("METER-ANSWER", where, f"was not asked within {ASK_S:.0f} s", step)
            continue
        [look] = asyncio.run(look_at_line(line, [each], profiles, clock))
        if look.fault == "line-down":
            return
        yield from _looked_at(look, where, plans[each.id], states, clock)


def _looked_at(
    look: Look, where: str, plan: MeterPlan, states: Mapping[int, ChannelState], clock: Clock
) -> Iterator[Verdict]:
    if look.decoded is None:
        code = "METER-IDENTITY" if look.fault in OTHER_METER else "METER-ANSWER"
        yield fail(code, where, look.detail or look.fault or "gives nothing", NEXT.get(look.fault or "", COUNT_STEP))
        return
    serial = "tells no serial number" if look.serial is None else f"serial number {look.serial}"
    yield ok("METER-ANSWER", where, f"answers with {len(look.decoded.values)} values")
    yield ok("METER-IDENTITY", where, f"is what its profile describes; {serial}")
    yield from _counted(look, where, plan, states, clock)


def _counted(
    look: Look, where: str, plan: MeterPlan, states: Mapping[int, ChannelState], clock: Clock
) -> Iterator[Verdict]:
    """What metering would make of the values now, by the same rules, without keeping it."""
    at = Moment(bytes(6), 0, clock.utc_ms(), clock.quality())
    values = {} if look.decoded is None else look.decoded.values
    doubts = 0
    for counter in plan.counters:
        state = states.get(counter.channel)
        value = values.get(counter.register)
        if value is None:
            doubts += 1
            yield warn("METER-COUNT", where, f"{counter.register} has no value", NEXT["no-value"])
        elif state is not None and state.at is not None:
            metered = meter(state, counter.rule, Seen(at, value, look.serial))
            if metered.reading is None or metered.events:
                doubts += 1
                seen = f"{counter.register} shows {value}, which does not follow {state.value}"
                yield warn("METER-COUNT", where, seen, COUNT_STEP)
    if not doubts:
        yield ok("METER-COUNT", where, _sound(plan, states, at))


def _sound(plan: MeterPlan, states: Mapping[int, ChannelState], at: Moment) -> str:
    known = sum(counter.channel in states for counter in plan.counters)
    if not known:
        return "nothing was read before to compare with"
    doubt = "; the clock is not trusted, so only falls were looked for" if at.quality is TimeQuality.U else ""
    return f"{known} counters follow what was read before{doubt}"
