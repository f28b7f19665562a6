"""Looks at every byte of the journal that means something: structure, sums, hashes, chain, signatures, receipts.
It reads only and repairs nothing (`repair.py` does); each finding says where, what, and what a person does next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from tallystick_protocol.batch import BadPart, first_prev, open_upload
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import gid_from_spki
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.receipt import Receipt

from tallystick_edge import journal_rows as rows
from tallystick_edge.config import EdgeConfig
from tallystick_edge.enrolment import Enrolment, load_enrolment
from tallystick_edge.errors import EdgeError, InvariantError
from tallystick_edge.identity import PROOF_FILE, Identity, load_identity
from tallystick_edge.journal_schema import SCHEMA_VERSION, bring_forward, row_sum
from tallystick_edge.switch import READY, beside
from tallystick_edge.wal import unread_frames

JOURNAL_FILE = "journal.sqlite"
FINDINGS_MAX = 100  # a page that is gone damages every row on it; nobody reads more
SEND = "if it waits for its receipt the agent declares it lost by itself; keep a copy of the card and replace it"
SNAPSHOT = "stop the agent and run `tallystick-edge fsck --repair`; replace the card if it comes again"
KEPT = "nothing: the damaged journal that `fsck --repair` kept beside this one has what there was"
UNFINISHED = "start the agent, or run `fsck --repair` again: both put it there first"
EVIDENCE = "the aggregator still has it; keep a copy of the journal and replace the card"
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # sqlite3 cannot say "malformed" of a name that is no UTF-8
FILE = "stop the agent, copy the whole data folder to another card now, and run `fsck --repair` on the copy"
TAIL = "nothing to do after a power cut (what was acknowledged is before it); without one, replace the card"
_ROWS = {
    "chain": "epoch, next_seq, head, last_command, log_view",
    "channel": "number, through, state",
    "machine": "channel, state",
    "pending": "id, items",
    "replay": "address, counter, digest",
}
_DECODERS: Mapping[str, Callable[[bytes], object]] = {
    "channel": rows.decode_channel,
    "machine": rows.decode_wash,
    "pending": rows.decode_items,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable (kebab-case); `where` names a row or file; `level`: "fail", or "warn" for what may be normal."""

    code: str
    where: str
    what: str
    next: str
    level: str = "fail"


@dataclass(slots=True)
class Report:
    """What was looked at and what was found."""

    findings: list[Finding]
    batches: int = 0
    receipts: int = 0
    rows: int = 0
    bytes: int = 0

    @property
    def is_sound(self) -> bool:
        return not any(each.level == "fail" for each in self.findings)

    def text(self) -> str:
        """For people: what was looked at, then each finding with its next step."""
        looked = f"{self.batches} batches, {self.receipts} receipts, {self.rows} rows, {self.bytes} bytes"
        if not self.findings:
            return f"sound: {looked}"
        lines = [f"{each.level}: {each.where}: {each.what} ({each.code}). Next: {each.next}" for each in self.findings]
        return "\n".join([f"{'sound' if self.is_sound else 'damaged'}: {looked}", *lines])

    def as_json(self) -> dict[str, object]:
        counts: dict[str, object] = {"batches": self.batches, "receipts": self.receipts, "rows": self.rows}
        counts |= {"bytes": self.bytes, "findings": [asdict(each) for each in self.findings]}
        return {"ok": self.is_sound, **counts}


def fsck(path: Path, spki: bytes, open_receipt: Callable[[bytes], Receipt] | None) -> Report:
    """Examine the journal of the gateway whose proof key is `spki`. Without `open_receipt` (not enrolled) receipts are
    compared with their sums, but not with a key. Whatever is wrong is a finding, not an error."""
    report = Report([], bytes=path.stat().st_size)
    examiner = _Examiner(report, spki, open_receipt)
    for finding in examiner.findings(path):
        report.findings.append(finding)
        if len(report.findings) >= FINDINGS_MAX:
            break
    return report


def fsck_of(config: EdgeConfig) -> Report:
    """The journal of a configuration, with the keys it was enrolled with."""
    path, identity, enrolment = journal_of(config)
    return fsck(path, identity.signer.spki, None if enrolment is None else enrolment.trust.receipt)


def journal_of(config: EdgeConfig) -> tuple[Path, Identity, Enrolment | None]:
    """Where it is and whose. Raises EdgeError when there is none yet."""
    path = config.data / JOURNAL_FILE
    if not path.exists() or not (config.data / PROOF_FILE).exists():
        raise EdgeError(f"{config.data}: no journal yet. Next: start the agent with `tallystick-edge run`")
    identity = load_identity(config.data)
    return path, identity, load_enrolment(config.data, identity)


class _Examiner:
    def __init__(self, report: Report, spki: bytes, open_receipt: Callable[[bytes], Receipt] | None) -> None:
        self._report, self._spki, self._open_receipt = report, spki, open_receipt
        self._key, self._gid = PublicKey.from_spki(spki), gid_from_spki(spki)
        self._hashes: dict[tuple[int, int], bytes] = {}
        self._final: set[tuple[int, int]] = set()

    def findings(self, path: Path) -> Iterator[Finding]:
        if beside(path, READY).exists():
            yield Finding("repair-unfinished", path.name, "a repaired journal is not in its place yet", UNFINISHED)
        unread = unread_frames(path.with_name(f"{path.name}-wal"))
        if unread:
            what = f"{unread} pages at its end were never completed"
            yield Finding("log-tail", f"{path.name}-wal", what, TAIL, "warn")
        try:
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            try:
                yield from self._file(db)
            finally:
                db.close()
        except UNREADABLE as error:
            yield Finding("file-unreadable", path.name, str(error), FILE)

    def _file(self, db: sqlite3.Connection) -> Iterator[Finding]:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            step = "install the agent that wrote it" if version > SCHEMA_VERSION else "start the agent once, then again"
            yield Finding("schema-version", "file", f"has version {version}, this knows {SCHEMA_VERSION}", step)
            return
        db.execute("BEGIN")  # one state of a file that a running agent goes on writing
        for (text,) in db.execute(f"PRAGMA integrity_check({FINDINGS_MAX})"):
            if text != "ok":
                yield Finding("structure", "file", text, FILE)
        for look in (self._schema, self._rows, self._batches, self._receipts, self._chain):
            try:
                yield from look(db)
            except UNREADABLE as error:
                yield Finding("page-unreadable", look.__name__.strip("_"), str(error), FILE)

    def _schema(self, db: sqlite3.Connection) -> Iterator[Finding]:
        query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
            bring_forward(fresh, 0, bytes(32))
            expected = fresh.execute(query).fetchall()
        db.text_factory = _text_or_bytes
        if db.execute(query).fetchall() != expected:
            yield Finding("schema-text", "file", "its tables are not described as this agent made them", FILE)

    def _rows(self, db: sqlite3.Connection) -> Iterator[Finding]:
        for table, columns in _ROWS.items():
            for *row, total in db.execute(f"SELECT {columns}, sum FROM {table} ORDER BY rowid"):
                self._report.rows += 1
                where = f"{table} {row[0]}"
                if _sum_or_none(row) != total:
                    yield Finding("row-sum", where, "is not what was written", SNAPSHOT)
                elif table in _DECODERS:
                    try:
                        _DECODERS[table](row[-1])
                    except (EdgeError, InvariantError) as error:
                        yield Finding("row-unreadable", where, str(error), SNAPSHOT)

    def _batches(self, db: sqlite3.Connection) -> Iterator[Finding]:
        query = "SELECT epoch, seq, hash, created_ms, status, sum, upload FROM batch ORDER BY epoch, seq"
        before: tuple[int, int] | None = None
        for epoch, seq, digest, created_ms, status, total, upload in db.execute(query):
            self._report.batches += 1
            place, where = (epoch, seq), f"batch {epoch}/{seq}"
            self._hashes[place] = digest
            if status == 1 and upload:
                self._final.add(place)
            if _sum_or_none((epoch, seq, digest, created_ms, status)) != total:
                yield Finding("batch-row", where, "its row is not what was written", EVIDENCE)
            what = self._upload(upload, place, digest, created_ms, before) if upload or status == 0 else None
            if what is not None:
                yield Finding(what[0], where, what[1], SEND)
            elif not upload:
                yield Finding("batch-gone", where, "only its hash is left since a repair", KEPT, "warn")
            before = place

    def _upload(
        self, upload: bytes, place: tuple[int, int], digest: bytes, created_ms: int, before: tuple[int, int] | None
    ) -> tuple[str, str] | None:
        try:
            opened = open_upload(upload)
            opened.unverified.verify(self._key)
        except ProtocolError as error:
            return "batch-unreadable", str(error)
        header = opened.header
        if opened.unverified.hash != digest or (header.gid, header.epoch, header.seq) != (self._gid, *place):
            return "batch-other", "is signed, but it is not the batch that was stored here"
        if opened.batch is None or opened.batch.created != created_ms:
            return "batch-other", "does not say when it was made as its row does"
        for index, part in enumerate(opened.parts):
            if isinstance(part, BadPart):
                return "part-damaged", f"part {index}: {part.detail}"
        return self._link(place, header.prev, before)

    def _link(self, place: tuple[int, int], prev: bytes, before: tuple[int, int] | None) -> tuple[str, str] | None:
        epoch, seq = place
        if seq == 1:
            is_first = epoch > 1 or prev == first_prev(self._spki)
            return None if is_first else ("chain-broken", "does not begin with this gateway's key")
        if before is None or before[0] != epoch:
            return None  # older evidence was let go
        if before[1] != seq - 1:
            return "batch-missing", f"batches {before[1] + 1} to {seq - 1} are not there"
        if self._hashes[before] != prev:
            return "chain-broken", "does not follow the one before it"
        return None

    def _receipts(self, db: sqlite3.Connection) -> Iterator[Finding]:
        covered: set[tuple[int, int]] = set()
        for *row, total, envelope in db.execute(
            "SELECT epoch, from_seq, to_seq, server_ms, sum, envelope FROM receipt ORDER BY epoch, to_seq"
        ):
            self._report.receipts += 1
            epoch, first, last, server_ms = row
            where = f"receipt {epoch}/{first}-{last}"
            if all(isinstance(each, int) for each in row):  # a bit of a row's head makes a number nothing, or text
                covered.update(place for place in self._final if place[0] == epoch and first <= place[1] <= last)
            if _sum_or_none((*row, envelope)) != total:
                yield Finding("row-sum", where, "is not what was written", EVIDENCE)
            elif self._open_receipt is not None:
                try:
                    found = self._open_receipt(envelope)
                except ProtocolError as error:
                    yield Finding("receipt-unsigned", where, str(error), EVIDENCE)
                    continue
                digest = self._hashes.get((epoch, last), found.hash)
                if (found.epoch, found.to_seq, found.server_ms, found.hash) != (epoch, last, server_ms, digest):
                    yield Finding("receipt-other", where, "is for another batch", EVIDENCE)
        for epoch, seq in sorted(self._final - covered):
            yield Finding(
                "receipt-missing", f"batch {epoch}/{seq}", "is marked final, but no receipt says so", EVIDENCE
            )

    def _chain(self, db: sqlite3.Connection) -> Iterator[Finding]:
        found = db.execute("SELECT epoch, next_seq, head FROM chain").fetchall()
        if len(found) != 1:
            yield Finding("chain-row", "chain", f"has {len(found)} rows, must have 1", SNAPSHOT)
            return
        [(epoch, next_seq, head)] = found
        last = max((place for place in self._hashes), default=None)
        if last is None or last[0] < epoch:
            if next_seq != 1:
                yield Finding(
                    "batch-missing", "chain", f"says {next_seq - 1} batches of epoch {epoch}, none is there", FILE
                )
        elif last != (epoch, next_seq - 1) or self._hashes[last] != head:
            text = f"stands at {epoch}/{next_seq - 1}, the last batch is {last[0]}/{last[1]}"
            yield Finding("chain-head", "chain", text, SNAPSHOT)


def _text_or_bytes(data: bytes) -> str | bytes:
    """Text that a flipped bit made unreadable must not stop the search."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _sum_or_none(row: list[object] | tuple[object, ...]) -> bytes | None:
    """None for values that no row ever held (a damaged type)."""
    try:
        return row_sum(*row)
    except ProtocolError:
        return None
