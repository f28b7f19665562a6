"""SQL of batches, parts, channels, open uses and exceptions.

It writes only inside the transaction that holds the gateway's head.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from tallystick_cloud.schema import batch, channel, exception, open_use, part

Values = Mapping[str, object]

_NEIGHBOURS = select(batch.c.hash, batch.c.epoch, batch.c.seq, batch.c.standing).where(
    batch.c.gid == bindparam("g"),
    (batch.c.hash.in_(bindparam("hashes", expanding=True)))
    | ((batch.c.epoch == bindparam("e")) & (batch.c.seq == bindparam("s"))),
)
_BATCH = insert(batch)
_PART = insert(part)
_CHANNELS = select(channel).where(channel.c.gid == bindparam("g"))
CHANNEL_STATE = (
    "first_total",
    "billed_total",
    "last_use",
    "last_total",
    "last_reading_ms",
    "last_pagination",
    "last_event",
    "generation",
    "base",
    "serial",
    "last_edge_ms",
    "tail",
)
_CHANNEL = (
    update(channel)
    .where(channel.c.channel_hash == bindparam("h"))
    .values({name: bindparam(f"_{name}") for name in CHANNEL_STATE})
)
_OPEN_USES = select(open_use).where(open_use.c.channel_hash.in_(bindparam("hashes", expanding=True)))


def neighbours(conn: Connection, gid: bytes, hashes: Sequence[bytes], epoch: int, seq: int) -> list[Row[Any]]:
    """Stored batches with one of the hashes or with this number."""
    return list(conn.execute(_NEIGHBOURS, {"g": gid, "hashes": list(hashes), "e": epoch, "s": seq}))


def insert_batch(conn: Connection, row: Values) -> None:
    conn.execute(_BATCH, dict(row))


def insert_parts(conn: Connection, rows: Iterable[Values]) -> None:
    found = [dict(row) for row in rows]
    if found:
        conn.execute(_PART, found)


def parts_of(conn: Connection, batch_hash: bytes) -> dict[int, tuple[str, str | None]]:
    """position -> (standing, reason)."""
    rows = conn.execute(select(part.c.position, part.c.standing, part.c.reason).where(part.c.batch == batch_hash))
    return {position: (standing, reason) for position, standing, reason in rows}


def fill_part(conn: Connection, batch_hash: bytes, position: int, values: Values) -> None:
    conn.execute(update(part).where(part.c.batch == batch_hash, part.c.position == position).values(**values))


def parts_of_channel(conn: Connection, gid: bytes, number: int, limit: int) -> list[bytes]:
    """Stored parts of a channel, newest first."""
    rows = conn.execute(
        select(part.c.data)
        .join(batch, batch.c.hash == part.c.batch)
        .where(part.c.gid == gid, part.c.channel == number, part.c.data.is_not(None))
        .order_by(batch.c.received_ms.desc(), batch.c.epoch.desc(), batch.c.seq.desc(), part.c.position.desc())
        .limit(limit)
    )
    return [bytes(data) for data in rows.scalars() if data is not None]


def batch_leaf(conn: Connection, batch_hash: bytes) -> int | None:
    return conn.execute(select(batch.c.leaf).where(batch.c.hash == batch_hash)).scalar_one_or_none()


def channels_of(conn: Connection, gid: bytes) -> dict[int, Row[Any]]:
    return {row.channel: row for row in conn.execute(_CHANNELS, {"g": gid})}


def update_channels(conn: Connection, rows: Sequence[Values]) -> None:
    """rows: `h` = channel hash, and every name of CHANNEL_STATE."""
    if rows:
        conn.execute(_CHANNEL, [dict(row) for row in rows])


def open_uses(conn: Connection, hashes: Sequence[bytes]) -> dict[tuple[bytes, int], Row[Any]]:
    if not hashes:
        return {}
    rows = conn.execute(_OPEN_USES, {"hashes": list(hashes)})
    return {(bytes(row.channel_hash), row.number): row for row in rows}


def insert_open_use(conn: Connection, row: Values) -> None:
    conn.execute(insert(open_use), dict(row))


def update_open_use(conn: Connection, channel_hash: bytes, number: int, values: Values) -> None:
    where = (open_use.c.channel_hash == channel_hash) & (open_use.c.number == number)
    conn.execute(update(open_use).where(where).values(**values))


def delete_open_use(conn: Connection, channel_hash: bytes, number: int) -> None:
    conn.execute(delete(open_use).where(open_use.c.channel_hash == channel_hash, open_use.c.number == number))


def insert_exceptions(conn: Connection, rows: Sequence[Values]) -> None:
    if rows:
        conn.execute(insert(exception), [dict(row) for row in rows])
