"""A file that holds room on the disk: given back when the disk is full, so that SQLite can still seal and delete.
It is never read; on a disk that somebody else fills it is the only room that is surely the journal's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

BALLAST_BYTES = 8 * 1024**2  # two log files at their limit: hours of sealed readings, and room for any delete
FREE_BYTES_MIN = 4 * 1024**2  # below this a checkpoint may not fit any more


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Ballast:
    """`path`: beside the journal. `free`: how much the disk still takes."""

    def __init__(self, path: Path, free: Callable[[Path], int] = free_bytes, size: int = BALLAST_BYTES) -> None:
        self._path, self._free, self._size = path, free, size

    @property
    def is_there(self) -> bool:
        return self._path.exists()

    def is_tight(self) -> bool:
        """Whether the disk has too little room for what the journal may need at once."""
        return self._free(self._path.parent) < FREE_BYTES_MIN

    def put_back(self) -> bool:
        """Make the file when there is room for it and as much as is needed beside it; whether it is there now."""
        if self._size == 0 or self.is_there:
            return True
        if self._free(self._path.parent) < self._size + 2 * FREE_BYTES_MIN:
            return False
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
                os.fsync(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room back; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
