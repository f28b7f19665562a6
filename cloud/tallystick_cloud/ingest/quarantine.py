"""SQL of parts that are set aside: which wait, in which order they came, what an operator is shown of them.

It never changes a part's bytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, literal_column, select, update
from tallystick_protocol.batch import OpenedUpload, SealedPart, Upload, open_upload
from tallystick_protocol.codes import Reason

from tallystick_cloud.schema import batch, exception, gateway, part

from .bench import GATEWAY_CHANNEL

RETRIED = (
    Reason.INTERNAL,
    Reason.HELD,
    Reason.UNSUPPORTED,
    Reason.MALFORMED,
    Reason.NO_DESCRIPTOR,
    Reason.PART_HASH,
    Reason.ABSENT,
    Reason.GENERATION_UNEXPLAINED,
    Reason.SERIAL_UNEXPECTED,
)
"""Reasons that end when the program, the meter plan or the bytes are better, or when a part that was missing says what
another one lacked; the others are about what was measured."""
IS_QUARANTINED = part.c.standing == literal_column("'quarantined'")
"""Written into the statement: a bound value would keep both databases from the index that holds only these rows."""
_NAMES = [reason.name for reason in RETRIED]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One part in quarantine, for the operator."""

    gateway: str
    gid: str
    epoch: int
    seq: int
    part: int
    channel: int | None
    reason: str
    detail: str
    since_ms: int
    is_retried: bool


def waiting(conn: Connection, gid: bytes) -> dict[bytes, list[Any]]:
    """batch -> rows (position, reason) of its parts that a retry looks at."""
    found: dict[bytes, list[Any]] = {}
    rows = conn.execute(
        select(part.c.batch, part.c.position, part.c.reason)
        .where(part.c.gid == gid, IS_QUARANTINED, part.c.reason.in_(_NAMES), part.c.data.is_not(None))
        .order_by(part.c.batch, part.c.position)
    )
    for row in rows:
        found.setdefault(bytes(row.batch), []).append(row)
    return found


def held_parts(conn: Connection, gid: bytes, number: int) -> list[bytes]:
    """Parts of a held channel that wait, in the order of the log."""
    rows = conn.execute(
        select(part.c.data)
        .join(batch, batch.c.hash == part.c.batch)
        .where(part.c.gid == gid, part.c.channel == number, IS_QUARANTINED, part.c.data.is_not(None))
        .where(part.c.reason.in_([Reason.INTERNAL.name, Reason.HELD.name]))
        .order_by(batch.c.leaf, part.c.position)
    )
    return [bytes(data) for data in rows.scalars()]


def batches(
    conn: Connection, gid: bytes, waiting: Iterable[bytes], held_since_ms: int | None
) -> list[tuple[bytes, int]]:
    """(hash, when it came) in the order of the log: those with waiting parts, and since a channel is held also those
    with events of the gateway itself, which may give readings their time."""
    wanted = set(waiting)
    if held_since_ms is not None:
        rows = conn.execute(
            select(part.c.batch)
            .join(batch, batch.c.hash == part.c.batch)
            .where(part.c.gid == gid, part.c.channel == GATEWAY_CHANNEL, part.c.standing == "read")
            .where(batch.c.received_ms >= held_since_ms)
        )
        wanted |= {bytes(h) for h in rows.scalars()}
    found = conn.execute(select(batch.c.hash, batch.c.received_ms).where(batch.c.gid == gid).order_by(batch.c.leaf))
    return [(bytes(h), came_ms) for h, came_ms in found if bytes(h) in wanted]


def reopen(conn: Connection, h: bytes) -> OpenedUpload:
    """A stored batch taken apart as this program reads it; what was erased or never came is None."""
    envelope = conn.execute(select(batch.c.envelope).where(batch.c.hash == h)).scalar_one()
    rows = {row.position: row for row in conn.execute(select(part).where(part.c.batch == h))}
    parts = [
        SealedPart(bytes(row.salt), bytes(row.data)) if row is not None and row.data is not None else None
        for row in (rows.get(position) for position in range(max(rows, default=-1) + 1))
    ]
    return open_upload(Upload(bytes(envelope), tuple(parts)).encode())


def close(conn: Connection, h: bytes, positions: Sequence[int], now_ms: int) -> None:
    """Their rows among the exceptions are over; whatever is still wrong opens new ones."""
    where = (exception.c.batch == h) & exception.c.position.in_(list(positions)) & (exception.c.state == "quarantined")
    conn.execute(update(exception).where(where).values(state="closed", closed_ms=now_ms))


def at(conn: Connection, gid: bytes, epoch: int, seq: int, position: int) -> Any:
    """(batch, standing, reason) of one part; None when there is none. Two forks of one number: the accepted one."""
    return conn.execute(
        select(part.c.batch, part.c.standing, part.c.reason)
        .join(batch, batch.c.hash == part.c.batch)
        .where(batch.c.gid == gid, batch.c.epoch == epoch, batch.c.seq == seq, part.c.position == position)
        .order_by(batch.c.leaf)
    ).first()


def give_up(conn: Connection, h: bytes, position: int, words: str, now_ms: int) -> None:
    """It waits no more; what was wrong with it stays among the exceptions, with the words of who decided."""
    conn.execute(update(part).where(part.c.batch == h, part.c.position == position).values(standing="skipped"))
    where = (exception.c.batch == h) & (exception.c.position == position) & (exception.c.state == "quarantined")
    detail = func.coalesce(exception.c.detail + "; ", "") + words
    conn.execute(
        update(exception).where(where).values(state="closed", closed_ms=now_ms, resolution="skip", detail=detail)
    )


def readable(conn: Connection, h: bytes, is_readable: bool) -> None:
    """A batch that an older program could not read is one like the others now."""
    if is_readable:
        where = (batch.c.hash == h) & (batch.c.standing == "unsupported")
        conn.execute(update(batch).where(where).values(standing="posted"))


def reasons(conn: Connection, gid: bytes) -> set[str]:
    """Names of the reasons for which parts of a gateway wait."""
    rows = conn.execute(select(part.c.reason).where(part.c.gid == gid, IS_QUARANTINED).distinct())
    return {str(reason) for reason in rows.scalars()}


def gateways_of(conn: Connection, community: str) -> list[bytes]:
    """Gateways of which a part waits that a retry looks at."""
    rows = conn.execute(
        select(part.c.gid)
        .where(part.c.community == community, IS_QUARANTINED, part.c.reason.in_(_NAMES))
        .where(part.c.data.is_not(None))
        .distinct()
        .order_by(part.c.gid)
    )
    return [bytes(gid) for gid in rows.scalars()]


def listed(conn: Connection, community: str, limit: int) -> list[Waiting]:
    """Parts in quarantine, oldest first."""
    about = and_(
        exception.c.batch == part.c.batch, exception.c.position == part.c.position, exception.c.state == "quarantined"
    )
    rows = conn.execute(
        select(part.c.position, part.c.channel, part.c.reason, batch.c.epoch, batch.c.seq, batch.c.received_ms,
               gateway.c.name, gateway.c.gid, exception.c.detail)
        .join(batch, batch.c.hash == part.c.batch)
        .join(gateway, gateway.c.gid == part.c.gid)
        .outerjoin(exception, about)
        .where(part.c.community == community, IS_QUARANTINED)
        .order_by(batch.c.received_ms, batch.c.leaf, part.c.position)
        .limit(limit)
    )  # fmt: skip
    return [
        Waiting(row.name, bytes(row.gid).hex(), row.epoch, row.seq, row.position, row.channel,
                row.reason.lower().replace("_", "-"), row.detail or "", row.received_ms, row.reason in _NAMES)
        for row in rows
    ]  # fmt: skip
