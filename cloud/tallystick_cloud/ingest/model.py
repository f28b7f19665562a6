"""What ingest works with: troubles, open uses, totals without a time, and where things come from.

It never decides anything.
"""

from dataclasses import dataclass

from tallystick_protocol.codes import Reason

UNKNOWN_MS = 0  # of a use that began before the gateway knew the time


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part, or something in it, that is set aside; totals and uses name the span where it is known."""

    reason: Reason
    detail: str
    from_total: int | None = None
    to_total: int | None = None
    use: int | None = None


@dataclass(slots=True)
class OpenUse:
    """A use that was begun and is not billed yet."""

    number: int
    start_ms: int
    boot: bytes
    uptime_ms: int
    subject: bytes | None
    state: str  # started | billable
    from_total: int | None = None
    is_new: bool = False
    is_done: bool = False
    stored: str | None = None  # its state in the books


@dataclass(frozen=True, slots=True)
class Timeless:
    """A total from before its gateway knew the time; a correction of that boot's clock gives it one."""

    total: int
    boot: bytes
    uptime_ms: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Of what is worked in: the batch, its gateway's evidence level, and when it came."""

    batch: bytes
    level: int
    now_ms: int
