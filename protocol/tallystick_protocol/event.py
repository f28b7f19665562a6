"""Events: what happened on a channel, each with its number, its time on two clocks and what its code needs.
An event never lacks what makes it usable: a use ended without a total cannot be built.
"""

from dataclasses import dataclass

from tallystick_protocol.codes import EventCode, Reason, TimeQuality
from tallystick_protocol.errors import BadValue, MissingField
from tallystick_protocol.ids import BOOT_BYTES, H32, H32_BYTES
from tallystick_protocol.schema import INT, UINT, Bytes, Code, Field, MapMessage, Nullable, Of, RowMessage, Text

SUBJECT_BYTES = 16
_H32 = Bytes(H32_BYTES)
_BOOT = Bytes(BOOT_BYTES)


@dataclass(frozen=True, slots=True)
class Uptime(RowMessage):
    """A moment on one boot's monotonic clock: 6 random bytes made at start, and milliseconds since."""

    NAME = "uptime"
    FIELDS = (Field(0, "boot", _BOOT), Field(1, "ms", UINT))
    boot: bytes
    ms: int


@dataclass(frozen=True, slots=True)
class Exchange(RowMessage):
    """A meter was exchanged: what the old one showed last and the new one first, in register units."""

    NAME = "exchange"
    FIELDS = (
        Field(0, "old_serial", Nullable(Text())),
        Field(1, "old_final", INT),
        Field(2, "new_serial", Nullable(Text())),
        Field(3, "new_first", INT),
    )
    old_serial: str | None
    old_final: int
    new_serial: str | None
    new_first: int


@dataclass(frozen=True, slots=True)
class ClockFix(RowMessage):
    """Gives time to readings of one boot: UTC minus uptime, and how wrong that may be, in ms."""

    NAME = "clock"
    FIELDS = (Field(0, "boot", _BOOT), Field(1, "offset_ms", INT), Field(2, "error_ms", UINT))
    boot: bytes
    offset_ms: int
    error_ms: int


@dataclass(frozen=True, slots=True)
class LostSpan(RowMessage):
    """Batches that were sealed and cannot be read any more."""

    NAME = "lost"
    FIELDS = (Field(0, "epoch", UINT), Field(1, "from_seq", UINT), Field(2, "to_seq", UINT))
    epoch: int
    from_seq: int
    to_seq: int

    def check_rules(self) -> None:
        if self.to_seq < self.from_seq:
            raise BadValue("lost.to_seq", "is before from_seq")


@dataclass(frozen=True, slots=True)
class Event(MapMessage):
    """Something that happened on a channel; numbers are contiguous per channel and begin at 1."""

    NAME = "event"
    FIELDS = (
        Field(0, "number", UINT),
        Field(1, "at", Of(Uptime)),
        Field(2, "t_ms", UINT),
        Field(3, "quality", Code(TimeQuality)),
        Field(4, "code", Code(EventCode)),
        Field(5, "total", INT, optional=True),
        Field(6, "use", UINT, optional=True),
        Field(7, "programme", Text(), optional=True),
        Field(8, "subject", Bytes(SUBJECT_BYTES), optional=True),
        Field(9, "samples_hash", _H32, optional=True),
        Field(10, "reason", Code(Reason), optional=True),
        Field(11, "exchange", Of(Exchange), optional=True),
        Field(12, "ref", _H32, optional=True),
        Field(13, "clock", Of(ClockFix), optional=True),
        Field(14, "lost", Of(LostSpan), optional=True),
    )
    number: int
    at: Uptime
    t_ms: int
    quality: TimeQuality
    code: EventCode
    total: int | None = None
    use: int | None = None
    programme: str | None = None
    subject: bytes | None = None
    samples_hash: H32 | None = None
    reason: Reason | None = None
    exchange: Exchange | None = None
    ref: H32 | None = None
    clock: ClockFix | None = None
    lost: LostSpan | None = None

    def check_rules(self) -> None:
        for name in _REQUIRED.get(self.code, ()):
            if getattr(self, name) is None:
                raise MissingField(f"event.{name}", f"is absent, {EventCode(self.code).name} needs it")
        if self.subject is not None and self.code != EventCode.USE_STARTED:
            raise BadValue("event.subject", "stands in USE_STARTED only")

    def is_free(self, start: int) -> bool:
        """Of an event that settles a use: an abort costs nothing, unless its total is above `start`, the use's first.
        What was counted is paid (a restored card closes as aborted also what another card had counted). Aggregator and
        verifier ask here."""
        return self.code is EventCode.USE_ABORTED and (self.total or 0) <= start


_REQUIRED: dict[int, tuple[str, ...]] = {
    EventCode.USE_STARTED: ("use",),
    EventCode.USE_BILLABLE: ("use", "total"),
    EventCode.USE_ENDED: ("use", "total"),
    EventCode.USE_ABORTED: ("use", "total"),
    EventCode.EXCHANGE: ("exchange",),
    EventCode.CLOCK_CORRECTED: ("clock",),
    EventCode.BATCH_LOST: ("lost",),
    EventCode.COMMAND_DONE: ("ref",),
    EventCode.COMMAND_REFUSED: ("ref", "reason"),
    EventCode.GAP: ("reason",),
    EventCode.QUARANTINED: ("reason",),
}
