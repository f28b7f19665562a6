"""Does the journal open, is it whole as far as a quick look tells, and is what it holds being handed over?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tallystick_edge.config import EdgeConfig
from tallystick_edge.doctor.copies import check_copies
from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn
from tallystick_edge.journal_schema import SCHEMA_VERSION

JOURNAL_FILE = "journal.sqlite"
QUICK_BYTES_MAX = 256 * 1024**2  # looked through in seconds on a Pi; larger ones are left to `fsck`
BACKLOG_WARN, BACKLOG_FAIL = 100, 10_000  # batches: an hour and a half, a week at one a minute
HEARTBEATS_LATE = 3
DAY_S = 86_400
BUSY_S = 5.0


def check_store(config: EdgeConfig, now_ms: int) -> Iterator[Verdict]:
    """`now_ms`: believed UTC, as the agent's own clock has it."""
    path = config.data / JOURNAL_FILE
    if not path.exists():
        yield warn("JOURNAL", str(path), "is not there yet", "start the agent")
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_S)) as db:
            yield _journal(db, path)
            yield _backlog(db, path)
            yield _receipts(db, path, config, now_ms)
            yield check_copies(db, path, now_ms)
    except sqlite3.Error as error:
        yield fail("JOURNAL", str(path), str(error), "run `tallystick-edge fsck`; keep a copy of the card")


def _journal(db: sqlite3.Connection, path: Path) -> Verdict:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        step = "install that agent again; nothing was changed"
        return fail("JOURNAL", str(path), f"was written by a newer agent (schema {version})", step)
    size = path.stat().st_size
    if size > QUICK_BYTES_MAX:
        return ok("JOURNAL", str(path), f"opens; {size // 1024**2} MiB, `tallystick-edge fsck` looks at every byte")
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        return fail("JOURNAL", str(path), found, "run `tallystick-edge fsck`; keep a copy of the card")
    return ok("JOURNAL", str(path), f"opens and is whole at a quick look; schema {version}, {size // 1024} KiB")


def _backlog(db: sqlite3.Connection, path: Path) -> Verdict:
    (waiting,) = db.execute("SELECT count(*) FROM batch WHERE status = 0").fetchone()
    seen = f"{waiting} batches wait for a receipt"
    step = "nothing is lost; see the NET checks, and whether the aggregator runs"
    if waiting >= BACKLOG_FAIL:
        return fail("BACKLOG", str(path), seen, step)
    if waiting >= BACKLOG_WARN:
        return warn("BACKLOG", str(path), seen, step)
    return ok("BACKLOG", str(path), seen)


def _receipts(db: sqlite3.Connection, path: Path, config: EdgeConfig, now_ms: int) -> Verdict:
    step = "see the NET and CERT checks, and `journalctl -u tallystick-edge` for what the aggregator answered"
    try:
        (newest,) = db.execute("SELECT max(server_ms) FROM receipt").fetchone()
    except sqlite3.OperationalError:
        return warn("RECEIPT-AGE", str(path), "is of an older agent", "start the agent, it brings the journal forward")
    if newest is None:
        return warn("RECEIPT-AGE", str(path), "no receipt yet", step)
    age_s = max(0, now_ms - newest) // 1000
    seen = f"the newest receipt is {age(age_s)} old"
    if age_s > max(DAY_S, HEARTBEATS_LATE * config.uplink.heartbeat_ms // 1000):
        return fail("RECEIPT-AGE", str(path), seen, step)
    if age_s > HEARTBEATS_LATE * config.uplink.heartbeat_ms // 1000:
        return warn("RECEIPT-AGE", str(path), seen, step)
    return ok("RECEIPT-AGE", str(path), seen)


def age(seconds: int) -> str:
    """For people."""
    for size, name in ((DAY_S, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
