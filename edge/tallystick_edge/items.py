"""What waits in the journal until it is sealed: readings, gauge readings and events, without their final numbers.
Numbers are given when a batch is sealed, so that a restored card can go on from those the aggregator has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast

from tallystick_protocol.codes import EventCode, MeterState, RawKind, Reason, TimeQuality

from tallystick_edge.errors import InvariantError

GATEWAY_CHANNEL = 0  # events of the gateway itself


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the gateway knows it: on this boot's monotonic clock and as believed UTC."""

    boot: bytes
    uptime_ms: int
    utc_ms: int
    quality: TimeQuality

    def since_ms(self, earlier: Moment) -> int | None:
        """Milliseconds from `earlier` to this; None when a boot lies between and one of the clocks was not set, or
        went backwards: then nobody knows how long it was."""
        if self.boot == earlier.boot:
            return max(0, self.uptime_ms - earlier.uptime_ms)
        if TimeQuality.U in (self.quality, earlier.quality) or self.utc_ms < earlier.utc_ms:
            return None
        return self.utc_ms - earlier.utc_ms


class Reading(NamedTuple):
    """A value of a counter that passed metering: total = base + value. `use`: number of the use it lies inside."""

    channel: int
    at: Moment
    generation: int
    base: int
    value: int
    state: MeterState = MeterState.OK
    serial: str | None = None
    mark: Reason | None = None
    use: int | None = None

    @property
    def total(self) -> int:
        return self.base + self.value


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """A value that may fall and is never priced."""

    channel: int
    at: Moment
    value: int
    use: int | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """An event before it has its number; fields as in the protocol's Event. Personal ones go apart from money."""

    channel: int
    at: Moment
    code: EventCode
    total: int | None = None
    use: int | None = None
    programme: str | None = None
    samples_hash: bytes | None = None
    reason: Reason | None = None
    exchange: Swap | None = None
    ref: bytes | None = None
    clock: tuple[bytes, int, int] | None = None
    personal: bool = False
    number: int | None = None  # set only when an event is sealed a second time under the number it had


@dataclass(frozen=True, slots=True)
class RawRecord:
    """Bytes that a meter made and signed, carried untouched; personal, as whatever says when somebody was there."""

    channel: int
    at: Moment
    kind: RawKind
    data: bytes
    use: int | None = None


Item: TypeAlias = Reading | GaugeReading | Happening | RawRecord
Row: TypeAlias = "list[object]"
Swap: TypeAlias = "tuple[str | None, int, str | None, int]"  # old serial, old final, new serial, new first
_GAUGE, _HAPPENING, _RAW = 1, 2, 3


def to_row(item: GaugeReading | Happening | RawRecord) -> Row:
    """A gauge reading, event or raw record as a list for the strict CBOR encoder; its moment stands beside it."""
    match item:
        case GaugeReading():
            return [_GAUGE, item.channel, item.value, item.use]
        case RawRecord():
            return [_RAW, item.channel, int(item.kind), item.data, item.use]
        case Happening():
            reason = None if item.reason is None else int(item.reason)
            head: Row = [_HAPPENING, item.channel, int(item.code), item.total, item.use, item.programme]
            exchange, clock = item.exchange and list(item.exchange), item.clock and list(item.clock)
            return [*head, item.samples_hash, reason, exchange, item.ref, clock, item.personal, item.number]


def from_row(row: Row, at: Moment) -> GaugeReading | Happening | RawRecord:
    """The inverse of `to_row`; the journal's own bytes, so anything else is InvariantError."""
    match row:
        case [1, int(channel), int(value), use]:
            return GaugeReading(channel, at, value, cast("int | None", use))
        case [3, int(channel), int(kind), bytes(data), use]:
            return RawRecord(channel, at, RawKind(kind), data, cast("int | None", use))
        case [2, int(channel), int(code), total, use, programme, samples, why, exchange, ref, clock, bool(personal), n]:
            return Happening(
                channel,
                at,
                EventCode(code),
                total=cast("int | None", total),
                use=cast("int | None", use),
                programme=cast("str | None", programme),
                samples_hash=cast("bytes | None", samples),
                reason=None if why is None else Reason(cast(int, why)),
                exchange=None if exchange is None else cast("Swap", tuple(cast(Row, exchange))),
                ref=cast("bytes | None", ref),
                clock=None if clock is None else cast("tuple[bytes, int, int]", tuple(cast(Row, clock))),
                personal=personal,
                number=cast("int | None", n),
            )
        case _:
            raise InvariantError("a pending item of the journal has an unknown shape")
