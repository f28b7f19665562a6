"""Does a copy of this card sign as this gateway? The card tells by its own epochs and by those missing among them.

One card that was put back begins one epoch and goes on. Only while another one runs do the books leave an epoch behind
in which this very run of the agent had a batch receipted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tallystick_protocol.batch import open_upload
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.doctor.verdict import Verdict, fail, ok, warn

LOOK_BACK = 32  # epochs
NOW_MS, LONG_MS = 86_400_000, 30 * 86_400_000  # what was seen within a day goes on; for a month somebody should know
STEP = "find the other device and switch it off; the copy has this one's key: ask the office for a new claim, move the "
STEP += "data folder away and start the agent, it makes a new key"

_EPOCHS = "SELECT DISTINCT epoch FROM batch WHERE seq = 1 ORDER BY epoch DESC LIMIT ?"
_FIRST = "SELECT upload, created_ms FROM batch WHERE epoch = ? AND seq = 1"
_RECEIPTED = "SELECT upload FROM batch WHERE epoch = ? AND status = 1 ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class OwnEpoch:
    """An epoch that this card began: which run sealed its first batch, which one the last that was receipted."""

    epoch: int
    first: bytes | None
    receipted: bytes | None
    begun_ms: int


def overtaken(own: Sequence[OwnEpoch]) -> OwnEpoch | None:
    """The newest epoch that a run began because another gateway had begun those before it while it was going."""
    found = None
    for before, after in pairwise(own):
        if after.epoch > before.epoch + 1 and after.first is not None and after.first == before.receipted:
            found = after
    return found


def check_copies(db: sqlite3.Connection, path: Path, now_ms: int) -> Verdict:
    found = overtaken(own_epochs(db))
    if found is None or now_ms - found.begun_ms > LONG_MS:
        return ok("CARD-COPY", str(path), "nobody else speaks for this gateway, as far as this card knows")
    seen = f"another device signs with this gateway's key: it began epoch {found.epoch - 1} while this one was going"
    is_now = now_ms - found.begun_ms <= NOW_MS
    return (fail if is_now else warn)("CARD-COPY", str(path), seen, STEP)


def own_epochs(db: sqlite3.Connection) -> list[OwnEpoch]:
    """The newest ones on this card, oldest first."""
    epochs = sorted(epoch for (epoch,) in db.execute(_EPOCHS, (LOOK_BACK,)))
    found = []
    for epoch in epochs:
        first, begun_ms = db.execute(_FIRST, (epoch,)).fetchone()
        receipted = db.execute(_RECEIPTED, (epoch,)).fetchone()
        found.append(OwnEpoch(epoch, _boot(first), None if receipted is None else _boot(receipted[0]), begun_ms))
    return found


def _boot(upload: bytes) -> bytes | None:
    """None for one that the card spoilt: `fsck` has words for it."""
    try:
        batch = open_upload(upload).batch
    except ProtocolError:
        return None
    return None if batch is None else batch.boot
