"""Posts journals that no use causes: payouts, returns, money at the bank.

It never posts one that does not sum to zero, and the same key twice is refused by the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tallystick_cloud import bulk
from tallystick_cloud.schema import journal, posting

from . import store
from .model import Account, Amounts, Line, check_zero


@dataclass(frozen=True, slots=True)
class Entry:
    """`key`: idempotency in its community; `cause` and `ref`: what it is about.

    `metered_ms`: the span that it is about, None for what happens now.
    """

    key: str
    cause: str
    ref: bytes
    lines: Amounts
    metered_ms: tuple[int, int] | None = None


def post(conn: Connection, community: str, entries: Sequence[Entry], now_ms: int) -> list[int]:
    """Ids of the journals, in order; all postings and the balances they move."""
    for entry in entries:
        check_zero(entry.lines)
    if not entries:
        return []
    period = store.open_period(conn, community, now_ms)
    now_ms = period.recorded(now_ms)
    ids = store.insert_journals(conn, [_row(community, entry, period.id, now_ms) for entry in entries])
    rows: list[tuple[object, ...]] = []
    for number, entry in zip(ids, entries, strict=True):
        rows += store.posting_rows(community, number, entry.lines, now_ms)
    bulk.insert_rows(conn, posting, rows)
    store.move_balances(conn, community, [(now_ms, entry.lines) for entry in entries])
    return ids


def lines_of(conn: Connection, community: str, key: str) -> Amounts:
    """What the journal of that key posted; empty when there is none."""
    rows = conn.execute(
        select(posting)
        .join(journal, journal.c.id == posting.c.journal)
        .where(journal.c.community == community, journal.c.key == key)
    )
    return {
        Line(bytes(row.holder), Account(row.account), bytes(row.party), bytes(row.chain), row.unit): row.amount
        for row in rows
    }


def _row(community: str, entry: Entry, period: int, now_ms: int) -> dict[str, object]:
    row = {"community": community, "key": entry.key, "cause": entry.cause, "cause_ref": entry.ref}
    begin, end = entry.metered_ms or (now_ms, now_ms)
    span = {"metered_from_ms": begin, "metered_to_ms": end, "recorded_ms": now_ms}
    return {**row, **span, "posting_period": period}
