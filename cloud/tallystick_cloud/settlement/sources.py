"""SQL of what a settlement is made of: uses with their standing ratings, counters, parts, channels and their heads.

It never changes anything.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from tallystick_cloud.ledger.model import position_of
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    batch,
    channel,
    descriptor,
    dispute,
    exception,
    in_order,
    part,
    reversal,
    settled_use,
    standing,
    use,
)

_SETTLED = (
    select(settled_use.c.use_id, func.max(settled_use.c.number).label("n")).group_by(settled_use.c.use_id).subquery()
)
_REVERSED = (
    reversal.c.at_ms.label("reversed_ms"),
    reversal.c.why.label("reversed_why"),
    reversal.c.h.label("reversal"),
)
_AS_SETTLED = (
    select(
        standing,
        settled_use.c.settlement.label("settled_in"),
        settled_use.c.leaf.label("settled_leaf"),
        settled_use.c.fee.label("settled_fee"),
        settled_use.c.shares.label("settled_shares"),
        settled_use.c.counters.label("settled_counters"),
        *_REVERSED,
    )
    .join(_SETTLED, _SETTLED.c.use_id == standing.c.use_id)
    .join(settled_use, and_(settled_use.c.use_id == standing.c.use_id, settled_use.c.number == _SETTLED.c.n))
    .outerjoin(reversal, reversal.c.use_id == standing.c.use_id)
)


def fresh_uses(conn: Connection, chain: bytes, to_ms: int) -> list[Any]:
    """Uses of a chain that ended until `to_ms` and stand in no settlement yet, each with its standing rating."""
    return list(
        conn.execute(
            select(standing, *_REVERSED)
            .outerjoin(settled_use, settled_use.c.use_id == standing.c.use_id)
            .outerjoin(reversal, reversal.c.use_id == standing.c.use_id)
            .where(standing.c.chain == chain, standing.c.end_ms <= to_ms, settled_use.c.use_id.is_(None))
            .order_by(*in_order(standing))
        )
    )


def settled_uses(conn: Connection, chain: bytes, since: bytes) -> list[Any]:
    """Settled uses from a position on, as they stand and (settled_*) as the newest settlement had them."""
    mine = settled_use.c.chain == chain, settled_use.c.position >= since
    return list(conn.execute(_AS_SETTLED.where(*mine).order_by(settled_use.c.position)))


def first_reversed(conn: Connection, chain: bytes) -> bytes | None:
    """Position of the first use that was reversed, and that no settlement holds as reversed yet."""
    found = conn.execute(
        select(*in_order(use))
        .join(reversal, reversal.c.use_id == use.c.use_id)
        .where(reversal.c.chain == chain, reversal.c.h.is_(None))
        .order_by(*in_order(use))
        .limit(1)
    ).one_or_none()
    return None if found is None else position_of(found)


def first_disputed_ms(conn: Connection, chain: bytes) -> int | None:
    """When the oldest use ended that is in dispute, or reversed and in no settlement yet."""
    waits = or_(
        use.c.use_id.in_(select(dispute.c.use_id).where(dispute.c.chain == chain, dispute.c.state == "open")),
        use.c.use_id.in_(select(reversal.c.use_id).where(reversal.c.chain == chain, reversal.c.h.is_(None))),
    )
    return conn.execute(select(func.min(use.c.end_ms)).where(use.c.chain == chain, waits)).scalar_one_or_none()


def reversed_ids(conn: Connection, chain: bytes) -> set[bytes]:
    return {bytes(one) for one in conn.execute(select(reversal.c.use_id).where(reversal.c.chain == chain)).scalars()}


def settled_uses_of(conn: Connection, ids: Iterable[bytes]) -> list[Any]:
    """The same for certain uses."""
    wanted = sorted(ids)
    found: list[Any] = []
    for at in range(0, len(wanted), IN_MAX):
        found += conn.execute(_AS_SETTLED.where(standing.c.use_id.in_(wanted[at : at + IN_MAX])))
    return found


def settled_ids(conn: Connection, chain: bytes, payer: bytes, after_ms: int, to_ms: int) -> set[bytes]:
    """Settled uses of a payer that ended in (after_ms, to_ms]."""
    rows = conn.execute(
        select(use.c.use_id)
        .join(_SETTLED, _SETTLED.c.use_id == use.c.use_id)
        .where(use.c.chain == chain, use.c.payer == payer, use.c.end_ms > after_ms, use.c.end_ms <= to_ms)
    )
    return {bytes(found) for found in rows.scalars()}


def uses_of(conn: Connection, h: bytes) -> list[Any]:
    """Rows of use with leaf and billing part, for one settlement."""
    columns = [settled_use.c.leaf.label("settled_leaf"), settled_use.c.part.label("settled_part")]
    return list(
        conn.execute(
            select(use, *columns, *_REVERSED)
            .join(settled_use, settled_use.c.use_id == use.c.use_id)
            .outerjoin(reversal, reversal.c.use_id == use.c.use_id)
            .where(settled_use.c.settlement == h)
            .order_by(settled_use.c.position)
        )
    )


def parts_of(conn: Connection, batches: Sequence[bytes]) -> list[Any]:
    """Rows of part of these batches, in order."""
    found: list[Any] = []
    for at in range(0, len(batches), IN_MAX):
        wanted = list(batches[at : at + IN_MAX])
        found += conn.execute(select(part).where(part.c.batch.in_(wanted)).order_by(part.c.batch, part.c.position))
    return found


# ------------------------------------------------------------ channels


def channels(conn: Connection, community: str) -> list[Any]:
    return list(conn.execute(select(channel).where(channel.c.community == community).order_by(channel.c.channel_hash)))


def batch_rows(conn: Connection, gid: bytes) -> list[Any]:
    """(epoch, seq, hash) of all batches of a gateway that stand in the log and are no fork."""
    return list(
        conn.execute(
            select(batch.c.epoch, batch.c.seq, batch.c.hash)
            .where(batch.c.gid == gid, batch.c.leaf.is_not(None), batch.c.standing != "fork")
            .order_by(batch.c.epoch, batch.c.seq)
        )
    )


def descriptor_head(conn: Connection, gid: bytes, number: int) -> bytes | None:
    return conn.execute(
        select(descriptor.c.h)
        .where(descriptor.c.gid == gid, descriptor.c.channel == number)
        .order_by(descriptor.c.leaf.desc())
        .limit(1)
    ).scalar_one_or_none()


def exceptions(conn: Connection, channel_hash: bytes) -> list[Any]:
    """What was set aside of a channel and is not closed."""
    return list(
        conn.execute(
            select(exception)
            .where(exception.c.channel_hash == channel_hash, exception.c.state != "closed")
            .order_by(exception.c.id)
        )
    )
