"""How much room the store has left, and who may still write: all, only what money hangs on, or nobody.
Telemetry is refused first, proofs last; it comes back by itself, and what happened is told in signed events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tallystick_edge.ballast import BALLAST_BYTES, Ballast, free_bytes
from tallystick_edge.journal import Journal
from tallystick_edge.journal_schema import STORE_BYTES_MAX
from tallystick_edge.retention import DROP_MAX

KEEP_MS = 2 * 365 * 86_400_000  # evidence is kept this long after its receipt (devices.md, "Store")
RESERVE = 16  # one part in so many of the limit is for readings and events alone
BALLAST_FILE = "ballast"
ROOM_STEP_BYTES = 256 * 1024  # what others write and delete all the time is no sign of room
TRY_AGAIN_MS = 30_000  # without any sign: a disk that is free again is found well within the minute that is promised


class Level(Enum):
    """PLENTY: all is kept. TIGHT: the reserve is in use, gauges are refused. Full: the journal says it itself."""

    PLENTY = "plenty"
    TIGHT = "tight"


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """`bytes_max`: of the journal's file. `keep_ms`: evidence after its receipt. `free`: of the disk, in bytes."""

    bytes_max: int = STORE_BYTES_MAX
    keep_ms: int = KEEP_MS
    ballast_bytes: int = BALLAST_BYTES
    free: Callable[[Path], int] = free_bytes


@dataclass(frozen=True, slots=True)
class _Refusal:
    """How things were when the journal took nothing."""

    uptime_ms: int
    free_bytes: int
    used_bytes: int


class Room:
    """Looks after one journal's room. Its methods raise JournalError as the journal does."""

    def __init__(self, folder: Path, limits: StoreLimits) -> None:
        self._limits, self._folder = limits, folder
        self._ballast = Ballast(folder / BALLAST_FILE, limits.free, limits.ballast_bytes)
        self._soft_bytes = limits.bytes_max - limits.bytes_max // RESERVE
        self.level = Level.PLENTY
        self._is_refused = False
        self._refusal: _Refusal | None = None
        self.dropped = 0

    def look(self, journal: Journal) -> Level:
        """Before a group commit: is there room, or room again?"""
        over = journal.used_bytes() > self._soft_bytes and not self._drop(journal)
        if over or self._ballast.is_tight():
            self.tighten()
        elif not self._is_refused and self._ballast.put_back():
            self.level = Level.PLENTY
        return self.level

    def tighten(self) -> bool:
        """Telemetry stops and the ballast goes; whether that made any room."""
        self.level = Level.TIGHT
        return self._ballast.release()

    def make(self, journal: Journal) -> bool:
        """The journal said that it is full: whether trying again may help."""
        self._is_refused = True
        return self.tighten() or self._drop(journal)

    def wrote(self) -> None:
        """A commit went through: what looks like room is room."""
        self._is_refused = False
        self._refusal = None

    def refused(self, journal: Journal, uptime_ms: int) -> None:
        """A commit did not go through, whatever room was made for it."""
        self._refusal = _Refusal(uptime_ms, self._free(), journal.used_bytes())

    def may_take(self, journal: Journal, uptime_ms: int) -> bool:
        """Whether a commit is worth making up: all that waits in memory is encoded for it, 20,000 items after hours."""
        if self._refusal is None or uptime_ms - self._refusal.uptime_ms >= TRY_AGAIN_MS:
            return True
        return (
            self._free() - self._refusal.free_bytes >= ROOM_STEP_BYTES
            or journal.used_bytes() < self._refusal.used_bytes
        )

    def forget_refusal(self) -> None:
        """Try whatever the signs are: it is the last time."""
        self._refusal = None

    def _free(self) -> int:
        return self._limits.free(self._folder)

    def _drop(self, journal: Journal) -> bool:
        """Let the oldest receipted evidence go; whether the file has room inside again."""
        while journal.used_bytes() > self._soft_bytes:
            dropped = journal.drop_oldest(DROP_MAX)
            if not dropped:
                return False
            self.dropped += dropped
        return True
