"""SQL of unclaimed money: the community's rule, what was moved and claimed, and since when accounts stand.

It never decides what may be moved.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, select, update

from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.schema import balance, party_account, payout, posting, unclaimed, unclaimed_rule

ERASED = ""
"""What stands for words that are gone; nobody can say nothing, so it means only that."""


def rule(conn: Connection, community: str) -> Any:
    """The row, or None where nothing was decided."""
    return conn.execute(select(unclaimed_rule).where(unclaimed_rule.c.community == community)).one_or_none()


def put_rule(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(delete(unclaimed_rule).where(unclaimed_rule.c.community == row["community"]))
    conn.execute(insert(unclaimed_rule), dict(row))


def insert_moved(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(unclaimed), dict(row))


def mark_claimed(conn: Connection, number: bytes, **columns: object) -> None:
    conn.execute(update(unclaimed).where(unclaimed.c.id == number).values(**columns))


def listed(conn: Connection, community: str) -> Sequence[Any]:
    """All, those that wait first, then by time."""
    query = select(unclaimed).where(unclaimed.c.community == community)
    order = (unclaimed.c.claimed_ms.is_not(None), unclaimed.c.moved_ms, unclaimed.c.id)
    return conn.execute(query.order_by(*order)).all()


def moves_since(conn: Connection, line: Line, after_ms: int) -> tuple[int, int]:
    """(sum, sum of the positive ones alone) of a line's postings recorded after a moment: nano."""
    amount = posting.c.amount
    row = conn.execute(
        select(
            func.coalesce(func.sum(amount), 0), func.coalesce(func.sum(case((amount > 0, amount), else_=0)), 0)
        ).where(
            posting.c.party == line.party,
            posting.c.recorded_ms > after_ms,
            posting.c.holder == line.holder,
            posting.c.account == line.account.value,
            posting.c.chain == line.chain,
            posting.c.unit == line.unit,
        )
    ).one()
    return int(row[0]), int(row[1])


def account_spans(conn: Connection, community: str) -> dict[bytes, list[tuple[int, int | None]]]:
    """party -> [from, to) of each bank account that it ever had; to None: still valid."""
    found: dict[bytes, list[tuple[int, int | None]]] = {}
    of = party_account.c
    query = select(of.party, of.valid_from_ms, of.valid_to_ms).where(of.community == community)
    for party, from_ms, to_ms in conn.execute(query):
        found.setdefault(bytes(party), []).append((from_ms, to_ms))
    return found


def last_payouts(conn: Connection, community: str) -> dict[bytes, tuple[str, int]]:
    """party -> (outcome, when) of the newest payout to it that a bank decided."""
    rows = conn.execute(
        select(payout.c.party, payout.c.outcome, payout.c.outcome_ms)
        .where(payout.c.community == community, payout.c.outcome.is_not(None))
        .order_by(payout.c.outcome_ms, payout.c.id)
    )
    return {bytes(party): (outcome, at_ms) for party, outcome, at_ms in rows}


def standing(conn: Connection, community: str) -> dict[Line, int]:
    """What stands on the unclaimed accounts, as what is owed: positive nano."""
    rows = conn.execute(
        select(balance).where(balance.c.community == community, balance.c.account == Account.UNCLAIMED.value)
    )
    return {
        Line(bytes(row.holder), Account.UNCLAIMED, bytes(row.party), bytes(row.chain), row.unit): -row.amount
        for row in rows
        if row.amount
    }


def forget(conn: Connection, community: str, party: bytes) -> int:
    """What was said about a person whose money was moved or claimed; how many rows lost words. Why it could not be paid
    stays, in one of three words."""
    has_words = (unclaimed.c.why != ERASED) | (unclaimed.c.identity.is_not(None) & (unclaimed.c.identity != ERASED))
    mine = (unclaimed.c.community == community, unclaimed.c.party == party, has_words)
    told = case((unclaimed.c.identity.is_(None), None), else_=ERASED)
    return conn.execute(update(unclaimed).where(*mine).values(why=ERASED, identity=told)).rowcount
