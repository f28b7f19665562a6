"""Uploads over which a process ended without an answer, until they are taken in: each is tried by itself from then on.

Kept in memory, for a gateway sends again within minutes; a server that begins anew has none, and finds out again.
"""

from collections.abc import Iterable
from hashlib import sha256

KEPT_MAX = 1024  # 32 full groups: one that is forgotten costs a group once more
TOLD_AFTER = 2  # a first end may be the machine's memory or a person's kill; then the upload is what is left


class Suspects:
    """Used from one event loop. An upload is known by its hash, for it may be large."""

    def __init__(self) -> None:
        self._ends: dict[bytes, int] = {}  # how many processes ended over an upload alone; the oldest first

    def __contains__(self, upload: bytes) -> bool:
        return bool(self._ends) and sha256(upload).digest() in self._ends

    def blame(self, uploads: Iterable[bytes]) -> int:
        """One of these ended a process; how many this one ended, if it was alone."""
        names = [sha256(upload).digest() for upload in uploads]
        for name in names:
            self._ends[name] = self._ends.pop(name, 0) + (len(names) == 1)
        while len(self._ends) > KEPT_MAX:
            del self._ends[next(iter(self._ends))]
        return max(self._ends[name] for name in names)

    def clear(self, upload: bytes) -> None:
        """It has been answered, in whatever way."""
        if self._ends:
            self._ends.pop(sha256(upload).digest(), None)
