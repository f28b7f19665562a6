"""A gateway's disk: the real journal on real SQLite in memory; commits fail, or fail but happened, and the power goes.
What SQLite was told not to sync (`synchronous` below FULL) is lost with the power, as on a real card. How files and
their logs survive power cuts is shown by `tests/powercut`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from sim.machine import Machine
from sim.rates import Rates
from tallystick_edge.journal import Flush, Journal
from tallystick_edge.journal_schema import prepare
from tallystick_edge.room import StoreLimits

FULL = 2  # what `PRAGMA synchronous` answers when every commit is synced
T = TypeVar("T", bound=sqlite3.Connection)
UNSYNCED_COMMITS = 40  # how long a log that nobody syncs may stay in memory
FREE_BYTES = 1 << 33
WRITES = ("INSERT", "UPDATE", "DELETE")
TO_WAL = "PRAGMA journal_mode = WAL"
EARLY_OF = 4  # of so many flushes on a full disk one is refused at its first write, the others as they begin
_numbers = count(1)


class Disk:
    """One card. It outlives every machine that it is put into."""

    def __init__(self, path: Path, rates: Rates, chance: Random, on_kept: Callable[[], None]) -> None:
        self.path, self._rates, self._chance = path, rates, chance
        self.calm = True
        self.full = False
        self._on_kept = on_kept
        self.tell: Callable[[str, str], None] = lambda what, detail: None
        self.on_final: Callable[[int, int, bytes], None] = lambda epoch, seq, digest: None
        self._machine = Machine("none")
        self._address = f"file:/{next(_numbers)}?vfs=memdb"  # shared by all connections of this process
        self._card = self._connect(sqlite3.Connection)  # it is there as long as one of them is open
        self._synced: sqlite3.Connection | None = None
        self._unsynced = 0
        self._late_commits = 0
        self._refused = 0
        self._open: list[CardConnection] = []

    def plug(self, machine: Machine) -> None:
        self._machine = machine

    def unplug(self) -> None:
        """The power is off: open transactions and whatever was not synced are gone."""
        for connection in self._open:
            connection.really_close()
        self._open.clear()
        if self._synced is not None:
            self._synced.backup(self._card)
        if self._late_commits:
            self._forget_synced()
        self._unsynced = self._late_commits = 0

    def throw_away(self) -> None:
        """The world is over."""
        self.unplug()
        self._forget_synced()
        self._card.close()

    def copy(self) -> sqlite3.Connection:
        """An image of the card as it is now, for whoever closes it."""
        image = sqlite3.connect(":memory:")
        self._card.backup(image)
        return image

    def commit_late(self) -> None:
        """For a planted bug: what the next commit writes is lost with the power until there was another one."""
        self._forget_synced()
        self._synced, self._late_commits = self.copy(), 2

    def put_back(self, image: sqlite3.Connection) -> None:
        """The card holds `image` from now on; no machine may be on."""
        image.backup(self._card)
        if self._synced is not None:
            image.backup(self._synced)

    def _connect(self, kind: type[T]) -> T:
        return sqlite3.connect(self._address, uri=True, isolation_level=None, factory=kind)

    def limits(self) -> StoreLimits:
        """What the agent may know of the disk's room."""
        return StoreLimits(ballast_bytes=0, free=lambda _: 0 if self.full else FREE_BYTES)

    def open(self, path: Path, first_prev: bytes) -> Journal:
        """What Core calls to open its journal."""
        self._machine.alive()
        connection = self._connect(CardConnection)
        self._open.append(connection)
        prepare(connection, path, first_prev)
        connection.is_synced = connection.execute("PRAGMA synchronous").fetchone()[0] >= FULL
        connection.disk, connection.machine = self, self._machine
        if not connection.is_synced and self._synced is None:
            self._synced = self.copy()
        return CardJournal(connection)

    # --- told by the connection ----------------------------------------------------------------------------------

    def before_flush(self) -> None:
        """A full disk says so before anything was encoded for it, but for every fourth time."""
        self._refused += self.full
        if self.full and self._refused % EARLY_OF:
            raise _full()

    def before_write(self, machine: Machine) -> None:
        machine.alive()
        if self.full:
            raise _full()

    def commit(self, machine: Machine, really: Callable[[], Any], flushing: bool) -> Any:
        """One commit and its fate."""
        machine.alive()
        rates, chance = self._rates, self._chance
        if not self.calm:
            if chance.random() < rates.crash_at_commit:
                self.tell("dies", "before a commit")
                machine.crash()
            if chance.random() < rates.commit_fails:
                self.tell("commit-fails", "")
                raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        done = really()
        if self._late_commits:
            self._late_commits -= 1
            if not self._late_commits:
                self._forget_synced()
        if flushing:
            self._on_kept()
        if not self.calm:
            if chance.random() < rates.crash_at_commit:
                self.tell("dies", "after a commit")
                machine.crash()
            if chance.random() < rates.commit_happened:
                self.tell("commit-happened", "but its answer is lost")
                raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        return done

    def committed_unsynced(self) -> None:
        self._unsynced += 1
        if self._unsynced >= UNSYNCED_COMMITS:
            self._unsynced = 0
            if self._synced is not None:
                self._card.backup(self._synced)

    def _forget_synced(self) -> None:
        """Whatever is committed by now stays when the power goes."""
        if self._synced is not None:
            self._synced.close()
            self._synced = None


class CardConnection(sqlite3.Connection):
    """Every write and commit asks the disk first."""

    disk: Disk | None = None
    machine: Machine | None = None
    is_synced = True
    flushing = False
    _wrote = False

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]
        if self.disk is None or self.machine is None:
            return super().execute("SELECT 'wal'" if sql == TO_WAL else sql, *parameters)
        if sql == "COMMIT" and self._wrote:
            self._wrote = False
            done = self.disk.commit(self.machine, lambda: super(CardConnection, self).execute(sql), self.flushing)
            if not self.is_synced:
                self.disk.committed_unsynced()
            return done  # type: ignore[no-any-return]
        self.machine.alive()
        if sql == "BEGIN IMMEDIATE" and self.flushing:
            self.disk.before_flush()
        if sql == "ROLLBACK":
            self._wrote = False
        if sql.startswith(WRITES):
            self.disk.before_write(self.machine)
            self._wrote = True
        return super().execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:  # type: ignore[override]
        if self.disk is not None and self.machine is not None:
            rows = list(parameters[0])
            if rows:
                self.disk.before_write(self.machine)
                self._wrote = True
            return super().executemany(sql, rows)
        return super().executemany(sql, *parameters)

    def close(self) -> None:
        if self.machine is not None:
            self.machine.alive()
        self.really_close()

    def really_close(self) -> None:
        super().close()


class CardJournal(Journal):
    """The real journal; it only says which commit was a flush, and what a receipt made final."""

    def flush(self, flush: Flush) -> None:
        connection = self._card
        connection.flushing = True
        try:
            super().flush(flush)
        finally:
            connection.flushing = False

    def finalise(
        self, epoch: int, from_seq: int, to_seq: int, receipt: bytes, server_ms: int, again: Sequence[int] = ()
    ) -> int:
        done = super().finalise(epoch, from_seq, to_seq, receipt, server_ms, again)
        disk = self._card.disk
        if done and disk is not None:
            for seq in range(from_seq, to_seq + 1):
                digest = self.hash_of(epoch, seq)
                if digest is not None:
                    disk.on_final(epoch, seq, digest)
        return done

    def used_bytes(self) -> int:
        """Nothing that counts: in a few hours nobody comes near the limit of a journal, and each flush asks."""
        if self._card.machine is not None:
            self._card.machine.alive()
        return 0

    @property
    def _card(self) -> CardConnection:
        assert isinstance(self._db, CardConnection)
        return self._db


def _full() -> sqlite3.OperationalError:
    return _error("database or disk is full", sqlite3.SQLITE_FULL)


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def memory_folder() -> str | None:
    """A folder in memory where there is one: the disk's faults are drawn here, not waited for."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
