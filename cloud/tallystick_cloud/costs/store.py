"""SQL of shared bills and what each stay pays of them.

It never deletes; a bill is marked as reversed once.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, insert, select, update
from tallystick_protocol.money.cost import By

from tallystick_cloud.schema import community as communities
from tallystick_cloud.schema import cost_bill, cost_leaf, cost_settlement, cost_share

from .words import Measure


@dataclass(frozen=True, slots=True)
class StoredBill:
    """A row of cost_bill; see there for units."""

    id: bytes
    bill: str
    content: bytes
    chain: bytes
    name: str
    decision_ref: str
    collector: bytes
    supplier: bytes | None
    cents: int
    first_day: date
    last_day: date
    posted_by: bytes
    posted_ms: int
    reversed_ms: int | None
    reversed_why: str | None


@dataclass(frozen=True, slots=True)
class StoredShare:
    """A row of cost_share."""

    party: bytes
    asset: str
    first_day: date
    last_day: date
    people: int
    cents: int
    parts: str


def insert_bill(conn: Connection, row: Mapping[str, object], shares: Sequence[Mapping[str, object]]) -> None:
    conn.execute(insert(cost_bill), dict(row))
    conn.execute(insert(cost_share), [dict(one) for one in shares])


def mark_reversed(conn: Connection, bill: bytes, by: bytes, why: str, now_ms: int) -> None:
    values = {"reversed_by": by, "reversed_why": why, "reversed_ms": now_ms}
    conn.execute(update(cost_bill).where(cost_bill.c.id == bill).values(values))


def bills(conn: Connection, community: str) -> list[StoredBill]:
    """All, the newest first."""
    rows = conn.execute(
        select(cost_bill)
        .where(cost_bill.c.community == community)
        .order_by(cost_bill.c.posted_ms.desc(), cost_bill.c.bill)
    )
    return [_bill(row) for row in rows]


def shares(conn: Connection, bill: bytes) -> list[StoredShare]:
    rows = conn.execute(select(cost_share).where(cost_share.c.bill == bill).order_by(cost_share.c.position))
    return [
        StoredShare(
            bytes(row.party), row.asset, date.fromisoformat(row.first_day), date.fromisoformat(row.last_day),
            row.people, row.cents, row.parts,
        )
        for row in rows
    ]  # fmt: skip


def measures_of(parts: str) -> tuple[Measure, ...]:
    """How a share came about, from the column."""
    return tuple(
        Measure(Fraction(portion), By(by), Fraction(own), Fraction(total))
        for portion, by, own, total in json.loads(parts)
    )


def document_of(conn: Connection, bill: bytes) -> str:
    """The file that was posted."""
    return str(conn.execute(select(cost_bill.c.document).where(cost_bill.c.id == bill)).scalar_one())


def signed(conn: Connection, bill: bytes) -> list[Any]:
    """What was signed of a bill: it, then what takes it back."""
    query = select(cost_settlement).where(cost_settlement.c.bill == bill).order_by(cost_settlement.c.leaf)
    return list(conn.execute(query))


def insert_signed(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(cost_settlement), dict(row))


def leaves(conn: Connection, bill: bytes) -> list[Any]:
    """The leaves of a signed bill, in the order of its tree."""
    return list(conn.execute(select(cost_leaf).where(cost_leaf.c.bill == bill).order_by(cost_leaf.c.leaf)))


def insert_leaves(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    conn.execute(insert(cost_leaf), [dict(one) for one in rows])


def supplied_chains(conn: Connection, community: str) -> set[bytes]:
    """Cost pools with a bill that is owed to a supplier."""
    rows = conn.execute(
        select(cost_bill.c.chain).where(cost_bill.c.community == community, cost_bill.c.supplier.is_not(None))
    )
    return {bytes(chain) for chain in rows.scalars()}


def zone_of(conn: Connection, community: str) -> str:
    return str(conn.execute(select(communities.c.zone).where(communities.c.id == community)).scalar_one())


def _bill(row: Any) -> StoredBill:
    return StoredBill(
        id=bytes(row.id),
        bill=row.bill,
        content=bytes(row.content),
        chain=bytes(row.chain),
        name=row.name,
        decision_ref=row.decision_ref,
        collector=bytes(row.collector),
        supplier=None if row.supplier is None else bytes(row.supplier),
        cents=row.cents,
        first_day=date.fromisoformat(row.first_day),
        last_day=date.fromisoformat(row.last_day),
        posted_by=bytes(row.posted_by),
        posted_ms=row.posted_ms,
        reversed_ms=row.reversed_ms,
        reversed_why=row.reversed_why,
    )
