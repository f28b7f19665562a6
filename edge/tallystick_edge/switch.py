"""Puts a repaired journal in the place of a damaged one, so that a power cut at any moment leaves one of them whole.
A file of its own says that the new one is complete; whoever opens the journal next finishes what was cut off."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tallystick_edge.files import give_to_owner_of

LOGS = ("-wal", "-shm")
BUILDING, READY, DAMAGED = ".repair", ".repaired", ".damaged"


def beside(path: Path, ending: str) -> Path:
    """A file of the same folder: the journal's name with something behind it."""
    return path.with_name(path.name + ending)


def clear_building(path: Path) -> None:
    """Away with what an earlier repair that was cut off had begun."""
    for ending in ("", *LOGS):
        with suppress(FileNotFoundError):
            os.unlink(beside(path, BUILDING + ending))


def switch(path: Path, stamp: str) -> Path:
    """Take the complete journal that was built, and keep the damaged one beside it; where. Raises OSError.

    The rename to READY is the moment from which the new one counts: everything after it can be done again."""
    building, kept = beside(path, BUILDING), beside(path, f"{DAMAGED}-{stamp}")
    for ending in ("", "-wal"):
        if beside(path, ending).exists():
            os.link(beside(path, ending), beside(kept, ending))
    _sync(building, is_new=True)
    _sync(path.parent)
    os.rename(building, beside(path, READY))
    _sync(path.parent)
    finish_switch(path)
    return kept


def finish_switch(path: Path) -> bool:
    """Whether there was a switch to finish. Before the journal is opened, by the only one who may write to it.

    The old log goes first, for good: SQLite would play it into whatever file has the journal's name."""
    ready = beside(path, READY)
    if not ready.exists():
        return False
    for ending in LOGS:
        with suppress(FileNotFoundError):
            os.unlink(beside(path, ending))
    _sync(path.parent)
    os.rename(ready, path)
    _sync(path.parent)
    return True


def _sync(path: Path, is_new: bool = False) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if is_new:
            give_to_owner_of(path.parent, descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
