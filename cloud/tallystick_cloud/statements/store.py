"""SQL of statements: what was signed for a party, its payouts, and since when the community runs.

It never reads a use; those come through uses/access.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select
from tallystick_protocol.statement import Statement

from tallystick_cloud.schema import (
    bank_payment,
    cost_bill,
    cost_share,
    journal,
    payout,
    pool_close,
    pool_statement,
    posting,
    settlement,
    settlement_leaf,
    statement,
)
from tallystick_cloud.settlement.model import TreeKey


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed statement of the party with the settlement that it stands in; `data` None: it was erased."""

    h: bytes
    chain: bytes
    number: int
    settlement: bytes
    from_ms: int
    to_ms: int
    closed_ms: int
    opening: int
    closing: int
    data: bytes | None

    @property
    def message(self) -> Statement | None:
        """Read when asked for: it has a line for each use."""
        return None if self.data is None else Statement.decode(self.data)


def signed(conn: Connection, community: str, party: bytes) -> list[Signed]:
    """All statements of a party, oldest first."""
    leaf = settlement_leaf
    rows = conn.execute(
        select(statement, settlement.c.number, settlement.c.from_ms, settlement.c.to_ms, settlement.c.closed_ms,
               leaf.c.data)
        .join(settlement, settlement.c.h == statement.c.settlement)
        .outerjoin(leaf, and_(leaf.c.settlement == statement.c.settlement, leaf.c.ref == statement.c.h,
                              leaf.c.tree == int(TreeKey.STATEMENTS)))
        .where(statement.c.community == community, statement.c.party == party)
        .order_by(settlement.c.to_ms, statement.c.chain)
    )  # fmt: skip
    return [
        Signed(
            bytes(row.h), bytes(row.chain), row.number, bytes(row.settlement), row.from_ms, row.to_ms, row.closed_ms,
            row.opening, row.closing, None if row.data is None else bytes(row.data),
        )
        for row in rows
    ]  # fmt: skip


def payouts(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """Payouts to the party that a bank has had, oldest first."""
    return conn.execute(
        select(payout)
        .where(payout.c.community == community, payout.c.party == party, payout.c.sent_ms.is_not(None))
        .order_by(payout.c.sent_ms, payout.c.id)
    ).all()


def payments(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """What the party paid, per contract, oldest first."""
    return conn.execute(
        select(bank_payment)
        .where(bank_payment.c.community == community, bank_payment.c.party == party)
        .order_by(bank_payment.c.booked_ms, bank_payment.c.id)
    ).all()


def bills(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """The party's shares of bills with the bill of each, oldest first."""
    bill = cost_bill.c
    return conn.execute(
        select(cost_share, bill.chain, bill.name, bill.bill.label("bill_id"), bill.cents.label("bill_cents"),
               bill.collector, bill.unit, bill.decision_ref, bill.posted_ms, bill.reversed_ms)
        .join(cost_bill, bill.id == cost_share.c.bill)
        .where(cost_share.c.community == community, cost_share.c.party == party, bill.collector != party)
        .order_by(bill.posted_ms, bill.id, cost_share.c.position)
    ).all()  # fmt: skip


def supplied(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """Bills that are owed to the party, oldest first."""
    return conn.execute(
        select(cost_bill)
        .where(cost_bill.c.community == community, cost_bill.c.supplier == party)
        .order_by(cost_bill.c.posted_ms, cost_bill.c.id)
    ).all()


def pools(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """The party's statements in closes of pools with the close of each, oldest first."""
    close = pool_close.c
    return conn.execute(
        select(pool_statement, close.chain, close.h.label("close_h"), close.from_ms, close.to_ms, close.kind,
               close.closed_ms)
        .join(pool_close, close.id == pool_statement.c.close)
        .where(pool_statement.c.community == community, pool_statement.c.party == party)
        .order_by(close.id)
    ).all()  # fmt: skip


def first_booked_ms(conn: Connection, community: str, party: bytes) -> int | None:
    """When anything was first booked for the party."""
    found = conn.execute(
        select(func.min(journal.c.metered_from_ms))
        .join(posting, posting.c.journal == journal.c.id)
        .where(posting.c.community == community, posting.c.party == party)
    ).scalar_one_or_none()
    return None if found is None else int(found)
