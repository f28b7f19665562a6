"""The parts of one batch: each is read, posted or set aside by itself, and stored byte for byte either way.

It never lets one part's trouble touch another's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from sqlalchemy import Connection
from tallystick_protocol.batch import BadPart, OpenedUpload, SealedPart
from tallystick_protocol.codes import Reason
from tallystick_protocol.ids import ZERO_H32
from tallystick_protocol.part import Part

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.gateways.model import Head
from tallystick_cloud.gateways.store import descriptor_hashes
from tallystick_cloud.ledger.model import FreshUse

from . import notices, reuse, store
from .channel_row import values_of, work_of
from .model import Origin, Trouble
from .work import EXPLAINS_GENERATION, ChannelWork

GATEWAY_CHANNEL = 0


@dataclass(slots=True)
class Posted:
    """What the parts of a batch became."""

    parts: list[dict[str, object]] = field(default_factory=list)
    uses: list[FreshUse] = field(default_factory=list)
    quarantined: list[tuple[int, int, int]] = field(default_factory=list)
    readings: int = 0
    versions: dict[bytes, Version] = field(default_factory=dict)


def quarantine_all(head: Head, opened: OpenedUpload, h: bytes, reason: Reason) -> Posted:
    """Store every part unread."""
    posted = Posted()
    for position, (sealed, part) in enumerate(zip(opened.sealed, opened.parts, strict=True)):
        _store(posted, head, opened, h, position, sealed, part, Trouble(reason, "both branches of a fork grow"))
    return posted


def post_parts(conn: Connection, head: Head, opened: OpenedUpload, h: bytes, now_ms: int) -> Posted:
    """Work every part into its channel; write channels, open uses and exceptions."""
    posted = Posted()
    if not opened.parts:
        return posted
    bench = _Bench(conn, head, h, now_ms)
    troubles = bench.take(opened.parts)
    for position, (sealed, part) in enumerate(zip(opened.sealed, opened.parts, strict=True)):
        _store(posted, head, opened, h, position, sealed, part, troubles.get(position))
    bench.write(posted, troubles)
    return posted


def _store(
    posted: Posted,
    head: Head,
    opened: OpenedUpload,
    h: bytes,
    position: int,
    sealed: SealedPart | None,
    part: Part | BadPart | None,
    trouble: Trouble | None,
) -> None:
    known = isinstance(part, Part)
    posted.parts.append(
        {
            "batch": h,
            "position": position,
            "community": head.community,
            "gid": head.gid,
            "channel": part.channel if isinstance(part, Part) else None,
            "sensitivity": int(part.sensitivity) if isinstance(part, Part) else None,
            "salt": None if sealed is None else sealed.salt,
            "data": None if sealed is None else sealed.data,
            "standing": "read" if known and trouble is None else "quarantined",
            "reason": None if trouble is None else trouble.reason.name,
        }
    )
    if trouble is not None:
        posted.quarantined.append((opened.header.seq, position, int(trouble.reason)))


class _Bench:
    """The channels that one batch works in."""

    def __init__(self, conn: Connection, head: Head, h: bytes, now_ms: int) -> None:
        self._conn = conn
        self._head = head
        self._h = h
        self._now_ms = now_ms
        self._offsets: dict[bytes, int] = {}
        self._channel_of: dict[int, bytes] = {}
        self._rows = store.channels_of(conn, head.gid)
        self._book = contracts.book(conn, head.community)
        self._works: dict[int, ChannelWork] = {}
        self._open = store.open_uses(conn, [bytes(row.channel_hash) for row in self._rows.values()])
        self._descriptors: dict[int, set[bytes]] | None = None
        self._notes: list[notices.Note] = []

    def take(self, parts: Sequence[Part | BadPart | None]) -> dict[int, Trouble]:
        """position -> why that part is set aside."""
        troubles: dict[int, Trouble] = {}
        readable: list[tuple[int, Part]] = []
        for position, part in enumerate(parts):
            match part:
                case None:
                    troubles[position] = Trouble(Reason.ABSENT, "the part was not sent: erased or unreadable")
                case BadPart(reason, detail):
                    troubles[position] = Trouble(reason, detail)
                case Part():
                    if part.channel in self._rows:
                        self._channel_of[position] = bytes(self._rows[part.channel].channel_hash)
                    trouble = self._unfit(part)
                    if trouble is None:
                        readable.append((position, part))
                    else:
                        troubles[position] = trouble
                case _:
                    assert_never(part)
        self._clocks(readable)
        self._segments(readable, troubles)
        self._events(readable, troubles)
        for number in sorted(self._works):
            self._works[number].cut_intervals()
        return troubles

    def _unfit(self, part: Part) -> Trouble | None:
        if part.channel == GATEWAY_CHANNEL:
            return None
        row = self._rows.get(part.channel)
        if row is None:
            return Trouble(Reason.NO_DESCRIPTOR, f"channel {part.channel} is not in this gateway's meter plan")
        if part.descriptor != ZERO_H32 and not self._is_described(part):
            return Trouble(Reason.NO_DESCRIPTOR, f"channel {part.channel}: its descriptor is not known here")
        return None

    def _is_described(self, part: Part) -> bool:
        if self._descriptors is None:
            self._descriptors = descriptor_hashes(self._conn, self._head.gid)
        return part.descriptor in self._descriptors.get(part.channel, ())

    def _work(self, number: int) -> ChannelWork:
        found = self._works.get(number)
        if found is None:
            row = self._rows[number]
            begun = [use for (h, _), use in self._open.items() if h == row.channel_hash]
            terms = self._book.of_channel(row.asset, row.quantity)
            found = self._works[number] = work_of(row, terms, begun, Origin(self._h, self._head.level, self._now_ms))
            found.know_time(self._offsets)
        return found

    def _clocks(self, readable: Sequence[tuple[int, Part]]) -> None:
        """Corrections of the gateway's clock come first: they give time to what was read before them."""
        for _, part in readable:
            for event in part.events:
                if event.clock is not None and part.channel == GATEWAY_CHANNEL:
                    self._offsets[event.clock.boot] = event.clock.offset_ms
        if self._offsets:
            for number in self._rows:
                self._work(number)

    def _segments(self, readable: Sequence[tuple[int, Part]], troubles: dict[int, Trouble]) -> None:
        """Segments of a channel in the order of their paginations, whatever the order of the parts."""
        rows = [
            (segment.pagination, position, part, segment)
            for position, part in readable
            for segment in part.segments
            if part.channel != GATEWAY_CHANNEL
        ]
        explained = {part.channel for _, part in readable for event in part.events if event.code in EXPLAINS_GENERATION}
        for _, position, part, segment in sorted(rows, key=lambda row: (row[2].channel, row[0], row[1])):
            trouble = self._work(part.channel).take_segment(segment, part.channel in explained)
            if trouble is not None:
                troubles[position] = trouble

    def _events(self, readable: Sequence[tuple[int, Part]], troubles: dict[int, Trouble]) -> None:
        """Events of a channel in the order of their numbers, over all parts of the batch."""
        rows = [(part.channel, event.number, position, event) for position, part in readable for event in part.events]
        for number, _, position, event in sorted(rows, key=lambda row: row[:3]):
            self._notes.append(notices.Note(number, event))
            if number == GATEWAY_CHANNEL:
                continue
            work = self._work(number)
            if event.number <= work.last_event:
                trouble = reuse.trouble(self._conn, self._head.gid, number, event)
            else:
                trouble = work.take_event(event)
            if trouble is not None:
                troubles[position] = trouble

    def write(self, posted: Posted, troubles: dict[int, Trouble]) -> None:
        """Channels, open uses, exceptions and alarms."""
        rows = []
        posted.versions = self._book.by_h()
        for number in sorted(self._works):
            work = self._works[number]
            posted.uses += work.uses
            posted.readings += work.readings
            rows += [self._exception(trouble, work.channel_hash, None, "open") for trouble in work.exceptions]
            self._write_open(work)
        changed = [values_of(work) for work in self._works.values() if work.changed]
        store.update_channels(self._conn, changed)
        for position, trouble in sorted(troubles.items()):
            rows.append(self._exception(trouble, self._channel_of.get(position), position, "quarantined"))
        store.insert_exceptions(self._conn, rows)
        notices.tell(self._conn, self._head, self._rows, self._notes, troubles, self._now_ms)

    def _write_open(self, work: ChannelWork) -> None:
        for use in work.open_uses.values():
            if use.is_done and not use.is_new:
                store.delete_open_use(self._conn, work.channel_hash, use.number)
            elif use.is_new and not use.is_done:
                row = {"channel_hash": work.channel_hash, "number": use.number, "community": self._head.community}
                began = {"start_ms": use.start_ms, "boot": use.boot, "start_uptime_ms": use.uptime_ms}
                more = {"state": use.state, "from_total": use.from_total, "subject": use.subject, "batch": self._h}
                store.insert_open_use(self._conn, {**row, **began, **more})
            elif not use.is_new:
                store.update_open_use(self._conn, work.channel_hash, use.number, {"state": use.state})

    def _exception(
        self, trouble: Trouble, channel_hash: bytes | None, position: int | None, state: str
    ) -> dict[str, object]:
        return {
            "community": self._head.community,
            "gid": self._head.gid,
            "channel_hash": channel_hash,
            "state": state,
            "reason": trouble.reason.name.lower().replace("_", "-"),
            "from_total": trouble.from_total,
            "to_total": trouble.to_total,
            "from_use": trouble.use,
            "to_use": trouble.use,
            "batch": self._h,
            "position": position,
            "opened_ms": self._now_ms,
        }
