"""State: where the books stand with a gateway, signed for it.

It never changes anything.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, select
from tallystick_protocol import cose
from tallystick_protocol.batch import LogView
from tallystick_protocol.hello import ChannelState, State
from tallystick_protocol.ids import H32, Gid

from tallystick_cloud.context import Context, Identity
from tallystick_cloud.errors import NotFound
from tallystick_cloud.ingest.held import reach_of
from tallystick_cloud.log import store as log_store
from tallystick_cloud.log.epochs import view_id
from tallystick_cloud.schema import channel

from .model import Head

VERSIONS = (1, 1)
_CHANNELS = select(channel).where(channel.c.gid == bindparam("g")).order_by(channel.c.channel)


def log_view(conn: Connection, context: Identity) -> LogView:
    """The log's head as committed or about to be."""
    head = log_store.read_head(conn, context.community)
    if head is None:
        raise NotFound("community", f"{context.community!r} has no log")
    return view_of(context, head)


def view_of(context: Identity, head: log_store.Head) -> LogView:
    """A head as gateways see it."""
    return LogView(view_id(context, head), head.size, H32(head.root))


def signed_state(conn: Connection, context: Context, head: Head, hello_nonce: bytes | None, now_ms: int) -> bytes:
    """The envelope of the present State."""
    newest = log_store.newest_checkpoint(conn, context.community)
    state = State(
        gid=Gid(head.gid),
        epoch=head.epoch,
        server_ms=now_ms,
        next=head.next_seq,
        head=H32(head.head),
        log=log_view(conn, context),
        versions=VERSIONS,
        note=None if newest is None else newest[1],
        hello_nonce=hello_nonce,
        last_cmd_seq=head.last_command,
        channels=_channels(conn, head.gid),
    )
    return cose.sign(context.keys.receipt, cose.ContentType.STATE, state.encode())


def _channels(conn: Connection, gid: bytes) -> tuple[ChannelState, ...]:
    rows = conn.execute(_CHANNELS, {"g": gid})
    return tuple(_channel(conn, gid, row) for row in rows.all())


def _channel(conn: Connection, gid: bytes, row: Any) -> ChannelState:
    state = ChannelState(
        channel=row.channel,
        # What is known, billed or not: a card that is set back must not begin a new base below it.
        billed_to=row.billed_total if row.last_total is None else row.last_total,
        last_use=row.last_use,
        last_pagination=row.last_pagination,
        last_event=row.last_event,
        generation=row.generation,
        base=row.base,
        serial=row.serial,
    )
    return state if row.held_ms is None else reach_of(conn, gid, state)
