"""Commands to gateways: numbered, signed, logged, kept until they expire; and what the gateway says became of each.

It never believes that one was obeyed before the gateway's own signed event says so.
"""

from collections.abc import Sequence

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import CommandType, EventCode, LogType
from tallystick_protocol.command import ARGS_MAX, Arg, Command
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.part import Event

from tallystick_cloud.context import Context
from tallystick_cloud.errors import NotFound
from tallystick_cloud.log import service as log
from tallystick_cloud.ports import Entropy

from . import store

NONCE_BYTES = 16
ERASE_TTL_MS = 10 * 365 * 24 * 3600 * 1000  # a gateway that comes back after years must still hear it
PLACES_MAX = ARGS_MAX  # of one erase command: 64 places of a few bytes each


def issue(
    conn: Connection,
    context: Context,
    entropy: Entropy,
    gid: bytes,
    kind: CommandType,
    args: tuple[Arg, ...],
    ttl_ms: int,
    now_ms: int,
) -> H32:
    """Sign and keep the next command of a gateway; raises NotFound."""
    head = store.lock_head(conn, gid)
    if head is None:
        raise NotFound("gateway", f"{gid.hex()} is not enrolled here")
    number = max(head.last_command, store.last_command_issued(conn, gid)) + 1
    nonce = entropy.bytes(NONCE_BYTES)
    made = Command(Gid(gid), number, now_ms, now_ms + ttl_ms, kind, args, nonce, head.hello_nonce)
    envelope = cose.sign(context.keys.command, cose.ContentType.COMMAND, made.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, head.community, [log.Entry(LogType.COMMAND, h)], now_ms)
    row = {"gid": gid, "cmd_seq": number, "community": head.community, "h": h, "envelope": envelope, "leaf": leaf}
    store.insert_command(conn, {**row, "type": kind.name.lower(), "issued_ms": now_ms, "expires_ms": now_ms + ttl_ms})
    return h


def erase(
    conn: Connection,
    context: Context,
    entropy: Entropy,
    gid: bytes,
    places: Sequence[tuple[int, int, int]],
    now_ms: int,
) -> int:
    """Tell a gateway to erase its copies of parts, (epoch, seq, part) each; returns how many commands that takes."""
    chunks = [tuple(places[at : at + PLACES_MAX]) for at in range(0, len(places), PLACES_MAX)]
    for chunk in chunks:
        issue(conn, context, entropy, gid, CommandType.ERASE, chunk, ERASE_TTL_MS, now_ms)
    return len(chunks)


def answered(conn: Connection, gid: bytes, event: Event, now_ms: int) -> None:
    """The gateway's own word on a command, from its channel 0."""
    if event.ref is not None and event.code in (EventCode.COMMAND_DONE, EventCode.COMMAND_REFUSED):
        why = "" if event.reason is None else f": {event.reason.name.lower().replace('_', ' ')}"
        result = "done" if event.code is EventCode.COMMAND_DONE else f"refused{why}"
        store.command_result(conn, gid, event.ref, result, now_ms)
