"""Takes out of a damaged journal what can be proved: rows that fit their sums, batches that fit their signatures.
It writes nothing. What is gone is a loss with its name; what nothing on the card can say any more is a refusal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from tallystick_protocol.batch import BadPart, OpenedUpload, Upload, first_prev, open_upload
from tallystick_protocol.codes import EventCode, Reason
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import gid_from_spki
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.part import Part
from tallystick_protocol.receipt import Receipt

from tallystick_edge import journal_rows as rows
from tallystick_edge.batching import ITEMS_MAX
from tallystick_edge.errors import EdgeError, InvariantError, RepairError
from tallystick_edge.items import GATEWAY_CHANNEL, Happening, Item, Moment
from tallystick_edge.journal import BatchStatus, Chain
from tallystick_edge.journal_schema import row_sum
from tallystick_edge.metering.channel import ChannelState
from tallystick_edge.usage.wash import Phase, WashRule, WashState, close_restored

PROBES_MAX = 10_000  # numbers tried behind the last row that can be read, when nobody says which is the last
USES_PER_BATCH = 64  # numbers skipped for each batch that is gone: a use takes minutes, a batch a minute
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
OPENS = frozenset((EventCode.USE_STARTED, EventCode.USE_BILLABLE))
CLOSES = frozenset((EventCode.USE_ENDED, EventCode.USE_ABORTED))
BOOKS = (
    "keep a copy of the journal, move it and its -wal away, and start the agent: it goes on from the aggregator's books"
)

Place = tuple[int, int]  # epoch, seq
Rules = Mapping[int, WashRule | None]  # channels that count uses; None for those whose uses come whole
Tell = Callable[[int, int], None]  # how far: so many of so many batches


@dataclass(frozen=True, slots=True)
class Loss:
    """`code` is stable (kebab-case), `where` names a row, `what` says what is gone and what that means."""

    code: str
    where: str
    what: str


class Content(IntEnum):
    """What is left of a batch: all of it, all but some parts, or only its place and hash."""

    WHOLE = 0
    PARTS = 1
    GONE = 2


@dataclass(slots=True)
class Entry:
    """A batch of the new journal. `row`: where its upload stands in the old one; `prev`: hash of the one before."""

    row: int | None
    hash: bytes
    created_ms: int
    status: BatchStatus | None
    content: Content
    prev: bytes | None = None


@dataclass(slots=True)
class _Trace:
    """What the newest batch that names a channel says of it."""

    place: Place
    state: ChannelState
    uses: int = 0
    open_use: tuple[int, EventCode] | None = None


@dataclass(slots=True)
class Salvaged:
    """Rows for a new journal, each without its sum; `losses` tell what is not among them."""

    chain: Chain
    batches: dict[Place, Entry] = field(default_factory=dict)
    receipts: list[tuple[int, int, int, int, bytes]] = field(default_factory=list)
    channels: dict[int, tuple[int, ChannelState]] = field(default_factory=dict)
    machines: dict[int, WashState] = field(default_factory=dict)
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    replay: list[tuple[str, int, bytes]] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)


def salvage(
    db: sqlite3.Connection,
    spki: bytes,
    open_receipt: Callable[[bytes], Receipt] | None,
    configured: Iterable[int],
    rules: Rules,
    now: Moment,
    tell: Tell = lambda done, of: None,
) -> Salvaged:
    """What a new journal can hold. Raises RepairError when only the aggregator's books can say how to go on."""
    return _Salvage(db, spki, open_receipt, set(configured), rules, now, tell).run()


def upload_of(db: sqlite3.Connection, entry: Entry) -> bytes:
    """What is left of a batch's bytes; parts that are damaged are left out as erased ones are."""
    if entry.content is Content.GONE or entry.row is None:
        return b""
    data = _cell(db, "batch", "upload", entry.row)
    if entry.content is Content.WHOLE:
        return bytes(data)
    opened = open_upload(data)
    kept = (None if isinstance(part, BadPart) else seal for seal, part in zip(opened.sealed, opened.parts, strict=True))
    return Upload(opened.envelope, tuple(kept)).encode()


class _Salvage:
    def __init__(
        self,
        db: sqlite3.Connection,
        spki: bytes,
        open_receipt: Callable[[bytes], Receipt] | None,
        configured: set[int],
        rules: Rules,
        now: Moment,
        tell: Tell,
    ) -> None:
        self._db, self._spki, self._open_receipt = db, spki, open_receipt
        self._key, self._gid = PublicKey.from_spki(spki), gid_from_spki(spki)
        self._configured, self._rules, self._now, self._tell = configured, rules, now, tell
        self._found = Salvaged(Chain(1, 1, first_prev(spki)))
        self._traces: dict[int, _Trace] = {}
        self._torn: set[str] = set()  # tables with pages that cannot be read
        self._gone: set[Place] = set()

    def run(self) -> Salvaged:
        self._take_batches()
        self._take_receipts()
        self._take_chain()
        self._fill_holes()
        self._settle_states()
        self._take_pending()
        self._take_channels()
        self._take_machines()
        self._take_replay()
        return self._found

    def _lose(self, code: str, where: str, what: str) -> None:
        self._found.losses.append(Loss(code, where, what))

    # --- rows --------------------------------------------------------------------------------------------------

    def _numbers(self, table: str) -> list[int]:
        """Numbers of all rows that can be reached, whatever is between them."""
        found: set[int] = set()
        ends: list[int | None] = []
        for order in ("ASC", "DESC"):
            last: int | None = None
            try:
                for (number,) in self._db.execute(f"SELECT rowid FROM {table} NOT INDEXED ORDER BY rowid {order}"):
                    found.add(number)
                    last = number
                return sorted(found)
            except UNREADABLE:
                ends.append(last)
        self._torn.add(table)
        first, last = ends
        start = 1 if first is None else first + 1
        stop = start + PROBES_MAX if last is None else last
        for number in range(start, stop):
            try:
                found.update(self._db.execute(f"SELECT rowid FROM {table} WHERE rowid = ?", (number,)).fetchone() or ())
            except UNREADABLE:
                continue
        return sorted(found)

    def _rows(self, table: str, columns: str) -> Iterator[tuple[int, tuple[Any, ...] | None]]:
        """Each row by its number: its columns, or None when it is not what was written."""
        for number in self._numbers(table):
            try:
                query = f"SELECT {columns}, sum FROM {table} WHERE rowid = ?"
                found = self._db.execute(query, (number,)).fetchone()
            except UNREADABLE:
                found = None
            fits = found is not None and _fits(found[:-1], found[-1])
            yield number, found[:-1] if fits else None

    # --- batches -----------------------------------------------------------------------------------------------

    def _take_batches(self) -> None:
        numbers = self._numbers("batch")
        for done, number in enumerate(numbers):
            self._tell(done, len(numbers))
            head = _row(self._db, "batch", "epoch, seq, hash, created_ms, status, sum", number)
            is_sound = head is not None and _fits(head[:5], head[5])
            opened = self._opened(number)
            if is_sound and head is not None:
                place = int(head[0]), int(head[1])
                is_it = opened is not None and _place(opened) == place and opened.unverified.hash == head[2]
                entry = Entry(number, bytes(head[2]), int(head[3]), BatchStatus(head[4]), Content.GONE)
                opened = opened if is_it else None
            elif opened is not None and opened.batch is not None:
                place = _place(opened)
                entry = Entry(number, opened.unverified.hash, opened.batch.created, None, Content.GONE)
                self._lose("batch-row", _name(place), "its row was damaged: taken from what the batch itself signed")
            else:
                continue  # it shows as a hole between its neighbours
            if opened is not None:
                self._look_into(place, entry, opened)
            known = self._found.batches.get(place)
            if known is None or known.status is None:
                self._found.batches[place] = entry
        self._tell(len(numbers), len(numbers))

    def _opened(self, number: int) -> OpenedUpload | None:
        try:
            opened = open_upload(_cell(self._db, "batch", "upload", number))
            opened.unverified.verify(self._key)
        except (*UNREADABLE, ProtocolError, TypeError):
            return None
        return opened if opened.header.gid == self._gid else None

    def _look_into(self, place: Place, entry: Entry, opened: OpenedUpload) -> None:
        bad = [index for index, part in enumerate(opened.parts) if isinstance(part, BadPart)]
        entry.content, entry.prev = Content.PARTS if bad else Content.WHOLE, bytes(opened.header.prev)
        if bad:
            parts = ", ".join(map(str, bad))
            self._lose("part-lost", _name(place), f"part {parts} is damaged and left out; totals carry the money")
        for part in opened.parts:
            if isinstance(part, Part):
                self._trace(place, part)

    def _trace(self, place: Place, part: Part) -> None:
        known = self._traces.get(part.channel)
        trace = known if known is not None and known.place >= place else _later(known, place, part.channel)
        self._traces[part.channel] = trace
        state = trace.state
        for segment in part.segments:
            if segment.last_pagination > state.pagination:
                last = segment.readings()[-1]
                at = Moment(segment.at.boot, last.uptime_ms, last.t_ms, last.quality)
                state = state._replace(generation=segment.generation, base=segment.base, pagination=last.pagination)
                state = state._replace(value=last.total - segment.base, at=at, serial=segment.serial)
        for gauge in part.gauges:
            state = state._replace(pagination=max(state.pagination, gauge.pagination + len(gauge.dt)))
        for event in part.events:
            if event.number > state.event:
                state = state._replace(event=event.number)
                self._note_use(trace, event.code, event.use)
                if part.channel in self._rules and event.use is not None and event.total is not None:
                    at = Moment(event.at.boot, event.at.ms, event.t_ms, event.quality)
                    state = state._replace(value=event.total, at=at)
        trace.state = state

    @staticmethod
    def _note_use(trace: _Trace, code: EventCode, use: int | None) -> None:
        if use is None:
            return
        trace.uses = max(trace.uses, use)
        if code in OPENS:
            trace.open_use = use, code
        elif code in CLOSES and trace.open_use is not None and trace.open_use[0] == use:
            trace.open_use = None

    # --- receipts, chain, holes --------------------------------------------------------------------------------

    def _take_receipts(self) -> None:
        for number, row in self._rows("receipt", "epoch, from_seq, to_seq, server_ms, envelope"):
            if row is None or not self._is_signed(row[4]):
                self._lose("receipt-lost", f"receipt {number}", "the aggregator is asked for another one")
            else:
                self._found.receipts.append(row)

    def _is_signed(self, envelope: bytes) -> bool:
        try:
            return self._open_receipt is None or self._open_receipt(envelope) is not None
        except ProtocolError:
            return False

    def _take_chain(self) -> None:
        last = max(self._found.batches, default=None)
        ended = None if last is None else Chain(last[0], last[1] + 1, self._found.batches[last].hash)
        sound = [row for _, row in self._rows("chain", "epoch, next_seq, head, last_command, log_view") if row]
        if sound:
            chain = Chain(*sound[0])
            if ended is not None and (ended.epoch, ended.next_seq) >= (chain.epoch, chain.next_seq):
                chain = replace(chain, epoch=ended.epoch, next_seq=ended.next_seq, head=ended.head)
            self._found.chain = chain
            return
        self._lose("chain-lost", "chain", "it goes on from the newest batch; the aggregator says whether it had more")
        self._found.chain = ended or self._found.chain

    def _fill_holes(self) -> None:
        """A batch of which only the hash is known, from the one behind it or from the chain, keeps its place."""
        batches, chain = self._found.batches, self._found.chain
        self._begin()
        before: Place | None = None
        for place in sorted(batches):
            if before is not None and before[0] == place[0] and before[1] + 1 < place[1]:
                self._hole(place[0], before[1] + 1, place[1] - 1, batches[place].prev, batches[place].created_ms)
            before = place
        first = before[1] + 1 if before is not None and before[0] == chain.epoch else 1
        if first < chain.next_seq:
            self._hole(chain.epoch, first, chain.next_seq - 1, chain.head, self._now.utc_ms)

    def _begin(self) -> None:
        """Old evidence is let go with its receipts, and never a batch that waits, nor the newest that does not."""
        if not self._found.batches:
            return
        epoch, seq = place = min(self._found.batches)
        entry = self._found.batches[place]
        older = [first for at, first, last, *_ in self._found.receipts if at == epoch and last < seq]
        if seq > 1 and (older or entry.status is not BatchStatus.FINAL):
            self._hole(epoch, min(older, default=seq - 1), seq - 1, entry.prev, entry.created_ms)

    def _hole(self, epoch: int, first: int, last: int, digest: bytes | None, created_ms: int) -> None:
        self._gone.update((epoch, seq) for seq in range(first, last + 1))
        if digest is not None:
            self._found.batches[epoch, last] = Entry(None, digest, created_ms, None, Content.GONE)
        if first < last or digest is None:
            text = "nothing of them is left" if first < last else "nothing of it is left"
            self._lose("batch-missing", f"batch {epoch}/{first} to {last}", text)

    def _settle_states(self) -> None:
        """Which batches are the aggregator's for sure, which are sent (again), which are declared lost."""
        found = self._found
        covered = {
            (epoch, seq) for epoch, first, last, *_ in found.receipts for seq in range(first, last + 1)
        } & found.batches.keys()
        taken: dict[int, int] = {}  # by epoch the newest that the aggregator has for sure
        for place in sorted(found.batches):
            if place in covered or found.batches[place].status is BatchStatus.FINAL:
                taken[place[0]] = place[1]
        for place, entry in sorted(found.batches.items(), key=lambda each: each[0]):
            entry.status = self._status(place, entry, place in covered, place[1] < taken.get(place[0], 0))
            if entry.content is not Content.GONE:
                continue
            self._gone.add(place)
            if entry.status is BatchStatus.FINAL:
                self._lose("evidence-lost", _name(place), "the aggregator has it; this card cannot show it any more")
            else:
                what = "gone before its receipt came: the next Hello declares it, totals carry the money"
                self._lose("batch-lost", _name(place), what)

    def _status(self, place: Place, entry: Entry, is_covered: bool, is_passed: bool) -> BatchStatus:
        is_here = place[0] == self._found.chain.epoch
        if entry.content is Content.GONE:
            is_final = is_covered or entry.status is BatchStatus.FINAL or (entry.row is None and is_passed)
            return BatchStatus.FINAL if is_final else BatchStatus.SUPERSEDED
        if entry.status is None and not is_covered:
            return BatchStatus.WAITING if is_here else BatchStatus.SUPERSEDED
        if entry.status is BatchStatus.FINAL and is_here and not is_covered:
            return BatchStatus.WAITING  # sent once more, it is receipted once more
        return BatchStatus.FINAL if entry.status is None else entry.status

    # --- what is not sealed yet, and where each channel stands -------------------------------------------------

    def _take_pending(self) -> None:
        lost = 0
        for number, row in self._rows("pending", "id, items"):
            items = None if row is None else _decoded(rows.decode_items, row[1])
            if row is None or items is None:
                lost += 1
                self._lose("readings-lost", f"pending {number}", "readings of one second or so; totals carry the money")
                continue
            self._found.pending.append((number, row[1]))
            for item in items:
                self._note_pending(item)
        if lost or "pending" in self._torn:
            self._tell_later(Happening(GATEWAY_CHANNEL, self._now, EventCode.GAP, reason=Reason.LOST))

    def _note_pending(self, item: Item) -> None:
        if isinstance(item, Happening) and item.use is not None and item.channel in self._rules:
            trace = self._traces.setdefault(item.channel, _Trace((0, 0), ChannelState(item.channel)))
            self._note_use(trace, item.code, item.use)
            if item.total is not None and (trace.state.value or 0) < item.total:
                trace.state = trace.state._replace(value=item.total, at=item.at)

    def _tell_later(self, *events: Happening) -> None:
        """Signed with what is sealed next."""
        number = max((number for number, _ in self._found.pending), default=0) + 1
        self._found.pending.append((number, rows.encode_items(events)))

    def _take_channels(self) -> None:
        unknown: set[int] = set()
        for number, row in self._rows("channel", "number, through, state"):
            state = None if row is None else _decoded(rows.decode_channel, row[2])
            if row is None or state is None:
                unknown.add(number)
            else:
                self._found.channels[number] = row[1], state
        if "channel" in self._torn:
            unknown |= self._configured
        unknown = (unknown | self._traces.keys()) - self._found.channels.keys()
        is_fresh = (self._found.chain.epoch, self._found.chain.next_seq) == (1, 1)
        for number in sorted(unknown):
            trace = self._traces.get(number)
            if trace is None and not is_fresh:
                raise RepairError(f"nothing on this card says where channel {number} stood", BOOKS)
            state = ChannelState(number) if trace is None else self._beyond_gone(trace)
            self._found.channels[number] = 0, state
            self._lose("channel-rebuilt", f"channel {number}", "its row was damaged: read off the newest sealed batch")

    def _beyond_gone(self, trace: _Trace) -> ChannelState:
        """Numbers that a batch which is gone may have used up are never given again."""
        skipped = ITEMS_MAX * sum(place > trace.place for place in self._gone)
        state = trace.state
        return state._replace(pagination=state.pagination + skipped, event=state.event + skipped)

    def _take_machines(self) -> None:
        damaged: set[int] = set()
        for number, row in self._rows("machine", "channel, state"):
            state = None if row is None else _decoded(rows.decode_wash, row[1])
            if state is None:
                damaged.add(number)
            else:
                self._found.machines[number] = state
        if "machine" in self._torn:
            damaged |= self._rules.keys()
        for number in sorted((damaged | self._traces.keys()) & self._rules.keys() - self._found.machines.keys()):
            self._rebuild_machine(number)

    def _rebuild_machine(self, number: int) -> None:
        trace, count = self._traces.get(number), 0
        if number in self._found.channels:
            count = self._found.channels[number][1].value or 0
        if trace is None or not trace.uses:
            if count:
                raise RepairError(f"nothing on this card says which uses of channel {number} there were", BOOKS)
            self._lose(
                "machine-rebuilt", f"machine {number}", "its row was damaged: no use was told yet, it begins anew"
            )
            return
        skipped = USES_PER_BATCH * sum(place > trace.place for place in self._gone)
        state = WashState(count=max(count, trace.state.value or 0), number=trace.uses)
        rule = self._rules[number]
        if trace.open_use is not None and trace.open_use[0] == trace.uses and rule is not None:
            is_billable = trace.open_use[1] is EventCode.USE_BILLABLE
            state = replace(state, phase=Phase.BILLABLE if is_billable else Phase.RUNNING)
            state, events = close_restored(state, rule, self._now)
            self._tell_later(*events)
        self._found.machines[number] = replace(state, number=state.number + skipped)
        self._lose("machine-rebuilt", f"machine {number}", "its row was damaged: counted from the uses that were told")

    def _take_replay(self) -> None:
        for number, row in self._rows("replay", "address, counter, digest"):
            if row is None:
                self._lose("replay-lost", f"replay {number}", "an old packet of one sensor might be taken once more")
            else:
                self._found.replay.append(row)


def _later(known: _Trace | None, place: Place, channel: int) -> _Trace:
    if known is None:
        return _Trace(place, ChannelState(channel))
    return _Trace(place, known.state, known.uses, known.open_use)


def _place(opened: OpenedUpload) -> Place:
    return opened.header.epoch, opened.header.seq


def _name(place: Place) -> str:
    return f"batch {place[0]}/{place[1]}"


def _row(db: sqlite3.Connection, table: str, columns: str, number: int) -> tuple[Any, ...] | None:
    try:
        found: tuple[Any, ...] | None = db.execute(
            f"SELECT {columns} FROM {table} WHERE rowid = ?", (number,)
        ).fetchone()
        return found
    except UNREADABLE:
        return None


def _cell(db: sqlite3.Connection, table: str, column: str, number: int) -> Any:
    """Raises sqlite3.Error when its page cannot be read."""
    return db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (number,)).fetchone()[0]


def _fits(row: tuple[Any, ...], total: object) -> bool:
    """Also values that no row ever held (a damaged type) fit nothing."""
    try:
        return row_sum(*row) == total
    except ProtocolError:
        return False


def _decoded(decode: Callable[[bytes], Any], data: object) -> Any:
    try:
        return decode(data) if isinstance(data, bytes) else None
    except (EdgeError, InvariantError):
        return None
