"""What a gateway measured: a part is one channel's readings, gauges or events in one batch, the unit of disclosure.
It never holds two uses, never mixes money with what only the person concerned may see, and a total in it never falls.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias, TypeVar

from tallystick_protocol import quick
from tallystick_protocol.cbor import INT_MAX, INT_MIN, UPLOAD_BYTES_MAX
from tallystick_protocol.codes import MeterState, RawKind, Reason, Sensitivity, TimeQuality
from tallystick_protocol.errors import BadValue
from tallystick_protocol.event import ClockFix, Event, Exchange, LostSpan, Uptime
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.schema import (
    INT,
    UINT,
    Blob,
    Bytes,
    Code,
    Column,
    Field,
    List,
    MapMessage,
    Of,
    Row,
    RunLengths,
    Text,
)

__all__ = [
    "ClockFix", "Event", "Exchange", "Gauge", "LostSpan", "Part", "Raw", "Runs", "Segment", "SegmentReading", "Uptime",
]  # fmt: skip

Runs: TypeAlias = int | tuple[tuple[int, int], ...]
"""A constant, or runs of (index of the first reading, value)."""

RAW_BYTES_MAX = 8 * 1024  # one OCMF record with its signature; the largest seen has 6.7 kB
PART_BYTES_MAX = UPLOAD_BYTES_MAX
_H32 = Bytes(H32_BYTES)


class SegmentReading(NamedTuple):
    """One reading of a segment, spelled out: `total` = base + register, times in ms."""

    pagination: int
    uptime_ms: int
    t_ms: int
    total: int
    quality: TimeQuality
    state: MeterState


@dataclass(frozen=True, slots=True)
class Segment(MapMessage):
    """Readings of a counter in columns; never spans a boot, a clock step or a generation.

    The first reading is `v0` at `t0_ms`; `dt` (ms) and `dv` (register units) hold one step per further reading.
    """

    NAME = "segment"
    FIELDS = (
        Field(0, "pagination", UINT),
        Field(1, "at", Of(Uptime)),
        Field(2, "t0_ms", UINT),
        Field(3, "generation", UINT),
        Field(4, "base", INT),
        Field(5, "v0", UINT),
        Field(6, "dt", Column()),
        Field(7, "dv", Column()),
        Field(8, "quality", RunLengths(Code(TimeQuality))),
        Field(9, "state", RunLengths(Code(MeterState))),
        Field(10, "marks", List(Row((UINT, Code(Reason))), least=1), optional=True, empty=()),
        Field(11, "serial", Text(), optional=True),
    )
    pagination: int
    at: Uptime
    t0_ms: int
    generation: int
    base: int
    v0: int
    dt: tuple[int, ...]
    dv: tuple[int, ...]
    quality: Runs
    state: Runs
    marks: tuple[tuple[int, int], ...] = ()
    serial: str | None = None

    def check_rules(self) -> None:
        count = len(self.dt) + 1
        if len(self.dv) != len(self.dt):
            raise BadValue("segment.dv", f"holds {len(self.dv)} steps where dt holds {len(self.dt)}")
        _check_sum("segment.pagination", self.pagination, count - 1)
        _check_sum("segment.at", self.at.ms, sum(self.dt))
        _check_sum("segment.dt", self.t0_ms, sum(self.dt))
        _check_sum("segment.dv", self.v0, sum(self.dv))
        _check_int("segment.base", self.base + self.v0)
        _check_int("segment.base", self.base + self.v0 + sum(self.dv))
        _check_runs("segment.quality", self.quality, count)
        _check_runs("segment.state", self.state, count)
        _check_marks(self.marks, count)

    @property
    def first_total(self) -> int:
        return self.base + self.v0

    @property
    def last_total(self) -> int:
        return self.base + self.v0 + sum(self.dv)

    @property
    def last_pagination(self) -> int:
        return self.pagination + len(self.dt)

    @property
    def first_quality(self) -> TimeQuality:
        return TimeQuality(self.quality[0][1] if isinstance(self.quality, tuple) else self.quality)

    def readings(self) -> tuple[SegmentReading, ...]:
        """All readings in order; at least one."""
        count = len(self.dt) + 1
        rows = zip(
            accumulate(self.dt, initial=0),
            accumulate(self.dv, initial=self.first_total),
            _expand(self.quality, count, TimeQuality),
            _expand(self.state, count, MeterState),
            strict=True,
        )
        return tuple(
            SegmentReading(self.pagination + index, self.at.ms + dt, self.t0_ms + dt, total, quality, state)
            for index, (dt, total, quality, state) in enumerate(rows)
        )


@dataclass(frozen=True, slots=True)
class Gauge(MapMessage):
    """Readings of something that may fall (power, temperature): signed, shown, never priced."""

    NAME = "gauge"
    FIELDS = (
        Field(0, "pagination", UINT),
        Field(1, "at", Of(Uptime)),
        Field(2, "t0_ms", UINT),
        Field(5, "v0", INT),
        Field(6, "dt", Column()),
        Field(7, "dv", Column(low=INT_MIN)),
        Field(8, "quality", Code(TimeQuality)),
    )
    pagination: int
    at: Uptime
    t0_ms: int
    v0: int
    dt: tuple[int, ...]
    dv: tuple[int, ...]
    quality: int

    def check_rules(self) -> None:
        if len(self.dv) != len(self.dt):
            raise BadValue("gauge.dv", f"holds {len(self.dv)} steps where dt holds {len(self.dt)}")
        _check_sum("gauge.pagination", self.pagination, len(self.dt))
        _check_sum("gauge.at", self.at.ms, sum(self.dt))
        _check_sum("gauge.dt", self.t0_ms, sum(self.dt))
        values = tuple(accumulate(self.dv, initial=self.v0))
        _check_int("gauge.dv", min(values))
        _check_int("gauge.dv", max(values))

    def values(self) -> tuple[tuple[int, int], ...]:
        """(t_ms, value) of all readings in order; at least one."""
        times = accumulate(self.dt, initial=self.t0_ms)
        return tuple(zip(times, accumulate(self.dv, initial=self.v0), strict=True))


@dataclass(frozen=True, slots=True)
class Raw(MapMessage):
    """Bytes of a meter carried untouched; `ref` = (segment, reading) that they belong to."""

    NAME = "raw"
    FIELDS = (
        Field(0, "kind", Code(RawKind)),
        Field(1, "ref", Row((UINT, UINT))),
        Field(2, "data", Blob(RAW_BYTES_MAX)),
    )
    kind: RawKind
    ref: tuple[int, int]
    data: bytes


@dataclass(frozen=True, slots=True)
class Part(MapMessage):
    """One channel, at most one use, and either money or personal; channel 0 is the gateway itself.

    A `descriptor` of 32 zero bytes says that none was in force at this gateway yet (docs/adr/0001).
    """

    NAME = "part"
    SIZE_MAX = PART_BYTES_MAX
    QUICK = quick.read
    FIELDS = (
        Field(0, "channel", UINT),
        Field(1, "descriptor", _H32),
        Field(6, "sensitivity", Code(Sensitivity)),
        Field(2, "segments", List(Of(Segment), least=1), optional=True, empty=()),
        Field(3, "gauges", List(Of(Gauge), least=1), optional=True, empty=()),
        Field(4, "events", List(Of(Event), least=1), optional=True, empty=()),
        Field(5, "raws", List(Of(Raw), least=1), optional=True, empty=()),
    )
    channel: int
    descriptor: H32
    sensitivity: Sensitivity
    segments: tuple[Segment, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    events: tuple[Event, ...] = ()
    raws: tuple[Raw, ...] = ()

    def check_rules(self) -> None:
        _check_segments(self.segments)
        _check_events(self.events)
        if self.gauges and (self.segments or self.events):
            raise BadValue("part.gauges", "stand beside segments or events: gauges need a part of their own")
        if self.sensitivity == Sensitivity.MONEY:
            if self.raws:
                raise BadValue("part.raws", "stand in a money part: raw samples are personal")
            if any(event.subject is not None for event in self.events):
                raise BadValue("part.events", "name a subject in a money part: the subject is personal")


def _check_segments(segments: tuple[Segment, ...]) -> None:
    for before, after in pairwise(segments):
        if after.pagination <= before.last_pagination:
            raise BadValue("part.segments", "have paginations that do not rise")
        if after.first_total < before.last_total:
            raise BadValue("part.segments", "have a total that falls: total = base + register never falls")


def _check_events(events: tuple[Event, ...]) -> None:
    if len(events) < 2:
        return
    if any(after.number <= before.number for before, after in pairwise(events)):
        raise BadValue("part.events", "have numbers that do not rise")
    if len({event.use for event in events if event.use is not None}) > 1:
        raise BadValue("part.events", "belong to more than one use: a part holds at most one")


def _check_sum(field: str, start: int, steps: int) -> None:
    if start + steps > INT_MAX:
        raise BadValue(field, "sums to more than 2^63-1")


def _check_int(field: str, value: int) -> None:
    if not INT_MIN <= value <= INT_MAX:
        raise BadValue(field, "sums to a value outside -2^63..2^63-1")


def _check_runs(field: str, runs: Runs, count: int) -> None:
    if isinstance(runs, tuple) and runs[-1][0] >= count:
        raise BadValue(field, f"has a run that starts after the last of {count} readings")


def _check_marks(marks: tuple[tuple[int, int], ...], count: int) -> None:
    if any(index >= count for index, _ in marks):
        raise BadValue("segment.marks", f"point beyond the last of {count} readings")
    if any(after <= before for before, after in pairwise(marks)):
        raise BadValue("segment.marks", "do not strictly rise by index and reason")


_Code = TypeVar("_Code", TimeQuality, MeterState)


def _expand(runs: Runs, count: int, table: type[_Code]) -> list[_Code]:
    if not isinstance(runs, tuple):
        return [table(runs)] * count
    starts = [start for start, _ in runs] + [count]
    found: list[_Code] = []
    for (_, value), (start, end) in zip(runs, pairwise(starts), strict=True):
        found += [table(value)] * (end - start)
    return found
