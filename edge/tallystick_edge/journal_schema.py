"""Prepares the journal's SQLite file: durability settings, size limits, and the schema, brought forward step by step.
A file of a newer agent is refused untouched; a step is one transaction, so that a power cut leaves the old version."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from tallystick_edge.errors import JournalError

SCHEMA_VERSION = 2  # schema_vN.sql brings a file of version N - 1 to N
PAGE_BYTES = 4096
STORE_BYTES_MAX = 2 * 1024**3  # 20 meters of 6 MB per meter-year for a decade; leaves room on an 8 GB card
WAL_BYTES_MAX = 4 * 1024**2  # truncate the log file after a checkpoint, a card has better uses for it


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
    db.execute(f"PRAGMA max_page_count = {bytes_max // PAGE_BYTES}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    for number in range(version + 1, SCHEMA_VERSION + 1):
        step = resources.files("tallystick_edge").joinpath(f"schema_v{number}.sql").read_text("utf-8")
        first = f"INSERT INTO chain VALUES (1, 1, 1, x'{first_prev.hex()}', 0, NULL);" if number == 1 else ""
        db.executescript(f"BEGIN IMMEDIATE; {step} {first} PRAGMA user_version = {number}; COMMIT;")
