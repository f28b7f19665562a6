"""An event number that was there before: the same event once more, or another one under its number?

It reads stored parts only in this rare case, newest first, up to a limit.
"""

from sqlalchemy import Connection
from tallystick_protocol.codes import Reason
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.part import Event, Part

from . import store
from .model import Trouble

PARTS_MAX = 4096  # parts of one channel that are searched: months of a busy machine


def trouble(conn: Connection, gid: bytes, channel: int, event: Event) -> Trouble | None:
    """None when this very event (number, boot, uptime) is stored; else number reused."""
    for data in store.parts_of_channel(conn, gid, channel, PARTS_MAX):
        try:
            part = Part.decode(data)
        except ProtocolError:
            continue  # it is in quarantine as what it is
        if any((known.number, known.at) == (event.number, event.at) for known in part.events):
            return None
    detail = f"event {event.number} exists with another moment; a restored or copied card counts on from an old state"
    return Trouble(Reason.NUMBER_REUSED, detail, use=event.use)
