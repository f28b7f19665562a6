"""SQL of settlements, their leaves, what uses were settled as, statements, tags and decisions.

It never changes a settlement, and it deletes nothing but a payer's tags when that payer is erased.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update
from tallystick_protocol.ids import H32

from tallystick_cloud.ledger.model import Account
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    payer_tag,
    payout,
    resolution,
    settled_use,
    settlement,
    settlement_leaf,
    settlement_slice,
    statement,
)

from .model import LeafRow, Stored, TreeKey

Rows = list[dict[str, object]]


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


def leaf_data(conn: Connection, h: bytes, tree: TreeKey, position: int) -> bytes | None:
    """One leaf's bytes; None where they were erased."""
    of = settlement_leaf.c
    found = conn.execute(
        select(of.data).where(of.settlement == h, of.tree == int(tree), of.position == position)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


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


def refunds(conn: Connection, ids: Sequence[bytes]) -> set[bytes]:
    """Which of these payouts gave a payer back what it had paid too much."""
    found: set[bytes] = set()
    for at in range(0, len(ids), IN_MAX):
        mine = payout.c.account == Account.RECEIVABLE.value, payout.c.id.in_(ids[at : at + IN_MAX])
        found |= {bytes(one) for one in conn.execute(select(payout.c.id).where(*mine)).scalars()}
    return found


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
