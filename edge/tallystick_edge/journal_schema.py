"""Prepares the journal's SQLite file: durability settings, size limits, and the schema, brought forward step by step.
A file of a newer agent is refused untouched; a step is one transaction, so that a power cut leaves the old version."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

from tallystick_protocol import cbor, cose
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.receipt import Receipt

from tallystick_edge.errors import JournalError

STEPS = Path(__file__).parent
SCHEMA_VERSION = 2  # schema_vN.sql brings a file of version N - 1 to N
PAGE_BYTES = 4096
STORE_BYTES_MAX = 2 * 1024**3  # 20 meters of 6 MB per meter-year for a decade; leaves room on an 8 GB card
CACHE_KIB = 256  # SQLite's own 2 MiB fill with pages that are read once
WAL_BYTES_MAX = 4 * 1024**2  # truncate the log file after a checkpoint, a card has better uses for it


def row_sum(*columns: int | str | bytes | None) -> bytes:
    """Four bytes over a row: not against people (signatures are), but against cards that flip bits."""
    return zlib.crc32(cbor.encode(columns)).to_bytes(4, "big")


def receipt_ms(envelope: bytes, otherwise: int) -> int:
    """The aggregator's time in a receipt whose signature was checked when it came."""
    try:
        return Receipt.decode(cose.parse(envelope).payload).server_ms
    except ProtocolError:
        return otherwise


def prepare(db: sqlite3.Connection, path: Path, first_prev: bytes, bytes_max: int = STORE_BYTES_MAX) -> None:
    """Set up a fresh connection. Raises JournalError (newer file, no WAL) or sqlite3.Error."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        found = f"written by a newer agent (schema {version}, this one knows {SCHEMA_VERSION})"
        raise JournalError(f"{path}: {found}. Next: install that agent again; nothing was changed")
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalError(f"{path}: this disk cannot do WAL (it offers {mode}). Next: put the data folder elsewhere")
    db.execute("PRAGMA synchronous = FULL")  # NORMAL lost acknowledged rows in a quarter of the power cuts we simulate
    db.execute("PRAGMA secure_delete = FAST")  # Debian has ON: each sealed flush is written again as zeros
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    bring_forward(db, version, first_prev)


def bring_forward(db: sqlite3.Connection, version: int, first_prev: bytes) -> None:
    """From `version` (0: nothing there) to this one, each step whole or not at all."""
    db.create_function("row_sum", -1, row_sum, deterministic=True)
    db.create_function("receipt_ms", 2, receipt_ms, deterministic=True)
    for number in range(version + 1, SCHEMA_VERSION + 1):
        step = (STEPS / f"schema_v{number}.sql").read_text("utf-8")
        first = f"INSERT INTO chain VALUES (1, 1, 1, x'{first_prev.hex()}', 0, NULL);" if number == 1 else ""
        db.executescript(f"BEGIN IMMEDIATE; {step} {first} PRAGMA user_version = {number}; COMMIT;")
