"""SQL of the log: its head, its leaves, its checkpoints.

It never changes a leaf, and the head is the last lock of every transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from tallystick_cloud import bulk
from tallystick_cloud.schema import checkpoint, log_head, log_leaf


@dataclass(frozen=True, slots=True)
class Head:
    size: int
    range: bytes
    root: bytes
    appended_ms: int
    epoch: int = 0  # 0, or seconds UTC since the log goes on after it was set back


_HEAD = select(log_head.c.size, log_head.c.range, log_head.c.root, log_head.c.appended_ms, log_head.c.epoch).where(
    log_head.c.community == bindparam("c")
)
_HEAD_LOCKED = _HEAD.with_for_update()
_MOVE = (
    update(log_head)
    .where(log_head.c.community == bindparam("c"))
    .values(size=bindparam("n"), range=bindparam("r"), root=bindparam("h"), appended_ms=bindparam("t"))
)
_NEWEST = (
    select(checkpoint.c.size, checkpoint.c.note, checkpoint.c.signed_ms)
    .where(checkpoint.c.community == bindparam("c"))
    .order_by(checkpoint.c.size.desc())
    .limit(1)
)


def insert_head(conn: Connection, community: str, head: Head) -> None:
    conn.execute(
        insert(log_head),
        {
            "community": community,
            "size": head.size,
            "range": head.range,
            "root": head.root,
            "appended_ms": head.appended_ms,
            "epoch": head.epoch,
        },
    )


def lock_head(conn: Connection, community: str) -> Head | None:
    row = conn.execute(_HEAD_LOCKED, {"c": community}).one_or_none()
    return None if row is None else Head(*row)


def read_head(conn: Connection, community: str) -> Head | None:
    row = conn.execute(_HEAD, {"c": community}).one_or_none()
    return None if row is None else Head(*row)


def move_head(conn: Connection, community: str, head: Head) -> None:
    conn.execute(_MOVE, {"c": community, "n": head.size, "r": head.range, "h": head.root, "t": head.appended_ms})


def enter_epoch(conn: Connection, community: str, epoch: int) -> None:
    conn.execute(update(log_head).where(log_head.c.community == community).values(epoch=epoch))


def checkpoint_root(conn: Connection, community: str, size: int) -> bytes | None:
    """The root that was signed for a size here, if one was."""
    found = conn.execute(
        select(checkpoint.c.root).where(checkpoint.c.community == community, checkpoint.c.size == size)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def insert_leaves(conn: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """rows: in the order of the table's columns."""
    bulk.insert_rows(conn, log_leaf, rows)


def leaf_of(conn: Connection, community: str, h: bytes) -> int | None:
    return conn.execute(
        select(log_leaf.c.leaf).where(log_leaf.c.community == community, log_leaf.c.h == h)
    ).scalar_one_or_none()


def leaf_hashes(conn: Connection, community: str, first: int, end: int) -> list[bytes]:
    """Leaf hashes of first <= leaf < end, in order."""
    rows = conn.execute(
        select(log_leaf.c.leaf_hash)
        .where(log_leaf.c.community == community, log_leaf.c.leaf >= first, log_leaf.c.leaf < end)
        .order_by(log_leaf.c.leaf)
    )
    return list(rows.scalars())


def leaf_entries(conn: Connection, community: str, first: int, end: int) -> list[tuple[int, bytes]]:
    """(type, h) of first <= leaf < end, in order."""
    rows = conn.execute(
        select(log_leaf.c.type, log_leaf.c.h)
        .where(log_leaf.c.community == community, log_leaf.c.leaf >= first, log_leaf.c.leaf < end)
        .order_by(log_leaf.c.leaf)
    )
    return [(int(kind), bytes(h)) for kind, h in rows]


def newest_checkpoint(conn: Connection, community: str) -> tuple[int, bytes, int] | None:
    """(size, note, signed ms) of the newest signed checkpoint."""
    row = conn.execute(_NEWEST, {"c": community}).one_or_none()
    return None if row is None else (int(row[0]), bytes(row[1]), int(row[2]))


def insert_checkpoint(conn: Connection, community: str, size: int, root: bytes, note: bytes, now_ms: int) -> None:
    conn.execute(
        insert(checkpoint),
        {"community": community, "size": size, "root": root, "note": note, "signed_ms": now_ms},
    )


def refresh_checkpoint(conn: Connection, community: str, size: int, note: bytes, now_ms: int) -> None:
    """A daily signature of a head that did not move."""
    conn.execute(
        update(checkpoint)
        .where(checkpoint.c.community == community, checkpoint.c.size == size)
        .values(note=note, signed_ms=now_ms)
    )
