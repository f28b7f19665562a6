"""The gateway's durable memory: pending items, state snapshots, sealed batches, receipts; one SQLite file.
What a method returns from is on the disk (WAL, synchronous=FULL); after any failed commit it must be opened anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from tallystick_edge import journal_rows as rows
from tallystick_edge.errors import InvariantError, JournalError, JournalFull
from tallystick_edge.items import Item, Reading
from tallystick_edge.journal_schema import PAGE_BYTES, prepare, row_sum
from tallystick_edge.metering.channel import ChannelState, after
from tallystick_edge.retention import drop_oldest, drop_receipted_before, newest_receipt_ms
from tallystick_edge.usage.wash import WashState

BUSY_MS = 5_000  # another process only ever reads (`status`)


class BatchStatus(IntEnum):
    """What became of a sealed batch."""

    WAITING = 0
    FINAL = 1
    SUPERSEDED = 2


@dataclass(frozen=True, slots=True)
class Chain:
    """Where the signed chain stands: the next batch is (epoch, next_seq) and its prev is `head`."""

    epoch: int
    next_seq: int
    head: bytes
    last_command: int = 0
    log_view: bytes | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """One group commit: new items and every snapshot that changed with them."""

    items: Sequence[Item] = ()
    channels: Sequence[ChannelState] = ()
    machines: Mapping[int, WashState] = field(default_factory=dict)
    replay: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A sealed batch as the uplink needs it; the bytes stay in the file until they are sent."""

    epoch: int
    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch just signed: its place, hash(x) and the bytes to send."""

    epoch: int
    seq: int
    hash: bytes
    created_ms: int
    upload: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything the agent goes on from after a start."""

    chain: Chain
    channels: Mapping[int, ChannelState]
    machines: Mapping[int, WashState]
    pending: Sequence[Item]
    replay: Mapping[str, tuple[int, bytes]]


class Journal:
    """Open with `Journal.open`; every method is one transaction; JournalError means close and open again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._durable: dict[int, ChannelState] = {}
        self._flush_id = 0
        self._found: Loaded | None = None
        self._found = self.load()

    @classmethod
    def open(cls, path: Path, first_prev: bytes) -> Journal:
        """Open or create. `first_prev`: SHA-256 of the proof key's SPKI, prev of the very first batch."""
        try:
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)
            try:
                prepare(connection, path, first_prev)
                return cls(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}. Next: check the disk and the file, then start again") from error

    def close(self) -> None:
        """Close the file; what was not flushed is gone."""
        with suppress(sqlite3.Error):  # it was failing already: opening again says what is on the disk
            self._db.close()

    @property
    def flush_id(self) -> int:
        """Number of the last flush that is durable; a flush that failed has the next one, if it happened after all."""
        return self._flush_id

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        before = dict(self._durable), self._flush_id
        self._found = None
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:  # also a cancelled task: memory must say what the disk says
                self._durable, self._flush_id = before
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _journal_error(error) from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._db
        except sqlite3.Error as error:
            raise _journal_error(error) from error

    def found(self) -> Loaded:
        """What opening read, handed out once: a start reads thousands of rows, and once is enough."""
        found, self._found = self._found, None
        return self.load() if found is None else found

    def load(self) -> Loaded:
        """All snapshots and pending items; reads only."""
        with self._transaction() as db:
            chain = self._chain(db)
            found = _summed(db, "channel", "number, through, state")
            machines = {n: rows.decode_wash(blob) for n, blob in _summed(db, "machine", "channel, state")}
            pending = [(i, rows.decode_items(blob)) for i, blob in _summed(db, "pending", "id, items")]
            replay = {a: (c, d) for a, c, d in _summed(db, "replay", "address, counter, digest")}
        self._durable = {number: rows.decode_channel(blob) for number, _, blob in found}
        through = {number: flushed for number, flushed, _ in found}
        for flushed, items in pending:
            self._move_on(item for item in items if flushed > through.get(item.channel, 0))
        self._flush_id = max([0, *through.values(), *(flushed for flushed, _ in pending)])
        return Loaded(chain, dict(self._durable), machines, [item for _, items in pending for item in items], replay)

    def _move_on(self, items: Iterable[Item]) -> None:
        """What `load` would give after these items, without the channels' rows."""
        for item in items:
            if isinstance(item, Reading):
                state = self._durable.get(item.channel) or ChannelState(item.channel)
                self._durable[item.channel] = after(state, item)

    def flush(self, flush: Flush) -> None:
        """Group commit: all of it or nothing. A channel's row is written only when its readings do not tell it."""
        with self._transaction() as db:
            self._flush_id += 1
            self._move_on(flush.items)
            untold = [each for each in flush.channels if self._durable.get(each.number) != each]
            if flush.items:
                _put(db, "pending", [(self._flush_id, rows.encode_items(flush.items))])
            self._save_states(db, untold, flush.machines)
            _put(db, "replay", [(address, counter, digest) for address, (counter, digest) in flush.replay.items()])

    def seal(self, batches: Sequence[SealedBatch], channels: Sequence[ChannelState], chain: Chain) -> None:
        """Replace all pending items by the batches that carry them, and move the chain on."""
        with self._transaction() as db:
            _advance(db, self._chain(db), chain)
            db.executemany(
                "INSERT INTO batch VALUES (?1, ?2, ?3, ?4, 0, row_sum(?1, ?2, ?3, ?4, 0), ?5)",
                [(b.epoch, b.seq, b.hash, b.created_ms, b.upload) for b in batches],
            )
            db.execute("DELETE FROM pending")
            self._save_states(db, [*_joined(self._durable, channels).values()], {})

    def waiting(self, count_max: int) -> list[StoredBatch]:
        """Batches without a final receipt, oldest first."""
        query = "SELECT epoch, seq, hash FROM batch WHERE status = 0 ORDER BY epoch, seq LIMIT ?"
        with self._reading() as db:
            return [StoredBatch(*row) for row in db.execute(query, (count_max,))]

    def waiting_count(self) -> int:
        """How many batches wait for a receipt."""
        with self._reading() as db:
            (count,) = db.execute("SELECT count(*) FROM batch WHERE status = 0").fetchone()
        return int(count)

    def upload(self, epoch: int, seq: int) -> bytes | None:
        """The stored upload; None when its page is damaged. JournalError when the disk did not answer this time."""
        query = "SELECT upload FROM batch WHERE epoch = ? AND seq = ?"
        try:
            found = self._db.execute(query, (epoch, seq)).fetchone()
        except sqlite3.Error as error:
            if _primary_code(error) == sqlite3.SQLITE_CORRUPT:  # the rest of the file may be whole
                return None
            raise _journal_error(error) from error
        return None if found is None else bytes(found[0])

    def newest_upload(self) -> bytes | None:
        """Of the batch that was sealed last; None when there is none, or its page is damaged."""
        with self._reading() as db:
            place = db.execute("SELECT epoch, seq FROM batch ORDER BY epoch DESC, seq DESC LIMIT 1").fetchone()
        return None if place is None else self.upload(*place)

    def overwrite(self, uploads: Sequence[tuple[int, int, bytes]]) -> None:
        """Put (epoch, seq, upload) in the place of stored uploads from which something was erased; the old bytes are
        overwritten in the file and gone from its log."""
        with self._reading() as db:
            db.execute("PRAGMA secure_delete = ON")
        with self._transaction() as db:
            query = "UPDATE batch SET upload = ? WHERE epoch = ? AND seq = ?"
            db.executemany(query, [(data, epoch, seq) for epoch, seq, data in uploads])
        with self._reading() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute("PRAGMA secure_delete = FAST")  # other deleted rows may lie about until reused

    def lose(self, epoch: int, seq: int) -> None:
        """Give up a batch that cannot be read; Hello declares it from now on."""
        with self._transaction() as db:
            _mark(db, BatchStatus.SUPERSEDED, "epoch = ? AND seq = ?", (epoch, seq))

    def supersede(self, epoch: int, seq: int) -> None:
        """A batch of an epoch that the books have left behind is sent no more."""
        with self._transaction() as db:
            _mark(db, BatchStatus.SUPERSEDED, "epoch = ? AND seq = ? AND status = 0", (epoch, seq))

    def lost(self) -> list[StoredBatch]:
        """Batches that were given up; of older epochs only those before one that the books took, because books that
        were set back ask for these again (what came after them was superseded by the next epoch)."""
        query = """SELECT epoch, seq, hash FROM batch AS b WHERE status = 2 AND (
            epoch = (SELECT epoch FROM chain)
            OR seq < (SELECT max(seq) FROM batch AS later WHERE later.epoch = b.epoch AND later.status <> 2)
        ) ORDER BY epoch, seq"""
        with self._reading() as db:
            return [StoredBatch(*row) for row in db.execute(query)]

    def first_waiting(self, epoch: int, seq: int) -> StoredBatch | None:
        """The oldest batch without a receipt at or after a place, of that or a later epoch."""
        query = """SELECT epoch, seq, hash FROM batch WHERE status = 0 AND (epoch, seq) >= (?, ?)
            ORDER BY epoch, seq LIMIT 1"""
        with self._reading() as db:
            row = db.execute(query, (epoch, seq)).fetchone()
        return None if row is None else StoredBatch(*row)

    def hash_of(self, epoch: int, seq: int) -> bytes | None:
        """hash(x) of an own batch, None when this journal never held it."""
        with self._reading() as db:
            found = db.execute("SELECT hash FROM batch WHERE epoch = ? AND seq = ?", (epoch, seq)).fetchone()
        return None if found is None else bytes(found[0])

    def has_hash(self, digest: bytes) -> bool:
        """Whether an own batch of any epoch has this hash."""
        with self._reading() as db:
            return db.execute("SELECT 1 FROM batch WHERE hash = ?", (digest,)).fetchone() is not None

    def finalise(
        self, epoch: int, from_seq: int, to_seq: int, receipt: bytes, server_ms: int, again: Sequence[int] = ()
    ) -> int:
        """Mark waiting batches final by a receipt that was checked; returns how many there were.

        `again`: batches whose bytes the receipt asks for once more. They go on waiting, in the same transaction: after
        a power cut between the two nobody would know of them.
        """
        with self._transaction() as db:
            where = "epoch = ? AND seq BETWEEN ? AND ? AND status = 0"
            done = _mark(db, BatchStatus.FINAL, where, (epoch, from_seq, to_seq))
            if done:
                row = (epoch, from_seq, to_seq, server_ms, receipt)
                query = "INSERT OR REPLACE INTO receipt VALUES (?1, ?2, ?3, ?4, row_sum(?1, ?2, ?3, ?4, ?5), ?5)"
                db.execute(query, row)
            for seq in again:
                _mark(db, BatchStatus.WAITING, "epoch = ? AND seq = ? AND status = 1", (epoch, seq))
        return done

    def reopen(self, epoch: int, from_seq: int) -> int:
        """Let final batches from there on wait again, those of later epochs too: the aggregator lost them. How many."""
        where = "(epoch, seq) >= (?, ?) AND status = 1"
        with self._reading() as db:
            if db.execute(f"SELECT 1 FROM batch WHERE {where}", (epoch, from_seq)).fetchone() is None:
                return 0
        with self._transaction() as db:
            return _mark(db, BatchStatus.WAITING, where, (epoch, from_seq))

    def last_final(self) -> StoredBatch | None:
        """The newest batch with a final receipt."""
        query = "SELECT epoch, seq, hash FROM batch WHERE status = 1 ORDER BY epoch DESC, seq DESC LIMIT 1"
        with self._reading() as db:
            row = db.execute(query).fetchone()
        return None if row is None else StoredBatch(*row)

    def start_epoch(
        self, chain: Chain, items: Sequence[Item], channels: Sequence[ChannelState], machines: Mapping[int, WashState]
    ) -> None:
        """Begin a new epoch: waiting batches are superseded, `items` is all that is pending from now on."""
        with self._transaction() as db:
            if chain.epoch <= self._chain(db).epoch:
                raise InvariantError("an epoch never goes back")
            _mark(db, BatchStatus.SUPERSEDED, "status = 0", ())
            db.execute("DELETE FROM pending")
            if items:
                self._flush_id += 1
                _put(db, "pending", [(self._flush_id, rows.encode_items(items))])
            self._save_states(db, channels, machines)
            _save_chain(db, chain)

    def _save_states(
        self, db: sqlite3.Connection, channels: Sequence[ChannelState], machines: Mapping[int, WashState]
    ) -> None:
        through = self._flush_id
        _put(db, "channel", [(each.number, through, rows.encode_channel(each)) for each in channels])
        _put(db, "machine", [(channel, rows.encode_wash(each)) for channel, each in machines.items()])
        self._durable.update((each.number, each) for each in channels)

    def command_taken(self, number: int) -> None:
        """Remember a command's number before its effect."""
        with self._transaction() as db:
            db.execute("UPDATE chain SET last_command = ? WHERE last_command < ?", (number, number))
            _sum_chain(db)

    def save_log_view(self, view: bytes) -> None:
        """Remember the largest checkpoint whose log signature was checked."""
        with self._transaction() as db:
            db.execute("UPDATE chain SET log_view = ?", (view,))
            _sum_chain(db)

    def forget(self, keep_ms: int) -> int:
        """Drop evidence whose receipt is so much older than the newest one; returns how many batches."""
        with self._transaction() as db:
            newest = newest_receipt_ms(db)
            return 0 if newest is None else drop_receipted_before(db, newest - keep_ms)

    def drop_oldest(self, count: int) -> int:
        """Drop up to `count` batches that do not wait, oldest first; returns how many there were."""
        with self._transaction() as db:
            return drop_oldest(db, count)

    def limit(self, bytes_max: int) -> None:
        """Never let the file grow beyond this."""
        with self._reading() as db:
            db.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}")

    def used_bytes(self) -> int:
        """Pages of the file that hold something; those that were freed are used again first."""
        with self._reading() as db:
            (pages,), (free,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count"))
        return int(pages - free) * PAGE_BYTES

    def chain(self) -> Chain:
        """Where the chain stands now."""
        with self._reading() as db:
            return self._chain(db)

    def _chain(self, db: sqlite3.Connection) -> Chain:
        [row] = _summed(db, "chain", "epoch, next_seq, head, last_command, log_view") or [()]
        return Chain(*row)


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 when the library itself was used wrongly (a closed file)."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _journal_error(error: sqlite3.Error) -> JournalError:
    kind = JournalFull if _primary_code(error) == sqlite3.SQLITE_FULL else JournalError
    return kind(f"journal: {error}. Next: it is opened again; free the disk if this repeats")


def _advance(db: sqlite3.Connection, before: Chain, after: Chain) -> None:
    if after.epoch != before.epoch or after.next_seq < before.next_seq:
        raise InvariantError("a seal moves the chain on inside its epoch")
    _save_chain(db, after)


def _save_chain(db: sqlite3.Connection, chain: Chain) -> None:
    db.execute("UPDATE chain SET epoch = ?, next_seq = ?, head = ?", (chain.epoch, chain.next_seq, chain.head))
    _sum_chain(db)


def _sum_chain(db: sqlite3.Connection) -> None:
    db.execute("UPDATE chain SET sum = row_sum(epoch, next_seq, head, last_command, log_view)")


def _put(db: sqlite3.Connection, table: str, values: Sequence[tuple[int | str | bytes, ...]]) -> None:
    """Insert or replace rows, each with its sum behind it."""
    rows_with_sums = [(*row, row_sum(*row)) for row in values]
    if rows_with_sums:
        marks = ", ".join("?" * len(rows_with_sums[0]))
        db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows_with_sums)


def _summed(db: sqlite3.Connection, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Rows in the order of their keys; JournalError when one does not fit its sum."""
    found = db.execute(f"SELECT {columns}, sum FROM {table} ORDER BY rowid").fetchall()
    for *row, total in found:
        if row_sum(*row) != total:
            raise JournalError(
                f"journal: a row of {table} is damaged. Next: `tallystick-edge fsck` says which and what to do"
            )
    return [tuple(row[:-1]) for row in found]


def _mark(db: sqlite3.Connection, status: BatchStatus, where: str, values: tuple[int, ...]) -> int:
    """Give batches another status; returns how many."""
    number = int(status)
    query = f"UPDATE batch SET status = {number}, sum = row_sum(epoch, seq, hash, created_ms, {number}) WHERE {where}"
    return db.execute(query, values).rowcount


def _joined(durable: Mapping[int, ChannelState], changed: Sequence[ChannelState]) -> dict[int, ChannelState]:
    return {**durable, **{each.number: each for each in changed}}
