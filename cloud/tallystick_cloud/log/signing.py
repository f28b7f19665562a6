"""Signs checkpoints of the log: one after any append, and one a day when idle.

It never signs a head that it did not build, nor one that does not continue what the log's key signed before.
"""

from sqlalchemy import Connection
from tallystick_protocol.checkpoint import Checkpoint, sign_checkpoint
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32

from tallystick_cloud.context import Context
from tallystick_cloud.errors import NotFound

from . import epochs, signed_file, store

IDLE_MS = 24 * 3600 * 1000  # protocol.md, Log: daily when idle


def checkpoint(conn: Connection, context: Context, now_ms: int) -> bytes:
    """The signed note of the present head: a new one after any append, and daily when idle. Raises LogSetBack."""
    community = context.community
    head = store.lock_head(conn, community)
    if head is None:
        raise NotFound("community", f"{community!r} has no log")
    newest = store.newest_checkpoint(conn, community)
    if newest is not None and newest[0] == head.size and now_ms - newest[2] < IDLE_MS:
        return newest[1]
    if newest is not None and newest[0] > head.size:
        raise InvariantError(f"log of {community} shrank from {newest[0]} to {head.size}")
    epochs.check_continues(conn, context, head)
    origin = epochs.origin(context, head)
    note = sign_checkpoint(Checkpoint(origin, head.size, H32(head.root)), origin, context.keys.log)
    if context.signed is not None:  # before the signature leaves: a database can be set back, this must not be
        signed_file.write(context.signed, signed_file.Signed(origin, head.size, head.root.hex()))
    if newest is not None and newest[0] == head.size:
        store.refresh_checkpoint(conn, community, head.size, note, now_ms)
    else:
        store.insert_checkpoint(conn, community, head.size, head.root, note, now_ms)
    return note
