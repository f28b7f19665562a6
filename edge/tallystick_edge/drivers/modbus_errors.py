"""Why a read of a Modbus unit gave no registers, one class per cause.
ReadFailure > NoAnswer, WrongAnswer, Refused, LineDown; `reason` is the code that a Fault carries."""

from __future__ import annotations

from typing import ClassVar

from tallystick_edge.errors import EdgeError


class ReadFailure(EdgeError):
    """Base: nothing was read, and nothing of what came may be used."""

    reason: ClassVar[str]


class NoAnswer(ReadFailure):
    """Nothing sound came in time. Next: wiring, address, baud rate and parity of the unit."""

    reason = "timeout"


class WrongAnswer(ReadFailure):
    """A sound answer to some other question, most often to an earlier one; it was thrown away."""

    reason = "late-answer"


class Refused(ReadFailure):
    """The unit answered with an exception code. Next: compare the profile with the meter."""

    reason = "refused"

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class LineDown(ReadFailure):
    """The port or the connection is not there. Next: cable, device path, host and port; it is tried again by itself."""

    reason = "line-down"


class WrongMeter(ReadFailure):
    """Another meter than planned answers under this address. Next: check the plan, or record the exchange."""

    reason = "wrong-meter"


class WrongSerial(WrongMeter):
    """The right type with another serial number: an exchanged meter, or a swapped address."""

    reason = "serial-mismatch"
