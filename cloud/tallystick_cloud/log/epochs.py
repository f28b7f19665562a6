"""What keeps a log from being forked by a database that was set back: its key's own record, and new epochs.

It never signs a checkpoint itself, and never lets one be signed that does not continue the largest one signed before.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select
from tallystick_protocol import cose
from tallystick_protocol.checkpoint import Checkpoint, epoch_in, later_log_id, open_in_any_epoch, origin_of
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32, NONCE_BYTES
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.merkle import CompactRange
from tallystick_protocol.records import Continuation, LostCheckpoint

from tallystick_cloud.alarms import clear_alarm
from tallystick_cloud.context import Context, Identity
from tallystick_cloud.errors import Conflict, LogSetBack, NotFound
from tallystick_cloud.ports import Entropy
from tallystick_cloud.schema import log_epoch

from . import service, signed_file, store
from .signed_file import Signed

SET_BACK = "log-set-back"  # key of the alarm that nothing is signed


def origin(context: Context, head: store.Head) -> str:
    """The name under which the log's checkpoints are signed now."""
    return origin_of(context.log_origin, head.epoch)


def view_id(context: Identity, head: store.Head) -> bytes:
    """The id under which gateways echo it."""
    return later_log_id(context.log_id, head.epoch)


def check_continues(conn: Connection, context: Context, head: store.Head) -> None:
    """Raises LogSetBack when the log's key signed something that this log does not lead to."""
    seen = None if context.signed is None else signed_file.read(context.signed)
    if seen is not None and not _leads_to(conn, context, head, seen):
        raise set_back(context, head, seen)


def check_all(conn: Connection, contexts: Sequence[Context]) -> None:
    """The same for every community, before anything is served."""
    for context in contexts:
        check_continues(conn, context, _head(conn, context))


def continues(conn: Connection, context: Context) -> bool:
    """Whether all that the key ever signed, as far as its record goes, is in this log; False without a record."""
    seen = None if context.signed is None else signed_file.read(context.signed)
    return seen is not None and _leads_to(conn, context, _head(conn, context), seen)


def is_signed(context: Context, note: bytes) -> bool:
    """Whether the log's own key signed this checkpoint, under the name of any epoch."""
    try:
        open_in_any_epoch(note, context.log_origin, public_key_of(context.keys.log))
    except ProtocolError:
        return False
    return True


def saw(conn: Connection, context: Context, said: Checkpoint) -> None:
    """Somebody brings a checkpoint that our key signed and that is not kept here. Raises when it says too much.

    Conflict: it is of an epoch that was left. LogSetBack: this database is too old for it, which is written down, so
    that nothing more is signed.
    """
    head = _head(conn, context)
    epoch = epoch_in(said.origin, context.log_origin) or 0
    if epoch < head.epoch:
        left = f"of size {said.size} is of the log before it was set back; fetch /log/checkpoint, and keep this one"
        raise Conflict("checkpoint", left)
    if epoch > head.epoch or said.size > head.size:
        seen = Signed(said.origin, said.size, said.root.hex())
        if context.signed is not None:
            signed_file.write(context.signed, seen)
        raise set_back(context, head, seen)


def set_back(context: Context, head: store.Head, seen: Signed) -> LogSetBack:
    """What is wrong, in words, and what to do."""
    why = f"its key signed {seen.size} entries as {seen.origin}, and this database has {head.size} as "
    why += f"{origin(context, head)}: it is older than what was signed, or another one. To sign on would fork the log. "
    why += f"If it was restored, run `tallystick log begin-epoch --community {context.community}`, then serve again"
    return LogSetBack(f"log of {context.community}", why)


def _leads_to(conn: Connection, context: Context, head: store.Head, seen: Signed) -> bool:
    epoch = epoch_in(seen.origin, context.log_origin)
    if epoch is None or epoch > head.epoch:
        return False
    if epoch < head.epoch:
        return True  # the epochs since were begun by the community itself, in `begin`
    if seen.size > head.size:
        return False
    root = head.root if seen.size == head.size else store.checkpoint_root(conn, context.community, seen.size)
    if root is None:
        root = _root(conn, context.community, seen.size)
    return root.hex() == seen.root


def _root(conn: Connection, community: str, size: int) -> bytes:
    tree = CompactRange()
    for leaf in store.leaf_hashes(conn, community, 0, size):
        tree = tree.append(H32(leaf))
    return tree.root()


def begin(conn: Connection, context: Context, entropy: Entropy, now_ms: int, why: str) -> store.Head:
    """A new epoch from the log as it is here; its first leaf says so, signed by the community's root."""
    head = store.lock_head(conn, context.community)
    if head is None:
        raise NotFound("community", f"{context.community!r} has no log")
    seen = None if context.signed is None else signed_file.read(context.signed)
    before = 0 if seen is None else epoch_in(seen.origin, context.log_origin) or 0
    lost: tuple[LostCheckpoint, ...] = ()
    if seen is not None and not _leads_to(conn, context, head, seen):
        lost = (LostCheckpoint(before, seen.size, H32(bytes.fromhex(seen.root))),)
    record = Continuation(
        nonce=entropy.bytes(NONCE_BYTES),
        log=context.log_id,
        epoch=max(now_ms // 1000, head.epoch + 1, before + 1),
        from_epoch=head.epoch,
        size=head.size,
        root=H32(head.root),
        lost=lost,
        why=why,
    )
    envelope = cose.sign(context.keys.root, cose.ContentType.CONTINUATION, record.encode())
    h = cose.parse(envelope).hash
    (leaf,) = service.append(conn, context.community, [service.Entry(LogType.CONTINUATION, h)], now_ms)
    if leaf != record.size:
        raise InvariantError(f"the continuation of {context.community} became leaf {leaf} instead of {record.size}")
    row = {"community": context.community, "epoch": record.epoch, "h": h, "envelope": envelope, "leaf": leaf}
    conn.execute(insert(log_epoch), {**row, "begun_ms": now_ms})
    store.enter_epoch(conn, context.community, record.epoch)
    clear_alarm(conn, context.community, SET_BACK, now_ms)
    return _head(conn, context)


def continuations(conn: Connection, community: str) -> list[tuple[bytes, int]]:
    """(envelope, leaf) of every record that the log was set back, in its order."""
    rows = conn.execute(
        select(log_epoch.c.envelope, log_epoch.c.leaf)
        .where(log_epoch.c.community == community)
        .order_by(log_epoch.c.leaf)
    )
    return [(bytes(envelope), int(leaf)) for envelope, leaf in rows]


def _head(conn: Connection, context: Context) -> store.Head:
    head = store.read_head(conn, context.community)
    if head is None:
        raise NotFound("community", f"{context.community!r} has no log")
    return head
