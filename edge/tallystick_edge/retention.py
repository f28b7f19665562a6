"""Which evidence the journal lets go: by age after its receipt, or the oldest when the store outgrows its limit.
Never a batch that waits for a receipt, and never the newest that has one: a new epoch would begin on it."""

from __future__ import annotations

import sqlite3

DROP_MAX = 1_000  # batches in one transaction: at 64 KiB each the log file stays below what a ballast frees
_NEWEST = "(SELECT epoch, seq FROM batch WHERE status = 1 ORDER BY epoch DESC, seq DESC LIMIT 1)"
_OLDEST = f"""SELECT rowid FROM batch WHERE status <> 0 AND (epoch, seq) < {_NEWEST} AND (epoch, seq) <= (?, ?)
    ORDER BY epoch, seq LIMIT ?"""
ALL = (2**62, 2**62)


def newest_receipt_ms(db: sqlite3.Connection) -> int | None:
    """The aggregator's time in the newest receipt: a gateway's own clock may be years off, this one is signed."""
    found = db.execute("SELECT max(server_ms) FROM receipt").fetchone()
    return None if found[0] is None else int(found[0])


def drop_receipted_before(db: sqlite3.Connection, server_ms: int) -> int:
    """Batches whose receipt is older; returns how many. Call again while it is not 0."""
    query = "SELECT epoch, to_seq FROM receipt WHERE server_ms < ? ORDER BY epoch DESC, to_seq DESC LIMIT 1"
    last = db.execute(query, (server_ms,)).fetchone()
    return 0 if last is None else _drop(db, last, DROP_MAX)


def drop_oldest(db: sqlite3.Connection, count: int) -> int:
    """The oldest batches that do not wait; returns how many there were to drop."""
    return _drop(db, ALL, count)


def _drop(db: sqlite3.Connection, through: tuple[int, int], count: int) -> int:
    dropped = db.execute(f"DELETE FROM batch WHERE rowid IN ({_OLDEST})", (*through, count)).rowcount
    if dropped:
        first = db.execute("SELECT epoch, seq FROM batch ORDER BY epoch, seq LIMIT 1").fetchone()
        db.execute("DELETE FROM receipt WHERE (epoch, to_seq) < (?, ?)", first)
    return dropped
