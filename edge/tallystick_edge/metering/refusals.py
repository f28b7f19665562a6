"""Turns what a driver threw away (late answers, replays, forged or unreadable frames) into quarantine events.
A reason is told once per meter and minute, because whoever floods a radio must not fill the journal."""

from __future__ import annotations

from tallystick_protocol.codes import EventCode, Reason

from tallystick_edge.items import Happening, Moment
from tallystick_edge.plan import MeterPlan
from tallystick_edge.sample import Fault

TELL_AGAIN_MS = 60_000
REASONS = {
    "late-answer": Reason.STALE,
    "replayed": Reason.REPLAYED,
    "wrong-meter": Reason.SERIAL_UNEXPECTED,
    "serial-mismatch": Reason.SERIAL_UNEXPECTED,
    "bad-frame": Reason.DECODE,
    "wrong-key-or-forged": Reason.DECODE,
    "unencrypted-although-keyed": Reason.DECODE,
    "out-of-range": Reason.DECODE,
}


class Refusals:
    """Remembers when a reason was last told; it is not durable, a restart may tell it once more."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, Reason], int] = {}

    def tell(self, plan: MeterPlan, fault: Fault, at: Moment) -> tuple[Happening, ...]:
        """The events of a fault: none for mere silence, none when it was told less than a minute ago."""
        reason = REASONS.get(fault.reason)
        if reason is None or plan.first_channel is None:
            return ()
        told = self._told.get((plan.meter, reason))
        if told is not None and at.uptime_ms - told < TELL_AGAIN_MS:
            return ()
        self._told[plan.meter, reason] = at.uptime_ms
        return (Happening(plan.first_channel, at, EventCode.QUARANTINED, reason=reason),)
