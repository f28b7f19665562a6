"""The channels that one batch works in, from the database to what is written back.

It never lets one part's trouble touch another's; what a bug does to it, `parts` undoes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any, assert_never

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.batch import BadPart
from tallystick_protocol.codes import RawKind, Reason, TimeQuality
from tallystick_protocol.ids import ZERO_H32, sha256
from tallystick_protocol.part import Event, Part
from tallystick_protocol.records import Descriptor

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Book
from tallystick_cloud.gateways import commands
from tallystick_cloud.gateways.model import Head
from tallystick_cloud.gateways.store import descriptor_hashes, descriptor_in_force
from tallystick_cloud.ledger.lot import Booked, Cause
from tallystick_cloud.ledger.model import FreshUse
from tallystick_cloud.ledger.service import book
from tallystick_cloud.turns import store as turns

from . import notices, reuse, store
from .channel_row import values_of, work_of
from .late import Missed, take_late, take_late_segment
from .model import OpenUse, Origin, Trouble
from .pending import Pending
from .signed import MeterSigned
from .work import EXPLAINS_GENERATION, ChannelWork

GATEWAY_CHANNEL = 0
_PLACE_OF_EVENT = itemgetter(0, 1, 2)  # channel, number, position of the part
Numbered = Sequence[tuple[int, Part | BadPart | None]]
"""Parts with their positions in the batch."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One batch as it is worked in: whose it is, when it came, when it is worked in."""

    head: Head
    h: bytes
    came_ms: int
    now_ms: int


@dataclass(slots=True)
class Piece:
    """What parts of a batch became."""

    troubles: dict[int, Trouble] = field(default_factory=dict)  # position -> why it is set aside
    booked: list[Booked] = field(default_factory=list)
    readings: int = 0
    is_stuck: bool = False  # our program failed on one of them

    def add(self, other: "Piece") -> None:
        self.troubles |= other.troubles
        self.booked += other.booked
        self.readings += other.readings


@dataclass(frozen=True, slots=True)
class Worked:
    """What a batch's parts became, before its uses are booked."""

    troubles: dict[int, Trouble]
    uses: list[FreshUse]
    readings: int


def channels_in(parts: Iterable[Part | BadPart | None]) -> set[int]:
    """Channels that parts are of; all that a batch works in where no clock was corrected."""
    return {part.channel for part in parts if isinstance(part, Part) and part.channel != GATEWAY_CHANNEL}


def clocks_of(parts: Iterable[tuple[int, Part | BadPart | None]]) -> dict[bytes, int]:
    """boot -> UTC minus uptime in ms, as the gateway's own events say."""
    return {
        event.clock.boot: event.clock.offset_ms
        for _, part in parts
        if isinstance(part, Part) and part.channel == GATEWAY_CHANNEL
        for event in part.events
        if event.clock is not None
    }


def records_of(parts: Sequence[tuple[int, Part]]) -> dict[int, dict[bytes, bytes]]:
    """channel -> SHA-256 -> each record that its meter signed, as it came."""
    found: dict[int, dict[bytes, bytes]] = {}
    for _, part in parts:
        for raw in part.raws:
            if raw.kind is RawKind.OCMF:
                found.setdefault(part.channel, {})[sha256(raw.data)] = raw.data
    return found


class Bench:
    """`only`: the one channel that is worked in, held or not; all that are not held when it is None.

    `late`: the parts come after later ones of their channels; what is open of them is billed.
    """

    def __init__(
        self,
        conn: Connection,
        sheet: Sheet,
        only: int | None = None,
        late: bool = False,
        stock: store.Stock | None = None,
        book: Book | None = None,
    ) -> None:
        self._conn = conn
        self._sheet = sheet
        self._only = only
        self._late = late
        self._offsets: Mapping[bytes, int] = {}
        self._number_of: dict[int, int] = {}  # channels of parts by position
        stock = store.stocks(conn, {sheet.head.gid: None})[sheet.head.gid] if stock is None else stock
        self._rows, self._open = stock.rows, stock.open_uses
        self.contracts = contracts.book_to_price(conn, sheet.head.community) if book is None else book
        self._works: dict[int, ChannelWork] = {}
        self._missed: dict[int, Missed] = {}
        self._descriptors: dict[int, set[bytes]] | None = None
        self._notes: list[notices.Note] = []
        self._records: Mapping[int, Mapping[bytes, bytes]] = {}

    def work_in(self, parts: Numbered, offsets: Mapping[bytes, int], key: str) -> Piece:
        """Read, cut, write and book them. `key`: idempotency key of the journals; `offsets`: see `clocks_of`."""
        pending = Pending()
        worked = self.work(parts, offsets, pending)
        pending.write_work(self._conn)
        cause = Cause(key, "batch", self._sheet.h, self._sheet.now_ms)
        booked = book(self._conn, self._sheet.head.community, worked.uses, self.contracts.by_h(), cause)
        return Piece(worked.troubles, booked, worked.readings)

    def work(self, parts: Numbered, offsets: Mapping[bytes, int], pending: Pending) -> "Worked":
        """Read and cut them; what is to be written is left in `pending`, what is to be booked is returned."""
        self._offsets = offsets
        troubles = self._take(parts)
        uses = self._write(troubles, pending)
        return Worked(troubles, uses, sum(work.readings for work in self._works.values()))

    def _take(self, parts: Numbered) -> dict[int, Trouble]:
        troubles: dict[int, Trouble] = {}
        readable: list[tuple[int, Part]] = []
        unfit: dict[tuple[int, bytes], Trouble | None] = {}
        for position, part in parts:
            match part:
                case None:
                    troubles[position] = Trouble(Reason.ABSENT, "the part was not sent: erased or unreadable")
                case BadPart(reason, detail):
                    troubles[position] = Trouble(reason, detail)
                case Part():
                    at = part.channel, part.descriptor
                    trouble = unfit[at] if at in unfit else unfit.setdefault(at, self._unfit(part))
                    trouble = trouble or self._too_early(part)
                    if trouble is None:
                        readable.append((position, part))
                    else:
                        troubles[position] = trouble
                    self._number_of[position] = part.channel
                case _:
                    assert_never(part)
        self._records = records_of(readable)
        self._clocks()
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
            return Trouble(Reason.NO_DESCRIPTOR, f"channel {part.channel}: the plan does not say what is read there")
        if not self._is_free(part.channel):
            return held(part.channel)
        return None

    def _is_free(self, number: int) -> bool:
        return number == self._only or (self._only is None and self._rows[number].held_ms is None)

    def _is_described(self, part: Part) -> bool:
        """By a descriptor, or as what one says that came into the plan after it was read."""
        if self._descriptors is None:
            self._descriptors = descriptor_hashes(self._conn, self._sheet.head.gid)
        return part.descriptor in self._descriptors.get(part.channel, ()) or self._is_covered(part)

    def _is_covered(self, part: Part) -> bool:
        envelope = descriptor_in_force(self._conn, self._sheet.head.gid, part.channel)
        return envelope is not None and part.descriptor in Descriptor.decode(cose.parse(envelope).payload).covered()

    def _too_early(self, part: Part) -> Trouble | None:
        """What was read before its channel is billed at all, as far as the gateway knew the time."""
        row = self._rows.get(part.channel)
        if row is None or row.since_ms is None:
            return None
        first_ms = began_at(part)
        if first_ms is None or first_ms >= row.since_ms:
            return None
        since = datetime.fromtimestamp(row.since_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return Trouble(Reason.NO_DESCRIPTOR, f"channel {part.channel} is billed from {since} on; this was read before")

    def _work(self, number: int) -> ChannelWork:
        found = self._works.get(number)
        if found is None:
            row = self._rows[number]
            begun = self._open.get(bytes(row.channel_hash), ())
            terms = self.contracts.of_channel(row.asset, row.quantity)
            origin = Origin(self._sheet.h, self._sheet.head.level, self._sheet.came_ms)
            found = self._works[number] = work_of(row, terms, begun, origin)
            found.signed = self._signed_by_meter(number, row)
            if terms.is_shared:
                found.turn_at = partial(turns.at, self._conn, self._sheet.head.community, row.asset)
            found.know_time(self._offsets)
        return found

    def _signed_by_meter(self, number: int, row: Any) -> MeterSigned | None:
        """Records of the channel's meter in this batch, when the descriptor in force names its key."""
        records = self._records.get(number)
        envelope = descriptor_in_force(self._conn, self._sheet.head.gid, number) if records else None
        if records is None or envelope is None:
            return None
        known = Descriptor.decode(cose.parse(envelope).payload)
        if known.meter_key is None:
            return None
        return MeterSigned(known.meter_key, row.serial, known.unit, known.exponent, records)

    def _clocks(self) -> None:
        """Corrections of the gateway's clock come first: they give time to what was read before them."""
        if self._offsets:
            for number in self._rows:
                if self._is_free(number):
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
            work = self._work(part.channel)
            if self._late and not work.is_event:
                take_late_segment(work, segment, self._missed_of(work))
            trouble = work.take_segment(segment, part.channel in explained)
            if trouble is not None:
                troubles[position] = trouble

    def _events(self, readable: Sequence[tuple[int, Part]], troubles: dict[int, Trouble]) -> None:
        """Events of a channel in the order of their numbers, over all parts of the batch."""
        rows = [(part.channel, event.number, position, event) for position, part in readable for event in part.events]
        rows.sort(key=_PLACE_OF_EVENT)
        for number, _, position, event in rows:
            if number == GATEWAY_CHANNEL or event.code not in notices.UNTOLD:
                self._notes.append(notices.Note(number, event))
            if number == GATEWAY_CHANNEL:
                continue
            work = self._work(number)
            trouble = work.take_event(event) if event.number > work.last_event else self._again(work, event)
            if trouble is not None:
                troubles[position] = trouble

    def _again(self, work: ChannelWork, event: Event) -> Trouble | None:
        """An event number at or below the last."""
        met = reuse.look(self._conn, self._sheet.head.gid, work.number, event, read_only=self._late)
        if met is reuse.Met.SAME:
            return None
        if met is reuse.Met.NEVER and self._late:
            return take_late(work, event, self._missed_of(work))
        return reuse.reused(event)

    def _missed_of(self, work: ChannelWork) -> Missed:
        if work.number not in self._missed:
            self._missed[work.number] = store.missed(self._conn, work.channel_hash)
        return self._missed[work.number]

    def _write(self, troubles: Mapping[int, Trouble], pending: Pending) -> list[FreshUse]:
        """Channels, open uses, exceptions and alarms; returns the uses to be booked."""
        uses: list[FreshUse] = []
        for number in sorted(self._works):
            work = self._works[number]
            uses += work.uses
            for trouble in work.exceptions:
                pending.exceptions.append(self._exception(trouble, work.channel_hash, None, "open"))
            self._write_open(work, pending)
            if work.changed:
                pending.channels.append(values_of(work))
        for missed in self._missed.values():
            store.shrink(self._conn, missed.filled, missed.gaps, self._sheet.now_ms)
        for position, trouble in sorted(troubles.items()):
            row = self._rows.get(self._number_of.get(position, GATEWAY_CHANNEL))
            h = None if row is None else bytes(row.channel_hash)
            pending.exceptions.append(self._exception(trouble, h, position, "quarantined"))
        for note in self._notes:
            if note.channel == GATEWAY_CHANNEL:
                commands.answered(self._conn, self._sheet.head.gid, note.event, self._sheet.now_ms)
        notices.tell(self._conn, self._sheet.head, self._rows, self._notes, troubles, self._sheet.now_ms)
        return uses

    def _write_open(self, work: ChannelWork, pending: Pending) -> None:
        for use in work.open_uses.values():
            if use.is_done and not use.is_new:
                pending.ended.append((work.channel_hash, use.number))
            elif use.is_new and not use.is_done:
                pending.opened.append(self._open_row(work.channel_hash, use))
            elif not use.is_new and use.state != use.stored:
                pending.moved.append((work.channel_hash, use.number, use.state))

    def _open_row(self, channel_hash: bytes, use: OpenUse) -> tuple[object, ...]:
        began = use.start_ms, use.boot, use.uptime_ms, use.from_total, use.subject
        return (channel_hash, use.number, self._sheet.head.community, use.state, *began, None, None, self._sheet.h)

    def _exception(
        self, trouble: Trouble, channel_hash: bytes | None, position: int | None, state: str
    ) -> dict[str, object]:
        return exception_row(self._sheet, trouble, channel_hash, position, state)


def began_at(part: Part) -> int | None:
    """The earliest known time in a part; None when the gateway knew none."""
    times = [one.t0_ms for one in part.segments if one.first_quality is not TimeQuality.U]
    times += [one.t_ms for one in part.events if one.quality is not TimeQuality.U]
    return min(times, default=None)


def held(number: int) -> Trouble:
    """Why a part of a held channel is not worked in."""
    return Trouble(Reason.HELD, f"waits behind an earlier part of channel {number}; `tallystick quarantine list`")


def exception_row(
    sheet: Sheet, trouble: Trouble, channel_hash: bytes | None, position: int | None, state: str
) -> dict[str, object]:
    """A row of what is not billed."""
    return {
        "community": sheet.head.community,
        "gid": sheet.head.gid,
        "channel_hash": channel_hash,
        "state": state,
        "reason": trouble.reason.name.lower().replace("_", "-"),
        "detail": trouble.detail,
        "from_total": trouble.from_total,
        "to_total": trouble.to_total,
        "from_use": trouble.use,
        "to_use": trouble.use,
        "batch": sheet.h,
        "position": position,
        "opened_ms": sheet.now_ms,
    }
