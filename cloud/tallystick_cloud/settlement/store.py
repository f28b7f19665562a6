"""SQL of settlements, their leaves, what uses were settled as, statements, tags and decisions.

It never changes a settlement, and it deletes nothing but a payer's tags when that payer is erased.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update
from tallystick_protocol.ids import H32

from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    batch,
    channel,
    descriptor,
    exception,
    key_event,
    part,
    payer_tag,
    payout,
    resolution,
    settled_use,
    settlement,
    settlement_leaf,
    settlement_slice,
    statement,
    use,
    use_counter,
    use_rating,
)

from .model import LeafRow, Stored, TreeKey

Rows = list[dict[str, object]]
_NEWEST = (
    select(use_rating.c.use_id, func.max(use_rating.c.revision).label("n")).group_by(use_rating.c.use_id).subquery()
)
_SETTLED = (
    select(settled_use.c.use_id, func.max(settled_use.c.number).label("n")).group_by(settled_use.c.use_id).subquery()
)
_AS_SETTLED = (
    select(
        use,
        use_rating.c.fee,
        use_rating.c.shares,
        settled_use.c.settlement.label("settled_in"),
        settled_use.c.leaf.label("settled_leaf"),
        settled_use.c.fee.label("settled_fee"),
        settled_use.c.shares.label("settled_shares"),
        settled_use.c.counters.label("settled_counters"),
    )
    .join(_NEWEST, _NEWEST.c.use_id == use.c.use_id)
    .join(use_rating, and_(use_rating.c.use_id == use.c.use_id, use_rating.c.revision == _NEWEST.c.n))
    .join(_SETTLED, _SETTLED.c.use_id == use.c.use_id)
    .join(settled_use, and_(settled_use.c.use_id == use.c.use_id, settled_use.c.number == _SETTLED.c.n))
)


def last(conn: Connection, chain: bytes) -> Stored | None:
    rows = conn.execute(
        select(settlement).where(settlement.c.chain == chain).order_by(settlement.c.number.desc()).limit(1)
    )
    row = rows.first()
    return None if row is None else _stored(row)


def of_chain(conn: Connection, chain: bytes) -> list[Stored]:
    rows = conn.execute(select(settlement).where(settlement.c.chain == chain).order_by(settlement.c.number))
    return [_stored(row) for row in rows]


def of_community(conn: Connection, community: str) -> list[Stored]:
    """All, the newest period first."""
    rows = conn.execute(
        select(settlement)
        .where(settlement.c.community == community)
        .order_by(settlement.c.to_ms.desc(), settlement.c.chain)
    )
    return [_stored(row) for row in rows]


def insert_settlement(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(settlement), dict(row))


def insert_leaves(conn: Connection, rows: Rows) -> None:
    if rows:
        conn.execute(insert(settlement_leaf), rows)


def insert_slices(conn: Connection, rows: Rows) -> None:
    if rows:
        conn.execute(insert(settlement_slice), rows)


def insert_settled(conn: Connection, rows: Rows) -> None:
    if rows:
        conn.execute(insert(settled_use), rows)


def insert_statements(conn: Connection, rows: Rows) -> None:
    if rows:
        conn.execute(insert(statement), rows)


def leaves(conn: Connection, h: bytes, tree: TreeKey) -> list[LeafRow]:
    """All leaves of one tree, in order."""
    rows = conn.execute(
        select(settlement_leaf)
        .where(settlement_leaf.c.settlement == h, settlement_leaf.c.tree == int(tree))
        .order_by(settlement_leaf.c.position)
    )
    return [_leaf(row) for row in rows]


def slices(conn: Connection, h: bytes, use_position: int) -> list[LeafRow]:
    rows = conn.execute(
        select(settlement_slice)
        .where(settlement_slice.c.settlement == h, settlement_slice.c.use == use_position)
        .order_by(settlement_slice.c.position)
    )
    return [LeafRow(h, 0, row.position, H32(row.h), row.salt, row.data, None, None) for row in rows]


def leaves_about(conn: Connection, chain: bytes, tree: TreeKey, ref: bytes) -> list[LeafRow]:
    """Leaves of all settlements of a chain that have this reference."""
    rows = conn.execute(
        select(settlement_leaf)
        .join(settlement, settlement.c.h == settlement_leaf.c.settlement)
        .where(settlement.c.chain == chain, settlement_leaf.c.tree == int(tree), settlement_leaf.c.ref == ref)
        .order_by(settlement.c.number)
    )
    return [_leaf(row) for row in rows]


# ------------------------------------------------------------ uses


def fresh_uses(conn: Connection, chain: bytes, to_ms: int) -> list[Any]:
    """Uses of a chain that ended until `to_ms` and stand in no settlement yet, each with its standing rating."""
    return list(
        conn.execute(
            select(use, use_rating.c.fee, use_rating.c.shares)
            .join(_NEWEST, _NEWEST.c.use_id == use.c.use_id)
            .join(use_rating, and_(use_rating.c.use_id == use.c.use_id, use_rating.c.revision == _NEWEST.c.n))
            .outerjoin(settled_use, settled_use.c.use_id == use.c.use_id)
            .where(use.c.chain == chain, use.c.end_ms <= to_ms, settled_use.c.use_id.is_(None))
            .order_by(use.c.position)
        )
    )


def settled_uses(conn: Connection, chain: bytes, after: bytes) -> list[Any]:
    """Settled uses after a position, as they stand and (settled_*) as the newest settlement had them."""
    return list(conn.execute(_AS_SETTLED.where(use.c.chain == chain, use.c.position > after).order_by(use.c.position)))


def settled_uses_of(conn: Connection, ids: Iterable[bytes]) -> list[Any]:
    """The same for certain uses."""
    wanted = sorted(ids)
    found: list[Any] = []
    for at in range(0, len(wanted), IN_MAX):
        found += conn.execute(_AS_SETTLED.where(use.c.use_id.in_(wanted[at : at + IN_MAX])))
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
            select(use, *columns)
            .join(settled_use, settled_use.c.use_id == use.c.use_id)
            .where(settled_use.c.settlement == h)
            .order_by(use.c.position)
        )
    )


def counters_of(conn: Connection, ids: Sequence[bytes]) -> dict[tuple[bytes, bytes], tuple[int, int]]:
    """(use, counter) -> (before, after)."""
    found = {}
    for at in range(0, len(ids), IN_MAX):
        rows = conn.execute(select(use_counter).where(use_counter.c.use_id.in_(list(ids[at : at + IN_MAX]))))
        found.update({(bytes(row.use_id), bytes(row.counter)): (row.before, row.after) for row in rows})
    return found


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


def key_head(conn: Connection, community: str, gid: bytes) -> bytes | None:
    return conn.execute(
        select(key_event.c.h)
        .where(key_event.c.community == community, key_event.c.subject == gid)
        .order_by(key_event.c.leaf.desc())
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


# ------------------------------------------------------------ tags, statements, payouts


def tag_of(conn: Connection, chain: bytes, payer: bytes, period_ms: int) -> bytes | None:
    return conn.execute(
        select(payer_tag.c.tag).where(
            payer_tag.c.chain == chain, payer_tag.c.payer == payer, payer_tag.c.period_ms == period_ms
        )
    ).scalar_one_or_none()


def insert_tag(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(payer_tag), dict(row))


def delete_tags(conn: Connection, community: str, payer: bytes) -> None:
    conn.execute(delete(payer_tag).where(payer_tag.c.community == community, payer_tag.c.payer == payer))


def statements_of(conn: Connection, h: bytes) -> list[Any]:
    return list(conn.execute(select(statement).where(statement.c.settlement == h)))


def payouts_between(conn: Connection, chain: bytes, from_ms: int | None, to_ms: int) -> list[Any]:
    """Payouts of a chain that were sent, or came back, in [from_ms, to_ms)."""
    low = 0 if from_ms is None else from_ms
    sent = and_(payout.c.sent_ms >= low, payout.c.sent_ms < to_ms)
    back = and_(payout.c.outcome == "returned", payout.c.outcome_ms >= low, payout.c.outcome_ms < to_ms)
    return list(conn.execute(select(payout).where(payout.c.chain == chain, sent | back).order_by(payout.c.id)))


# ------------------------------------------------------------ decisions


def undone_resolutions(conn: Connection, chain: bytes, until_ms: int) -> list[Any]:
    """Decisions of a chain that no settlement has carried out yet."""
    return list(
        conn.execute(
            select(resolution)
            .where(resolution.c.chain == chain, resolution.c.settlement.is_(None), resolution.c.at_ms <= until_ms)
            .order_by(resolution.c.leaf)
        )
    )


def resolutions_of(conn: Connection, hashes: Iterable[bytes]) -> list[Any]:
    return list(conn.execute(select(resolution).where(resolution.c.h.in_(list(hashes)))))


def channel_resolutions(conn: Connection, channel_hash: bytes) -> list[Any]:
    return list(
        conn.execute(select(resolution).where(resolution.c.channel_hash == channel_hash).order_by(resolution.c.leaf))
    )


def insert_resolution(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(resolution), dict(row))


def carry_out(conn: Connection, hashes: Iterable[bytes], settlement_hash: bytes) -> None:
    for h in hashes:
        conn.execute(update(resolution).where(resolution.c.h == h).values(settlement=settlement_hash))


def _stored(row: Any) -> Stored:
    prev = None if row.prev is None else H32(bytes(row.prev))
    h, chain = H32(bytes(row.h)), H32(bytes(row.chain))
    span = (row.from_ms, row.to_ms)
    return Stored(h, chain, row.number, prev, row.unit, *span, bytes(row.envelope), row.leaf, row.closed_ms)


def _leaf(row: Any) -> LeafRow:
    return LeafRow(
        bytes(row.settlement),
        row.tree,
        row.position,
        H32(bytes(row.h)),
        None if row.salt is None else bytes(row.salt),
        None if row.data is None else bytes(row.data),
        None if row.party is None else bytes(row.party),
        None if row.ref is None else bytes(row.ref),
    )
