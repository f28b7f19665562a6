"""An event number that was there before: the same event once more, or another one under its number?

It reads stored parts only in this rare case, newest first, up to a limit.
"""

from enum import Enum, auto

from sqlalchemy import Connection
from tallystick_protocol.codes import Reason
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.part import Event, Part

from . import store
from .model import Trouble

PARTS_MAX = 4096  # parts of one channel that are searched: months of a busy machine


class Met(Enum):
    """What the stored parts say of an event number."""

    SAME = auto()  # this very event (number, boot, uptime)
    OTHER = auto()  # another one under its number
    NEVER = auto()


def look(conn: Connection, gid: bytes, channel: int, event: Event, read_only: bool) -> Met:
    """`read_only`: parts that still wait in quarantine do not count."""
    found = Met.NEVER
    for data in store.parts_of_channel(conn, gid, channel, PARTS_MAX, read_only):
        try:
            part = Part.decode(data)
        except ProtocolError:
            continue  # it is in quarantine as what it is
        for known in part.events:
            if (known.number, known.at) == (event.number, event.at):
                return Met.SAME
            if known.number == event.number:
                found = Met.OTHER
    return found


def reused(event: Event) -> Trouble:
    """What is said of a number that is given twice."""
    detail = f"event {event.number} exists with another moment; a restored or copied card counts on from an old state"
    return Trouble(Reason.NUMBER_REUSED, detail, use=event.use)
