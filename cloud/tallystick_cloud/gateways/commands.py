"""Commands to gateways: numbered, signed, logged, kept until they expire; and what the gateway says became of each.

It never believes that one was obeyed before the gateway's own signed event says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from tallystick_protocol import cose
from tallystick_protocol.codes import CommandType, EventCode, LogType
from tallystick_protocol.command import ARGS_MAX, Arg, Command
from tallystick_protocol.configure import Settings
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, Gid
from tallystick_protocol.part import Event

from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.errors import BadInput, Conflict, NotFound
from tallystick_cloud.log import service as log
from tallystick_cloud.ports import Entropy
from tallystick_cloud.schema import command

from . import store

NONCE_BYTES = 16
HOUR_MS = 3_600_000
CONFIGURE_TTL_MS = 24 * HOUR_MS  # a gateway that was away for longer is asked again, by a person who knows why
CONFIGURE_TTL_MS_MAX = 30 * 24 * HOUR_MS
ERASE_TTL_MS = 10 * 365 * 24 * 3600 * 1000  # a gateway that comes back after years must still hear it
PLACES_MAX = ARGS_MAX  # of one erase command: 64 places of a few bytes each


@dataclass(frozen=True, slots=True)
class Told:
    """A command and what became of it: waiting, expired, or the gateway's own word (done, refused: why)."""

    number: int
    type: str
    issued_ms: int
    result: str


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


def configure(
    conn: Connection, aggregator: Aggregator, gid: bytes, settings: Settings, ttl_ms: int, now_ms: int
) -> H32:
    """Tell a gateway how often to poll, seal and report. Raises BadInput, NotFound or Conflict (revoked)."""
    try:
        args = settings.args()
    except ProtocolError as error:
        raise BadInput(error.field, error.reason) from error
    if not 0 < ttl_ms <= CONFIGURE_TTL_MS_MAX:
        raise BadInput("expires", f"must be within {CONFIGURE_TTL_MS_MAX // HOUR_MS} hours")
    head = store.lock_head(conn, gid)
    if head is None:
        raise NotFound("gateway", f"{gid.hex()} is not enrolled here; see `tallystick gateway list`")
    if not head.is_active:
        raise Conflict("gateway", f"{gid.hex()} is revoked and hears nothing any more")
    context = aggregator.of(head.community)
    return issue(conn, context, aggregator.entropy, gid, CommandType.CONFIGURE, args, ttl_ms, now_ms)


def told(conn: Connection, gid: bytes, now_ms: int) -> list[Told]:
    """All commands of a gateway, the newest first."""
    rows = conn.execute(select(command).where(command.c.gid == gid).order_by(command.c.cmd_seq.desc()))
    return [
        Told(row.cmd_seq, row.type, row.issued_ms, row.result or ("expired" if row.expires_ms <= now_ms else "waiting"))
        for row in rows
    ]


def answered(conn: Connection, gid: bytes, event: Event, now_ms: int) -> None:
    """The gateway's own word on a command, from its channel 0."""
    if event.ref is not None and event.code in (EventCode.COMMAND_DONE, EventCode.COMMAND_REFUSED):
        why = "" if event.reason is None else f": {event.reason.name.lower().replace('_', ' ')}"
        result = "done" if event.code is EventCode.COMMAND_DONE else f"refused{why}"
        store.command_result(conn, gid, event.ref, result, now_ms)
