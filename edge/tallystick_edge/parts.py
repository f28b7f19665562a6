"""Cuts pending items into parts: one channel, at most one use, money or personal; and takes parts apart again.
Pure: it gives the final numbers on the way but signs nothing and drops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TypeAlias

from tallystick_protocol.codes import RawKind, Reason, Sensitivity, TimeQuality
from tallystick_protocol.ids import H32, ZERO_H32
from tallystick_protocol.part import ClockFix, Event, Exchange, Gauge, Part, Raw, Runs, Segment, Uptime

from tallystick_edge.items import GaugeReading, Happening, Item, Moment, RawRecord, Reading
from tallystick_edge.metering.channel import ChannelState

COLUMN_MAX = 4_096  # readings in one segment (protocol.md, "Encoding")
CLOCK_STEP_MS = 1_000  # wall and monotonic clock may drift apart this far in one segment; more is a step

PartKey: TypeAlias = "tuple[int, bool, int | None, bool]"


@dataclass(frozen=True, slots=True)
class Numbered:
    """An item with the number it will carry for ever: a pagination for readings, an event number for events."""

    item: Item
    number: int


@dataclass(slots=True)
class _Used:
    """The last numbers of a channel so far."""

    pagination: int
    event: int


def number(
    items: Sequence[Item], channels: Mapping[int, ChannelState]
) -> tuple[list[Numbered], dict[int, ChannelState]]:
    """Give numbers in order; returns also the channels' states with the numbers used up."""
    numbered: list[Numbered] = []
    used: dict[int, _Used] = {}
    for item in items:
        if isinstance(item, RawRecord):
            numbered.append(Numbered(item, 0))  # it is found by its hash, which the end of its use carries
            continue
        numbers = used.get(item.channel)
        if numbers is None:
            state = channels.get(item.channel) or ChannelState(item.channel)
            numbers = used[item.channel] = _Used(state.pagination, state.event)
        if not isinstance(item, Happening):
            numbers.pagination += 1
            numbered.append(Numbered(item, numbers.pagination))
        elif item.number is None:
            numbers.event += 1
            numbered.append(Numbered(item, numbers.event))
        else:
            numbered.append(Numbered(item, item.number))
    states = dict(channels)
    for channel, numbers in used.items():  # one new state a channel, not one an item
        state = channels.get(channel) or ChannelState(channel)
        states[channel] = state._replace(pagination=numbers.pagination, event=numbers.event)
    return numbered, states


@dataclass(slots=True)
class _Draft:
    """Numbers beside readings, not in pairs with them: all drafts of a batch are in memory at once."""

    pages: list[int] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    gauge_pages: list[int] = field(default_factory=list)
    gauges: list[GaugeReading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)


def cut(numbered: Sequence[Numbered], descriptors: Mapping[int, H32]) -> Iterator[Part]:
    """Parts in the order in which their first items came; each is made when it is asked for, because all are large."""
    drafts: list[tuple[PartKey, _Draft]] = []
    current: dict[PartKey, _Draft] = {}
    for each in numbered:
        key = _key(each.item)
        draft = current.get(key)
        if draft is None or _falls(draft, each.item):
            draft = current[key] = _Draft()
            drafts.append((key, draft))
        match each.item:
            case Reading() as reading:
                draft.pages.append(each.number)
                draft.readings.append(reading)
            case GaugeReading() as gauge:
                draft.gauge_pages.append(each.number)
                draft.gauges.append(gauge)
            case Happening() as happening:
                draft.events.append(_event(each.number, happening))
            case RawRecord() as record:
                draft.raws.append(Raw(record.kind, (0, 0), record.data))
    return (_part(key, draft, descriptors) for key, draft in drafts)


def uncut(parts: Iterable[Part], tag: int) -> list[Item]:
    """Items of sealed parts, for sealing again in a new epoch; events keep the numbers they had.

    `tag` (negative) stands for the use that personal readings lie inside: their part did not say which."""
    found: list[Numbered] = []
    for index, part in enumerate(parts):
        use = tag - index if part.sensitivity is Sensitivity.PERSONAL else None
        for segment in part.segments:
            found.extend(_readings(part.channel, segment, use))
        for gauge in part.gauges:
            found.extend(_gauge_readings(part.channel, gauge, use))
        found.extend(Numbered(_happening(part, event), event.number) for event in part.events)
        found.extend(Numbered(each, 0) for each in _raw_records(part, tag - index))
    return [each.item for each in sorted(found, key=lambda each: each.number)]


def _key(item: Item) -> PartKey:
    if isinstance(item, Happening):
        return item.channel, item.personal, item.use, False
    return item.channel, item.use is not None, item.use, isinstance(item, GaugeReading)


def _falls(draft: _Draft, item: Item) -> bool:
    """Totals never fall inside a part; what was sealed again after a restore may start lower."""
    return isinstance(item, Reading) and bool(draft.readings) and item.total < draft.readings[-1].total


def _part(key: PartKey, draft: _Draft, descriptors: Mapping[int, H32]) -> Part:
    channel, personal, _, _ = key
    return Part(
        channel=channel,
        descriptor=descriptors.get(channel, ZERO_H32),
        sensitivity=Sensitivity.PERSONAL if personal else Sensitivity.MONEY,
        segments=tuple(_segment(run) for run in _runs_of(zip(draft.pages, draft.readings, strict=True))),
        gauges=tuple(_gauge(run) for run in _gauge_runs_of(zip(draft.gauge_pages, draft.gauges, strict=True))),
        events=tuple(draft.events),
        raws=tuple(draft.raws),
    )


def _joined(first: Moment, before: Moment, after: Moment) -> bool:
    """One boot, a clock that goes on, no step between wall and monotonic time."""
    if after.boot != first.boot or after.uptime_ms < before.uptime_ms:
        return False
    drift = (after.utc_ms - first.utc_ms) - (after.uptime_ms - first.uptime_ms)
    return abs(drift) <= CLOCK_STEP_MS


def _runs_of(readings: Iterable[tuple[int, Reading]]) -> list[list[tuple[int, Reading]]]:
    runs: list[list[tuple[int, Reading]]] = []
    for page, reading in readings:
        if runs and _continues(runs[-1], page, reading):
            runs[-1].append((page, reading))
        else:
            runs.append([(page, reading)])
    return runs


def _continues(run: list[tuple[int, Reading]], page: int, reading: Reading) -> bool:
    (_, first), (last_page, last) = run[0], run[-1]
    level = (reading.generation, reading.base, reading.serial) == (last.generation, last.base, last.serial)
    return page == last_page + 1 and len(run) < COLUMN_MAX and level and _joined(first.at, last.at, reading.at)


def _segment(run: list[tuple[int, Reading]]) -> Segment:
    page, first = run[0]
    readings = [reading for _, reading in run]
    return Segment(
        pagination=page,
        at=Uptime(first.at.boot, first.at.uptime_ms),
        t0_ms=first.at.utc_ms,
        generation=first.generation,
        base=first.base,
        v0=first.value,
        dt=tuple(b.at.uptime_ms - a.at.uptime_ms for a, b in pairwise(readings)),
        dv=tuple(b.value - a.value for a, b in pairwise(readings)),
        quality=_run_lengths([int(each.at.quality) for each in readings]),
        state=_run_lengths([int(each.state) for each in readings]),
        marks=tuple((index, int(each.mark)) for index, each in enumerate(readings) if each.mark is not None),
        serial=first.serial,
    )


def _run_lengths(values: Sequence[int]) -> Runs:
    if values.count(values[0]) == len(values):
        return values[0]
    runs: list[tuple[int, int]] = []
    index = 0
    for value, group in groupby(values):
        runs.append((index, value))
        index += sum(1 for _ in group)
    return tuple(runs)


def _gauge_runs_of(readings: Iterable[tuple[int, GaugeReading]]) -> list[list[tuple[int, GaugeReading]]]:
    runs: list[list[tuple[int, GaugeReading]]] = []
    for page, reading in readings:
        if runs and _gauge_continues(runs[-1], page, reading):
            runs[-1].append((page, reading))
        else:
            runs.append([(page, reading)])
    return runs


def _gauge_continues(run: list[tuple[int, GaugeReading]], page: int, reading: GaugeReading) -> bool:
    (_, first), (last_page, last) = run[0], run[-1]
    same = reading.at.quality is first.at.quality
    return page == last_page + 1 and len(run) < COLUMN_MAX and same and _joined(first.at, last.at, reading.at)


def _gauge(run: list[tuple[int, GaugeReading]]) -> Gauge:
    page, first = run[0]
    readings = [reading for _, reading in run]
    return Gauge(
        pagination=page,
        at=Uptime(first.at.boot, first.at.uptime_ms),
        t0_ms=first.at.utc_ms,
        v0=first.value,
        dt=tuple(b.at.uptime_ms - a.at.uptime_ms for a, b in pairwise(readings)),
        dv=tuple(b.value - a.value for a, b in pairwise(readings)),
        quality=first.at.quality,
    )


def _event(number: int, happening: Happening) -> Event:
    return Event(
        number=number,
        at=Uptime(happening.at.boot, happening.at.uptime_ms),
        t_ms=happening.at.utc_ms,
        quality=happening.at.quality,
        code=happening.code,
        total=happening.total,
        use=happening.use,
        programme=happening.programme,
        samples_hash=None if happening.samples_hash is None else H32(happening.samples_hash),
        reason=happening.reason,
        exchange=None if happening.exchange is None else Exchange(*happening.exchange),
        ref=None if happening.ref is None else H32(happening.ref),
        clock=None if happening.clock is None else ClockFix(*happening.clock),
    )


def _readings(channel: int, segment: Segment, use: int | None) -> list[Numbered]:
    marks = {index: Reason(reason) for index, reason in segment.marks}
    found: list[Numbered] = []
    for index, each in enumerate(segment.readings()):
        at = Moment(segment.at.boot, each.uptime_ms, each.t_ms, each.quality)
        level = (segment.generation, segment.base, each.total - segment.base)
        reading = Reading(channel, at, *level, each.state, segment.serial, marks.get(index), use)
        found.append(Numbered(reading, each.pagination))
    return found


def _gauge_readings(channel: int, gauge: Gauge, use: int | None) -> list[Numbered]:
    offset, quality = gauge.at.ms - gauge.t0_ms, TimeQuality(gauge.quality)
    return [
        Numbered(GaugeReading(channel, Moment(gauge.at.boot, t_ms + offset, t_ms, quality), value, use), page)
        for page, (t_ms, value) in enumerate(gauge.values(), gauge.pagination)
    ]


def _raw_records(part: Part, tag: int) -> list[RawRecord]:
    """Raw records of a part, with the use and moment of the events they stand beside."""
    beside = part.events[0] if part.events else None
    use = beside.use if beside is not None and beside.use is not None else tag
    at = Moment(bytes(6), 0, 0, TimeQuality.U)
    if beside is not None:
        at = Moment(beside.at.boot, beside.at.ms, beside.t_ms, beside.quality)
    return [RawRecord(part.channel, at, RawKind(raw.kind), raw.data, use) for raw in part.raws]


def _happening(part: Part, event: Event) -> Happening:
    swap, fix = event.exchange, event.clock
    exchange = None if swap is None else (swap.old_serial, swap.old_final, swap.new_serial, swap.new_first)
    return Happening(
        part.channel,
        Moment(event.at.boot, event.at.ms, event.t_ms, event.quality),
        event.code,
        total=event.total,
        use=event.use,
        programme=event.programme,
        samples_hash=event.samples_hash,
        reason=event.reason,
        exchange=exchange,
        ref=event.ref,
        clock=None if fix is None else (fix.boot, fix.offset_ms, fix.error_ms),
        personal=part.sensitivity is Sensitivity.PERSONAL,
        number=event.number,
    )
