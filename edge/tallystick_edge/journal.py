"""The gateway's durable memory: pending items, state snapshots, sealed batches, receipts; one SQLite file.
What a method returns from is on the disk (WAL, synchronous=FULL); after any failed commit it must be opened anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from importlib import resources
from pathlib import Path

from tallystick_edge import journal_rows as rows
from tallystick_edge.errors import InvariantError, JournalError, JournalFull
from tallystick_edge.items import Item
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.usage.wash import WashState

SCHEMA_VERSION = 1
PAGE_BYTES = 4096
STORE_BYTES_MAX = 8 * 1024**3  # 20 meters of 6 MB per meter-year for decades; leaves room on a 16 GB card
WAL_BYTES_MAX = 4 * 1024**2  # truncate the log file after a checkpoint, a card has better uses for it
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

    @classmethod
    def open(cls, path: Path, first_prev: bytes) -> Journal:
        """Open or create. `first_prev`: SHA-256 of the proof key's SPKI, prev of the very first batch."""
        try:
            connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None)
            try:
                _prepare(connection, path, first_prev)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}. Next: check the disk and the file, then start again") from error
        return cls(connection)

    def close(self) -> None:
        """Close the file; what was not flushed is gone."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            kind = JournalFull if "full" in str(error) else JournalError
            raise kind(f"journal: {error}. Next: it is opened again; free the disk if this repeats") from error

    def load(self) -> Loaded:
        """All snapshots and pending items; reads only."""
        with self._transaction() as db:
            chain = Chain(*db.execute("SELECT epoch, next_seq, head, last_command, log_view FROM chain").fetchone())
            channels = [rows.decode_channel(blob) for (blob,) in db.execute("SELECT state FROM channel")]
            machines = {n: rows.decode_wash(blob) for n, blob in db.execute("SELECT channel, state FROM machine")}
            pending = [
                item
                for (blob,) in db.execute("SELECT items FROM pending ORDER BY id")
                for item in rows.decode_items(blob)
            ]
            replay = {a: (c, d) for a, c, d in db.execute("SELECT address, counter, digest FROM replay")}
        return Loaded(chain, {each.number: each for each in channels}, machines, pending, replay)

    def flush(self, flush: Flush) -> None:
        """Group commit: all of it or nothing."""
        with self._transaction() as db:
            if flush.items:
                db.execute("INSERT INTO pending (items) VALUES (?)", (rows.encode_items(flush.items),))
            _save_states(db, flush.channels, flush.machines)
            db.executemany(
                "INSERT OR REPLACE INTO replay VALUES (?, ?, ?)",
                [(address, counter, digest) for address, (counter, digest) in flush.replay.items()],
            )

    def seal(self, batches: Sequence[SealedBatch], channels: Sequence[ChannelState], chain: Chain) -> None:
        """Replace all pending items by the batches that carry them, and move the chain on."""
        with self._transaction() as db:
            _advance(db, self._chain(db), chain)
            db.executemany(
                "INSERT INTO batch (epoch, seq, hash, created_ms, status, upload) VALUES (?, ?, ?, ?, ?, ?)",
                [(b.epoch, b.seq, b.hash, b.created_ms, BatchStatus.WAITING, b.upload) for b in batches],
            )
            db.execute("DELETE FROM pending")
            _save_states(db, channels, {})

    def waiting(self, count_max: int) -> list[StoredBatch]:
        """Batches without a final receipt, oldest first."""
        query = "SELECT epoch, seq, hash FROM batch WHERE status = 0 ORDER BY epoch, seq LIMIT ?"
        return [StoredBatch(*row) for row in self._db.execute(query, (count_max,))]

    def waiting_count(self) -> int:
        """How many batches wait for a receipt."""
        (count,) = self._db.execute("SELECT count(*) FROM batch WHERE status = 0").fetchone()
        return int(count)

    def upload(self, epoch: int, seq: int) -> bytes | None:
        """The stored upload; None when the card cannot read it any more."""
        query = "SELECT upload FROM batch WHERE epoch = ? AND seq = ?"
        try:
            found = self._db.execute(query, (epoch, seq)).fetchone()
        except sqlite3.DatabaseError:  # a damaged page: the rest of the file may be whole
            return None
        return None if found is None else bytes(found[0])

    def lose(self, epoch: int, seq: int) -> None:
        """Give up a batch that cannot be read; Hello declares it from now on."""
        with self._transaction() as db:
            db.execute("UPDATE batch SET status = 2 WHERE epoch = ? AND seq = ?", (epoch, seq))

    def lost(self, epoch: int) -> list[StoredBatch]:
        """Batches of this epoch that were given up (a new epoch supersedes only older ones)."""
        query = "SELECT epoch, seq, hash FROM batch WHERE epoch = ? AND status = 2 ORDER BY seq"
        return [StoredBatch(*row) for row in self._db.execute(query, (epoch,))]

    def hash_of(self, epoch: int, seq: int) -> bytes | None:
        """hash(x) of an own batch, None when this journal never held it."""
        found = self._db.execute("SELECT hash FROM batch WHERE epoch = ? AND seq = ?", (epoch, seq)).fetchone()
        return None if found is None else bytes(found[0])

    def has_hash(self, digest: bytes) -> bool:
        """Whether an own batch of any epoch has this hash."""
        return self._db.execute("SELECT 1 FROM batch WHERE hash = ?", (digest,)).fetchone() is not None

    def finalise(self, epoch: int, from_seq: int, to_seq: int, receipt: bytes) -> int:
        """Mark waiting batches final by a receipt that was checked; returns how many there were."""
        with self._transaction() as db:
            done = db.execute(
                "UPDATE batch SET status = 1, receipt = ? WHERE epoch = ? AND seq BETWEEN ? AND ? AND status = 0",
                (receipt, epoch, from_seq, to_seq),
            )
        return done.rowcount

    def reopen(self, epoch: int, from_seq: int) -> int:
        """Let final batches wait again, because the aggregator lost them; returns how many there were."""
        found = self._db.execute("SELECT 1 FROM batch WHERE epoch = ? AND seq >= ? AND status = 1", (epoch, from_seq))
        if found.fetchone() is None:
            return 0
        with self._transaction() as db:
            query = "UPDATE batch SET status = 0 WHERE epoch = ? AND seq >= ? AND status = 1"
            return db.execute(query, (epoch, from_seq)).rowcount

    def last_final(self) -> StoredBatch | None:
        """The newest batch with a final receipt."""
        query = "SELECT epoch, seq, hash FROM batch WHERE status = 1 ORDER BY epoch DESC, seq DESC LIMIT 1"
        row = self._db.execute(query).fetchone()
        return None if row is None else StoredBatch(*row)

    def start_epoch(
        self, chain: Chain, items: Sequence[Item], channels: Sequence[ChannelState], machines: Mapping[int, WashState]
    ) -> None:
        """Begin a new epoch: waiting batches are superseded, `items` is all that is pending from now on."""
        with self._transaction() as db:
            if chain.epoch <= self._chain(db).epoch:
                raise InvariantError("an epoch never goes back")
            db.execute("UPDATE batch SET status = 2 WHERE status = 0")
            db.execute("DELETE FROM pending")
            if items:
                db.execute("INSERT INTO pending (items) VALUES (?)", (rows.encode_items(items),))
            _save_states(db, channels, machines)
            _save_chain(db, chain)

    def command_taken(self, number: int) -> None:
        """Remember a command's number before its effect."""
        with self._transaction() as db:
            db.execute("UPDATE chain SET last_command = ? WHERE last_command < ?", (number, number))

    def save_log_view(self, view: bytes) -> None:
        """Remember the largest checkpoint whose log signature was checked."""
        with self._transaction() as db:
            db.execute("UPDATE chain SET log_view = ?", (view,))

    def forget(self, before_ms: int) -> int:
        """Drop evidence sealed before that time and no longer waiting; returns how many batches."""
        with self._transaction() as db:
            done = db.execute("DELETE FROM batch WHERE status <> 0 AND created_ms < ?", (before_ms,))
        return done.rowcount

    def chain(self) -> Chain:
        """Where the chain stands now."""
        return self._chain(self._db)

    def _chain(self, db: sqlite3.Connection) -> Chain:
        return Chain(*db.execute("SELECT epoch, next_seq, head, last_command, log_view FROM chain").fetchone())


def _prepare(db: sqlite3.Connection, path: Path, first_prev: bytes) -> None:
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"{path}: this disk cannot do WAL (it offers {mode}). Next: put the data folder elsewhere")
    db.execute("PRAGMA synchronous = FULL")  # NORMAL lost acknowledged rows in 43 % of simulated power cuts
    db.execute(f"PRAGMA max_page_count = {STORE_BYTES_MAX // PAGE_BYTES}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalError(f"{path}: written by a newer agent (schema {version}). Next: install that agent again")
    if version == 0:
        schema = resources.files("tallystick_edge").joinpath("schema_v1.sql").read_text("utf-8")
        insert = f"INSERT INTO chain VALUES (1, 1, 1, x'{first_prev.hex()}', 0, NULL);"
        db.executescript(f"BEGIN IMMEDIATE; {schema} {insert} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")


def _advance(db: sqlite3.Connection, before: Chain, after: Chain) -> None:
    if after.epoch != before.epoch or after.next_seq < before.next_seq:
        raise InvariantError("a seal moves the chain on inside its epoch")
    db.execute("UPDATE chain SET next_seq = ?, head = ?", (after.next_seq, after.head))


def _save_chain(db: sqlite3.Connection, chain: Chain) -> None:
    db.execute("UPDATE chain SET epoch = ?, next_seq = ?, head = ?", (chain.epoch, chain.next_seq, chain.head))


def _save_states(
    db: sqlite3.Connection, channels: Sequence[ChannelState], machines: Mapping[int, WashState]
) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO channel VALUES (?, ?)", [(each.number, rows.encode_channel(each)) for each in channels]
    )
    db.executemany(
        "INSERT OR REPLACE INTO machine VALUES (?, ?)", [(n, rows.encode_wash(each)) for n, each in machines.items()]
    )
