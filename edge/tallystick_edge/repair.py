"""`fsck --repair`: a new journal out of what can be proved of a damaged one, in its place once it is whole and sound.
It asks before it changes anything, keeps the damaged files beside, and runs only while no agent does."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tallystick_protocol.batch import first_prev
from tallystick_protocol.receipt import Receipt

from tallystick_edge import journal_rows as rows
from tallystick_edge.ballast import free_bytes
from tallystick_edge.config import EdgeConfig
from tallystick_edge.errors import RepairError
from tallystick_edge.fsck import Report, fsck, journal_of
from tallystick_edge.items import Moment
from tallystick_edge.journal_schema import STORE_BYTES_MAX, prepare, row_sum
from tallystick_edge.plan import make_plan
from tallystick_edge.ports import Clock, Entropy
from tallystick_edge.salvage import BOOKS, UNREADABLE, Loss, Rules, Salvaged, Tell, salvage, upload_of
from tallystick_edge.switch import BUILDING, beside, clear_building, finish_switch, switch
from tallystick_edge.usage.wash import WashRule

BATCHES_PER_COMMIT = 100  # at 64 KiB each the log stays small
BOOT_BYTES = 6


@dataclass(frozen=True, slots=True)
class Journal:
    """Whose journal it is, and where. `open_receipt`: None when the gateway is not enrolled."""

    path: Path
    spki: bytes
    open_receipt: Callable[[bytes], Receipt] | None
    configured: Sequence[int]
    rules: Rules

    @classmethod
    def of(cls, config: EdgeConfig) -> Journal:
        """Of a configuration, with the keys it was enrolled with. Raises EdgeError."""
        path, identity, enrolment = journal_of(config)
        plans = make_plan(config).values()
        configured = [each.channel for plan in plans for each in plan.counters]
        rules: dict[int, WashRule | None] = {plan.session.channel: None for plan in plans if plan.session is not None}
        rules |= {plan.wash.rule.channel: plan.wash.rule for plan in plans if plan.wash is not None}
        open_receipt = None if enrolment is None else enrolment.trust.receipt
        return cls(path, identity.signer.spki, open_receipt, configured, rules)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kept`: where the damaged journal is now, None when nothing was changed; `counts`: rows of the new one."""

    before: Report
    losses: Sequence[Loss]
    counts: Mapping[str, int]
    kept: Path | None

    @property
    def is_needed(self) -> bool:
        return not self.before.is_sound

    def text(self) -> str:
        """For people: what the new journal holds and what is not in it."""
        lines = [", ".join(f"{count} {name}" for name, count in self.counts.items())]
        lines += [f"not as it was: {each.where}: {each.what} ({each.code})" for each in self.losses]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        kept = None if self.kept is None else str(self.kept)
        losses = [asdict(each) for each in self.losses]
        before = self.before.as_json()
        return {"repaired": self.kept is not None, "kept": kept, "counts": self.counts, "losses": losses, "was": before}


def repair(
    journal: Journal,
    clock: Clock,
    entropy: Entropy,
    agree: Callable[[Outcome], bool],
    tell: Tell = lambda done, of: None,
) -> Outcome:
    """Look, say what would come of it, and do it when `agree` says yes. The caller holds the lock of the data folder.

    Raises RepairError; then the journal is what it was."""
    try:
        finish_switch(journal.path)
        clear_building(journal.path)
        report = fsck(journal.path, journal.spki, journal.open_receipt)
        if report.is_sound:
            return Outcome(report, (), {}, None)
        with _damaged(journal.path) as db:
            now = Moment(entropy.bytes(BOOT_BYTES), clock.uptime_ms(), clock.utc_ms(), clock.quality())
            found = salvage(db, journal.spki, journal.open_receipt, journal.configured, journal.rules, now, tell)
            outcome = Outcome(report, tuple(found.losses), _counts(found), None)
            if not (found.batches or found.channels or found.pending):
                raise RepairError(f"{journal.path}: nothing in it can be read", BOOKS)
            if not agree(outcome):
                return outcome
            _look_at_room(journal.path)
            _build(journal, db, found, tell)
        _prove(journal)
        stamp = datetime.fromtimestamp(clock.utc_ms() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        return Outcome(report, outcome.losses, outcome.counts, switch(journal.path, stamp))
    except (OSError, *UNREADABLE) as error:
        with suppress(OSError):
            clear_building(journal.path)
        raise RepairError(f"{journal.path}: {error}; nothing was changed", "check the disk, then try again") from error


@contextmanager
def _damaged(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
        try:
            db.execute("BEGIN")
            db.execute("SELECT hash FROM receipt JOIN batch USING (epoch) LIMIT 0")
        except UNREADABLE as error:
            raise RepairError(f"{path}: {error}: its tables cannot be found", BOOKS) from error
        yield db


def _counts(found: Salvaged) -> dict[str, int]:
    return {
        "batches": len(found.batches),
        "receipts": len(found.receipts),
        "channels": len(found.channels),
        "unsealed rows": len(found.pending),
    }


def _look_at_room(path: Path) -> None:
    wanted = path.stat().st_size + 2 * BATCHES_PER_COMMIT * 65_536
    free = free_bytes(path.parent)
    if free < wanted:
        raise RepairError(
            f"{path.parent}: the new journal needs {wanted} bytes, the disk has {free}; nothing was changed",
            "free the disk, or copy the whole data folder to another card and repair it there",
        )


def _build(journal: Journal, damaged: sqlite3.Connection, found: Salvaged, tell: Tell) -> None:
    building = beside(journal.path, BUILDING)
    with closing(sqlite3.connect(building, isolation_level=None)) as db:
        prepare(db, building, first_prev(journal.spki), STORE_BYTES_MAX)
        db.execute("BEGIN IMMEDIATE")
        chain = found.chain
        db.execute(
            "UPDATE chain SET epoch = ?, next_seq = ?, head = ?, last_command = ?, log_view = ?",
            (chain.epoch, chain.next_seq, chain.head, chain.last_command, chain.log_view),
        )
        db.execute("UPDATE chain SET sum = row_sum(epoch, next_seq, head, last_command, log_view)")
        states = [(number, through, rows.encode_channel(each)) for number, (through, each) in found.channels.items()]
        _put(db, "channel", states)
        _put(db, "machine", [(number, rows.encode_wash(each)) for number, each in found.machines.items()])
        _put(db, "pending", found.pending)
        _put(db, "replay", found.replay)
        db.executemany("INSERT INTO receipt VALUES (?1, ?2, ?3, ?4, row_sum(?1, ?2, ?3, ?4, ?5), ?5)", found.receipts)
        db.execute("COMMIT")
        places = sorted(found.batches)
        for done in range(0, len(places), BATCHES_PER_COMMIT):
            tell(done, len(places))
            db.execute("BEGIN IMMEDIATE")
            for place in places[done : done + BATCHES_PER_COMMIT]:
                entry = found.batches[place]
                db.execute(
                    "INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, row_sum(?1, ?2, ?3, ?4, ?5), ?6)",
                    (*place, entry.hash, entry.created_ms, int(entry.status or 0), upload_of(damaged, entry)),
                )
            db.execute("COMMIT")
        tell(len(places), len(places))
        (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise RepairError(f"{building}: somebody else reads it; nothing was changed", "close it and try again")


def _put(db: sqlite3.Connection, table: str, values: Sequence[tuple[int | str | bytes, ...]]) -> None:
    for row in values:
        marks = ", ".join("?" * (len(row) + 1))
        db.execute(f"INSERT INTO {table} VALUES ({marks})", (*row, row_sum(*row)))


def _prove(journal: Journal) -> None:
    """What was built is looked at as any journal is, before it may stand in the place of another."""
    report = fsck(beside(journal.path, BUILDING), journal.spki, journal.open_receipt)
    for ending in ("-wal", "-shm"):
        if beside(journal.path, BUILDING + ending).exists():
            os.unlink(beside(journal.path, BUILDING + ending))
    if not report.is_sound:
        raise RepairError(f"the new journal would not be sound: {report.text()}", BOOKS)
