"""Decides when a meter that gives no readings is worth a gap event: once per silence, after a few missed polls.
It never invents a reading; the next good total says what was used in between."""

from __future__ import annotations

from tallystick_protocol.codes import EventCode, Reason

from tallystick_edge.items import Happening, Moment
from tallystick_edge.metering.channel import ChannelState

MISSED_POLLS = 3  # one late answer and its quarantine window cost up to two polls on a healthy line


def gap(state: ChannelState, every_ms: int, now: Moment) -> Happening | None:
    """The gap event of a channel silent for `MISSED_POLLS` polls, or None while that is not so."""
    if state.at is None:
        return None
    silent = now.since_ms(state.at)
    if silent is None or silent < MISSED_POLLS * every_ms:
        return None
    return Happening(state.number, now, EventCode.GAP, total=state.total, reason=Reason.METER_SILENT)
