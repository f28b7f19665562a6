"""A charging session that its meter signed becomes a use: begin, the record untouched, and end, all at once.
Pure; whether the signature is good, the aggregator decides, which knows the meter's key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from tallystick_protocol.codes import EventCode, RawKind, TimeQuality
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ocmf_session import MeterReading, counts_of, read_session

from tallystick_edge.items import Happening, Item, Moment, RawRecord
from tallystick_edge.metering.channel import ChannelState


@dataclass(frozen=True, slots=True)
class SessionRule:
    """The channel that counts the energy of sessions, in 10^`exponent` Wh; `serial` of the meter when it is planned."""

    channel: int
    exponent: int
    serial: str | None = None


class Replayed(BadValue):
    """The session lies at or below what was counted before: told twice, or out of order."""


def take_session(
    state: ChannelState, number: int, rule: SessionRule, record: bytes, now: Moment
) -> tuple[ChannelState, tuple[Item, ...]]:
    """The use `number` of one record, and the channel after it. Raises ProtocolError, then nothing changed.

    Readings that time is unknown for by the meter's clock end now, and begin as much earlier as the session took."""
    session = read_session(record)
    if rule.serial is not None and session.serial != rule.serial:
        raise BadValue("ocmf.MS", f"is {session.serial}, the planned meter is {rule.serial}")
    first, last = (counts_of(each.wh, "Wh", rule.exponent) for each in (session.begin, session.end))
    if state.value is not None and first < state.total:
        raise Replayed("ocmf.RD.RV", f"begins at {first}, and {state.total} was counted already")
    took_ms = max(0, session.end.t_ms - session.begin.t_ms)
    begin, end = _moment(now, session.begin, took_ms), _moment(now, session.end, 0)
    started = Happening(rule.channel, begin, EventCode.USE_STARTED, total=first, use=number, personal=True)
    ended = Happening(
        rule.channel, end, EventCode.USE_ENDED, total=last, use=number, samples_hash=sha256(record).digest()
    )
    after = state._replace(value=last - state.base, at=end, serial=session.serial)
    return after, (started, RawRecord(rule.channel, end, RawKind.OCMF, record, number), ended)


def _moment(now: Moment, reading: MeterReading, before_ms: int) -> Moment:
    """The meter's own time where it has one, on this boot's monotonic clock as far back as that reaches."""
    if reading.quality is TimeQuality.U:
        return replace(now, uptime_ms=max(0, now.uptime_ms - before_ms), utc_ms=now.utc_ms - before_ms)
    ago_ms = now.utc_ms - reading.t_ms
    return Moment(now.boot, max(0, now.uptime_ms - ago_ms), reading.t_ms, reading.quality)
