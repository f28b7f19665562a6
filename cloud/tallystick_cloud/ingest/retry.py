"""Quarantined parts once more: after the program was mended or made newer, or when their bytes came at last.

It works in the order in which the batches came, so that a held channel ends as if nothing had happened; it never bills
counts that something else billed meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.batch import BadPart, OpenedUpload
from tallystick_protocol.codes import Reason
from tallystick_protocol.part import Part

from tallystick_cloud.alarms import clear_alarm
from tallystick_cloud.gateways import store as gateways
from tallystick_cloud.gateways.model import Head

from . import quarantine, store
from .bench import GATEWAY_CHANNEL, Numbered, Piece, Sheet, clocks_of
from .model import Trouble
from .notices import quarantine_key
from .parts import part_row, work_channel


@dataclass(frozen=True, slots=True)
class Retried:
    """`taken` parts are read now, `left` wait on; `uses` were booked that were missing."""

    taken: int = 0
    left: int = 0
    uses: int = 0

    def plus(self, other: "Retried") -> "Retried":
        return Retried(self.taken + other.taken, self.left + other.left, self.uses + other.uses)


def retry(conn: Connection, head: Head, now_ms: int) -> Retried:
    """Every part of one gateway that a program can take again; the caller holds the head's lock."""
    waiting = quarantine.waiting(conn, head.gid)
    if not waiting:
        return Retried()
    store.lock_all_chains(conn, head.community)
    work = _Retry(conn, head, now_ms)
    for h, came_ms in quarantine.batches(conn, head.gid, waiting, work.held_since):
        work.batch(h, came_ms, waiting.get(h, ()))
    return work.end(sum(len(rows) for rows in waiting.values()))


def take_missing(conn: Connection, head: Head, opened: OpenedUpload, h: bytes, now_ms: int) -> None:
    """Parts that were absent or spoilt and fit their hash now: kept, and worked in where they belong."""
    if opened.batch is None:
        return
    known = store.parts_of(conn, h)
    found = False
    for position, (sealed, part) in enumerate(zip(opened.sealed, opened.parts, strict=True)):
        if sealed is None or (isinstance(part, BadPart) and part.reason is Reason.PART_HASH):
            continue
        standing, reason = known.get(position, ("quarantined", Reason.ABSENT.name))
        if standing != "quarantined" or reason not in (Reason.ABSENT.name, Reason.PART_HASH.name):
            continue
        row = part_row(head, opened, h, position, Trouble(Reason[reason], "its bytes came later"))
        if position in known:
            store.fill_part(conn, row)
        else:
            store.insert_part(conn, row)
        found = True
    if found:
        retry(conn, head, now_ms)


def retry_all(conn: Connection, community: str, now_ms: int) -> Retried:
    """Every gateway of a community that has something waiting, in one transaction."""
    done = Retried()
    for gid in quarantine.gateways_of(conn, community):
        head = gateways.lock_head(conn, gid)
        if head is not None:
            done = done.plus(retry(conn, head, now_ms))
    return done


class _Retry:
    """One gateway's quarantine while it is worked through."""

    def __init__(self, conn: Connection, head: Head, now_ms: int) -> None:
        self._conn, self._head, self._now_ms = conn, head, now_ms
        rows = store.channels_of(conn, head.gid)
        self._held = {number: row.held_ms for number, row in rows.items() if row.held_ms is not None}
        self._stuck: set[int | None] = set()
        self._done = Retried()

    @property
    def held_since(self) -> int | None:
        return min(self._held.values(), default=None)

    def batch(self, h: bytes, came_ms: int, rows: Sequence[Any]) -> None:
        """What waits of one batch, and the clock corrections that held channels have not heard yet."""
        opened = quarantine.reopen(self._conn, h)
        parts = list(enumerate(opened.parts))
        waiting = {row.position: row for row in rows}
        mine: dict[int | None, list[tuple[int, Part | BadPart | None]]] = {}
        for position, part in parts:
            if position in waiting and isinstance(part, Part):
                mine.setdefault(part.channel, []).append((position, part))
        offsets = clocks_of(parts)
        if offsets:
            for held, since_ms in self._held.items():
                if came_ms >= since_ms:
                    mine.setdefault(held, [])
        sheet = Sheet(self._head, h, came_ms, self._now_ms)
        for number in sorted(mine, key=lambda one: one or GATEWAY_CHANNEL):
            if number not in self._stuck:
                self._channel(sheet, opened, number, mine[number], offsets, waiting)

    def _channel(
        self,
        sheet: Sheet,
        opened: OpenedUpload,
        number: int | None,
        parts: Numbered,
        offsets: Mapping[bytes, int],
        waiting: Mapping[int, Any],
    ) -> None:
        quarantine.close(self._conn, sheet.h, [position for position, _ in parts], self._now_ms)
        key = f"part:{sheet.h.hex()}:{parts[0][0]}" if parts else f"clock:{sheet.h.hex()}:{number}"
        piece = work_channel(self._conn, sheet, number, parts, key, offsets=offsets, again=True)
        if piece.is_stuck:
            self._stuck.add(number)
        quarantine.readable(self._conn, sheet.h, opened.batch is not None)
        for position, _ in parts:
            row = part_row(self._head, opened, sheet.h, position, piece.troubles.get(position))
            store.fill_part(self._conn, row)
        store.add_readings(self._conn, sheet.h, self._head.gid, piece.readings)
        taken = len(parts) - len(piece.troubles)
        self._done = self._done.plus(Retried(taken=taken, uses=_fresh(piece)))

    def end(self, waited: int) -> Retried:
        """Free what is through; alarms of reasons that nothing waits for any more are over."""
        store.free(self._conn, self._head.gid, [number for number in self._held if number not in self._stuck])
        left = quarantine.reasons(self._conn, self._head.gid)
        for reason in quarantine.RETRIED:
            if reason.name not in left:
                clear_alarm(self._conn, self._head.community, quarantine_key(self._head.gid, reason), self._now_ms)
        return replace(self._done, left=waited - self._done.taken)


def _fresh(piece: Piece) -> int:
    return sum(one.fresh for one in piece.booked)
