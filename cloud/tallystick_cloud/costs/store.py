"""SQL of shared bills and what each stay pays of them.

It never deletes; a bill is marked as reversed once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tallystick_cloud.schema import asset, cost_bill, cost_share
from tallystick_cloud.schema import community as communities


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


def zone_of(conn: Connection, community: str) -> str:
    return str(conn.execute(select(communities.c.zone).where(communities.c.id == community)).scalar_one())


def assets(conn: Connection, community: str) -> set[str]:
    return set(conn.execute(select(asset.c.id).where(asset.c.community == community)).scalars())


def _bill(row: Any) -> StoredBill:
    return StoredBill(
        bytes(row.id), row.bill, bytes(row.content), bytes(row.chain), row.name, row.decision_ref,
        bytes(row.collector), row.cents, date.fromisoformat(row.first_day), date.fromisoformat(row.last_day),
        bytes(row.posted_by), row.posted_ms, row.reversed_ms, row.reversed_why,
    )  # fmt: skip
