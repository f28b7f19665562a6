"""SQL of a party's account: postings by cause, payouts with their times, bank account, standing of capped counters.

It never reads a use; those come through uses/access.py."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from tallystick_cloud.schema import (
    journal,
    party_account,
    payout,
    payout_run,
    posting,
    settlement,
    split_part,
    split_payment,
    split_run,
    statement,
)
from tallystick_cloud.splits import store as splits

CENT_NANO = 10**7
OWED = ("payable", "fund", "payout-in-transit", "unclaimed")
TRANSIT = ("payout-in-transit",)
RECEIVABLE = ("receivable",)


def sums_before(conn: Connection, community: str, party: bytes, at_ms: int) -> dict[str, int]:
    """Account -> sum of the party's postings recorded before a moment, on accounts of what it is owed."""
    rows = conn.execute(_postings(community, party, OWED, posting.c.account).where(journal.c.recorded_ms < at_ms))
    return {account: int(amount) for account, amount in rows}


def moved(conn: Connection, community: str, party: bytes, from_ms: int, to_ms: int) -> dict[str, int]:
    """Cause of the journal -> sum of the same accounts' postings recorded in [from_ms, to_ms)."""
    rows = conn.execute(
        _postings(community, party, OWED, journal.c.cause).where(
            journal.c.recorded_ms >= from_ms, journal.c.recorded_ms < to_ms
        )
    )
    return {cause: int(amount) for cause, amount in rows}


def total(conn: Connection, community: str, party: bytes, accounts: Sequence[str], at_ms: int) -> int:
    """Sum of the party's postings on some accounts recorded before a moment."""
    rows = conn.execute(_postings(community, party, accounts, posting.c.unit).where(journal.c.recorded_ms < at_ms))
    return sum(int(amount) for _, amount in rows)


def own_books(conn: Connection, community: str, party: bytes, at_ms: int) -> int:
    """What the party is owed in its own books, as the collector or where everybody pays each other: nano."""
    rows = conn.execute(
        _postings(community, party, OWED, posting.c.unit).where(
            journal.c.recorded_ms < at_ms, posting.c.holder == party
        )
    )
    return -sum(int(amount) for _, amount in rows)


def settled(conn: Connection, community: str, party: bytes, at_ms: int) -> int:
    """What the party's newest statements closed with, less what was sent of it since: nano, per contract at least 0."""
    rows = conn.execute(
        select(statement.c.chain, statement.c.closing, settlement.c.to_ms)
        .join(settlement, settlement.c.h == statement.c.settlement)
        .where(statement.c.community == community, statement.c.party == party, settlement.c.closed_ms <= at_ms)
        .order_by(settlement.c.number)
    )
    newest = {bytes(chain): (int(closing), int(to_ms)) for chain, closing, to_ms in rows}
    sent = conn.execute(
        select(payout.c.chain, payout.c.cents, payout.c.sent_ms).where(
            payout.c.community == community, payout.c.party == party, payout.c.sent_ms <= at_ms
        )
    ).all()
    found = 0
    for chain, (closing, to_ms) in newest.items():
        since = sum(cents * CENT_NANO for of, cents, sent_ms in sent if bytes(of) == chain and sent_ms >= to_ms)
        passed_on = splits.moves(conn, community, chain=chain, party=party, from_ms=to_ms, to_ms=at_ms + 1)
        since -= sum(move.nano for move in passed_on)
        found += max(0, closing - since)
    return found


def payouts(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """Every payout of what the party was owed, with the times of its run, newest run first; no refund to a payer."""
    return conn.execute(
        select(
            payout.c.contract, payout.c.cents, payout.c.sent_ms, payout.c.outcome, payout.c.outcome_ms,
            payout_run.c.number, payout_run.c.execution_day, payout_run.c.state, payout_run.c.proposed_ms,
            payout_run.c.approved_ms, payout_run.c.closed_ms,
        )
        .join(payout_run, payout_run.c.id == payout.c.run)
        .where(payout.c.community == community, payout.c.party == party, payout.c.account.not_in(RECEIVABLE))
        .order_by(payout_run.c.number.desc(), payout.c.position)
    ).all()  # fmt: skip


def split_parts(conn: Connection, community: str, party: bytes) -> Sequence[Any]:
    """What payment providers were told to pass on to the party, by run, contract and outcome, newest run first."""
    columns = (
        split_run.c.number, split_run.c.execution_day, split_run.c.state, split_run.c.proposed_ms,
        split_run.c.approved_ms, split_run.c.sent_ms, split_run.c.closed_ms, split_payment.c.contract,
        split_payment.c.outcome, split_payment.c.outcome_ms,
    )  # fmt: skip
    return conn.execute(
        select(*columns, func.sum(split_part.c.cents).label("cents"))
        .join(split_payment, split_payment.c.id == split_part.c.payment)
        .join(split_run, split_run.c.id == split_payment.c.run)
        .where(split_part.c.community == community, split_part.c.party == party)
        .group_by(*columns)
        .order_by(split_run.c.number.desc(), split_payment.c.contract, split_payment.c.outcome_ms)
    ).all()


def has_bank_account(conn: Connection, community: str, party: bytes, at_ms: int) -> bool:
    rows = conn.execute(
        select(party_account.c.id).where(
            party_account.c.community == community,
            party_account.c.party == party,
            party_account.c.valid_from_ms <= at_ms,
            party_account.c.valid_to_ms.is_(None) | (party_account.c.valid_to_ms > at_ms),
        )
    )
    return rows.first() is not None


def _postings(community: str, party: bytes, accounts: Sequence[str], by: ColumnElement[Any]) -> Any:
    return (
        select(by, func.sum(posting.c.amount))
        .join(journal, journal.c.id == posting.c.journal)
        .where(posting.c.party == party, posting.c.community == community, posting.c.account.in_(accounts))
        .group_by(by)
    )
