"""What one upload does to one channel: pure, from the channel as it stood to what is to be written.

It never reads a database; whatever it cannot bill it sets aside with a reason, and the chain goes on.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tallystick_protocol.codes import EventCode, EvidenceLevel, MeterState, Reason, TimeQuality
from tallystick_protocol.ids import H32, PartyId, use_id, use_ids
from tallystick_protocol.money.intervals import Cut, IntervalSlice, cut, holes
from tallystick_protocol.money.plan import plan_of, problem
from tallystick_protocol.money.rating import Usage, UsageForm
from tallystick_protocol.part import Event, Segment, SegmentReading

from tallystick_cloud.contracts.model import ChannelContracts, Found
from tallystick_cloud.ingest.model import UNKNOWN_MS, OpenUse, Origin, Timeless, Trouble
from tallystick_cloud.ingest.signed import MeterSigned
from tallystick_cloud.ledger.model import FreshUse, Kind

_UNKNOWN = TimeQuality.U
_STARTED = EventCode.USE_STARTED
_ABORTED = EventCode.USE_ABORTED
_MOVES = (EventCode.USE_BILLABLE, EventCode.USE_ENDED, _ABORTED)
DAY_MS = 86_400_000
FUTURE_MS = 7 * DAY_MS  # a wrong day or time zone heals by itself in a week; a time further ahead of ours is no time
TAIL_MAX = 4096  # readings kept after the last edge: days without any contract; older ones are evidence only
EXPLAINS_GENERATION = frozenset({EventCode.WRAP, EventCode.RESET, EventCode.EXCHANGE})


def _nobody(start_ms: int) -> None:
    """Whose turn it was where nobody shares."""


@dataclass(slots=True)
class ChannelWork:
    """A channel while one upload is worked in; `finish` says what is new."""

    channel_hash: H32
    gid: bytes
    number: int
    asset: str
    meter: str
    quantity: str
    is_event: bool
    first_total: int | None
    billed_total: int | None
    last_use: int
    last_total: int | None
    last_reading_ms: int | None
    last_pagination: int
    last_event: int
    generation: int
    base: int
    serial: str | None
    last_edge_ms: int | None
    tail: list[tuple[int, int]]  # t_ms, total; times rise
    timeless: list[Timeless]
    contracts: ChannelContracts
    origin: Origin
    open_uses: dict[int, OpenUse] = field(default_factory=dict)
    uses: list[FreshUse] = field(default_factory=list)
    exceptions: list[Trouble] = field(default_factory=list)
    readings: int = 0
    changed: bool = False
    seams: int = 0  # that events told of; those of readings that crossed one are taken off, within a batch before
    signed: MeterSigned | None = None  # records of this batch, where the meter's key is registered
    offsets: Mapping[bytes, int] = field(default_factory=dict)  # boot -> UTC minus uptime in ms
    turn_at: Callable[[int], PartyId | None] = _nobody  # whose turn it was, of an asset that several share

    def know_time(self, offsets: Mapping[bytes, int]) -> None:
        """Clocks were corrected: what waits for the time of these boots gets it."""
        self.offsets = offsets
        waiting = self.timeless
        timed = [(one, one.uptime_ms + offsets[one.boot]) for one in waiting if one.boot in offsets]
        timed = [(one, t_ms) for one, t_ms in timed if not self._is_future(t_ms)]
        if timed:
            self.changed = True
            for one, t_ms in timed:
                self._place(t_ms, one.total)
            placed = [one for one, _ in timed]
            self.timeless = [one for one in waiting if one not in placed]

    def take_segment(self, segment: Segment, explained: bool) -> Trouble | None:
        """Readings after the last pagination; at or below it they are evidence and change nothing.

        `explained`: an event of this batch tells of a seam (wrap, reset, exchange); one of a batch before counts too.
        """
        if segment.last_pagination <= self.last_pagination:
            return None
        explained = explained or self.seams > 0
        if segment.generation < self.generation:
            detail = f"generation {segment.generation} after {self.generation}: an older state of the meter"
            return Trouble(Reason.REPLAYED, detail)
        if segment.generation > self.generation > 0 and not explained:
            detail = f"generation {segment.generation} after {self.generation} and no event says why"
            return Trouble(Reason.GENERATION_UNEXPLAINED, detail)
        if self.serial and segment.serial and segment.serial != self.serial and not explained:
            detail = f"serial number {segment.serial}, expected {self.serial}; send the exchange event"
            return Trouble(Reason.SERIAL_UNEXPECTED, detail)
        first = max(0, self.last_pagination + 1 - segment.pagination)
        total = segment.first_total + sum(segment.dv[:first])
        if self.last_total is not None and total < self.last_total:
            detail = f"total {total} after {self.last_total}: a total never falls"
            return Trouble(Reason.FELL, detail)
        self._accept(segment, first)
        return None

    def _accept(self, segment: Segment, first: int) -> None:
        """Readings from index `first` on."""
        self.changed = True
        self.readings += len(segment.dt) + 1 - first
        self.last_pagination = segment.last_pagination
        self.seams -= segment.generation - self.generation
        self.generation, self.base = segment.generation, segment.base
        self.serial = segment.serial or self.serial
        if self._is_plain(segment):
            self._points(segment, first)
            return
        for reading in segment.readings()[first:]:
            if reading.state is MeterState.OK:
                self._point(reading, segment.at.boot)

    def _is_plain(self, segment: Segment) -> bool:
        """Whether all its readings are good and at known times that rise: then nobody need look at each."""
        if segment.state != MeterState.OK or isinstance(segment.quality, tuple) or segment.quality == TimeQuality.U:
            return False
        begins_later = not self.tail or segment.t0_ms > self.tail[-1][0]
        return begins_later and 0 not in segment.dt and not self._is_future(segment.t0_ms + sum(segment.dt))

    def _points(self, segment: Segment, first: int) -> None:
        """What `_point` does, for readings that nobody need look at."""
        totals = list(accumulate(segment.dv, initial=segment.first_total))
        self.last_total = totals[-1]
        if self.is_event:
            return
        times = list(accumulate(segment.dt, initial=segment.t0_ms))
        if self.first_total is None:
            self.first_total = self.billed_total = totals[first]
        if self.last_edge_ms is None:
            self.last_edge_ms = times[first]
        self.timeless = []
        self.last_reading_ms = max(times[-1], self.last_reading_ms or 0)
        self.tail += list(zip(times, totals, strict=True))[first:]

    def _point(self, reading: SegmentReading, boot: bytes) -> None:
        self.last_total = reading.total
        if self.is_event:
            return
        if self.first_total is None:
            self.first_total = self.billed_total = reading.total
        t_ms: int | None = reading.t_ms if reading.quality is not TimeQuality.U else None
        if t_ms is None and boot in self.offsets:
            t_ms = reading.uptime_ms + self.offsets[boot]
        if t_ms is not None and not self._is_future(t_ms):
            self._place(t_ms, reading.total)
        else:
            self.timeless = [*self.timeless[-TAIL_MAX + 1 :], Timeless(reading.total, boot, reading.uptime_ms)]

    def _is_future(self, t_ms: int) -> bool:
        """A clock that was set a year too far would keep everything after it from being billed for a year."""
        return t_ms > self.origin.now_ms + FUTURE_MS

    def _place(self, t_ms: int, total: int) -> None:
        """A total at a known time. What still waits lies before it: its counts are in this total."""
        self.timeless = []
        self.last_reading_ms = max(t_ms, self.last_reading_ms or 0)
        if self.last_edge_ms is None:
            self.last_edge_ms = t_ms
        if not self.tail or t_ms > self.tail[-1][0]:
            self.tail.append((t_ms, total))

    def time_of(self, event: Event) -> int:
        """When it happened, at the latest when it came; UNKNOWN_MS when nobody knows yet."""
        if event.quality is not _UNKNOWN:
            return self.origin.now_ms if self._is_future(event.t_ms) else event.t_ms
        return event.at.ms + self.offsets[event.at.boot] if event.at.boot in self.offsets else UNKNOWN_MS

    def tell_seam(self, event: Event) -> None:
        """The next generation of readings is explained, also where those beside the event were refused."""
        if event.code in EXPLAINS_GENERATION:
            self.changed = True
            self.seams += 1

    def take_event(self, event: Event) -> Trouble | None:
        """An event with a number above the last; the caller knows what to do with the others."""
        self.changed = True
        self.last_event = event.number
        self.tell_seam(event)
        if event.code is _STARTED:
            return self._started(event)
        return self._moved(event) if event.code in _MOVES else None

    def _started(self, event: Event) -> Trouble | None:
        use = event.use or 0
        begun = self.open_uses.get(use)
        if begun is not None and (begun.boot, begun.uptime_ms) == (event.at.boot, event.at.ms):
            return None  # a restored card tells again, under another number, what the books have already
        if use <= self.last_use:
            return Trouble(Reason.NUMBER_REUSED, f"use {use} began again; the last was {self.last_use}", use=use)
        self.last_use = max(self.last_use, use)
        self.open_uses[use] = OpenUse(
            use, self.time_of(event), event.at.boot, event.at.ms, event.subject, "started", event.total, is_new=True
        )
        return None

    def _moved(self, event: Event) -> Trouble | None:
        """Billable, ended or aborted: the first two bill what is not billed yet, an abort before is free."""
        use, total = event.use or 0, event.total or 0
        begun = self.open_uses.get(use)
        if begun is None and use <= self.last_use and event.reason is Reason.RESTORED:
            return None  # a restored card closes what it remembers as open; the books know how it went on
        if begun is not None and begun.state == "billable" and event.reason is Reason.RESTORED:
            begun.is_done = True  # billed before the card was set back; its older total says nothing
            return None
        if begun is None and use <= self.last_use:
            return Trouble(Reason.NUMBER_REUSED, f"use {use} is closed; the last was {self.last_use}", use=use)
        if self.last_total is not None and total < self.last_total:
            return Trouble(Reason.FELL, f"total {total} after {self.last_total}: a total never falls", use=use)
        begun = begun or OpenUse(use, UNKNOWN_MS, event.at.boot, event.at.ms, None, "started", is_new=True)
        self.open_uses[use] = begun
        self.last_use = max(self.last_use, use)
        self.begin(begun, event, total)
        self.last_total = total
        self.last_reading_ms = max(self.time_of(event), self.last_reading_ms or 0)
        if begun.state == "started":
            self.bill(begun, event, total)
        begun.state = "billable"
        begun.is_done = event.code is not EventCode.USE_BILLABLE
        return None

    def begin(self, begun: OpenUse, event: Event, total: int) -> None:
        """Money begins to count where the first use that moved anything began."""
        if self.first_total is None:
            first = total - (event.code is not _ABORTED)
            begins = first if begun.from_total is None else min(first, begun.from_total)
            self.first_total = self.billed_total = begins

    def bill(self, begun: OpenUse, event: Event, total: int) -> None:
        """One use from the mark to its total; counts that skipped it stay open with a reason.

        A restored card may close a use as aborted that was counted before, and whose billable event is lost with the
        other card: it is not free, and as no event names its programme it stays open."""
        start = begun.from_total if begun.from_total is not None else total - (event.code is not _ABORTED)
        billed = self.billed_total if self.billed_total is not None else start
        if start > billed:
            detail = f"counts {billed} to {start} came without their events"
            self.exceptions.append(Trouble(Reason.USE_UNEXPLAINED, detail, billed, start))
        start = max(billed, start)
        self.billed_total = max(billed, total)
        self.price(begun, event, start, total, event.is_free(start))

    def price(self, begun: OpenUse, event: Event, start: int, total: int, aborted: bool) -> None:
        """The use of counts (start, total]; without a time or a contract they stay open with the reason."""
        end_ms = self.time_of(event)
        if end_ms == UNKNOWN_MS:
            detail = f"use {begun.number} happened before the gateway knew the time"
            self.exceptions.append(Trouble(Reason.UNKNOWN_TIME, detail, start, total, begun.number))
            return
        begun.start_ms = end_ms if begun.start_ms == UNKNOWN_MS else min(begun.start_ms, end_ms)
        found = self.contracts.at(begun.start_ms)
        if found is None:
            if total > start:
                detail = f"no contract priced {self.asset} when use {begun.number} began"
                self.exceptions.append(Trouble(Reason.NO_CONTRACT, detail, start, total, begun.number))
            return
        self._event_use(begun, event, found, (begun.start_ms, end_ms, start, total), aborted)

    def _event_use(
        self, begun: OpenUse, event: Event, found: Found, span: tuple[int, int, int, int], aborted: bool
    ) -> None:
        """`span`: from and to in ms, from and to in counts."""
        turn = self.turn_at(begun.start_ms) if found.sharers else None
        payer = found.payer_of(turn)
        if payer is None:
            self._no_payer(*span[2:], begun.number)
            return
        place = self.channel_hash, begun.number, *span
        more = self.asset, payer, event.programme, UsageForm.EVENT, aborted, False
        usage = Usage._make((use_id(self.channel_hash, begun.number), *place, *more))
        self._keep(usage, found, begun.subject, self._level(event, usage))

    def _level(self, event: Event, usage: Usage) -> int:
        """3 when the meter itself signed exactly this use, else what the gateway's key gives, with the reason."""
        record = event.samples_hash
        if self.signed is None or record is None or record not in self.signed.records:
            return self.origin.level
        why = self.signed.misfit(record, usage.from_total, usage.to_total)
        if why is None:
            return int(EvidenceLevel.METER_SIGNED)
        self.exceptions.append(Trouble(Reason.METER_SIGNATURE, f"use {usage.number}: {why}", use=usage.number))
        return self.origin.level

    def _keep(self, usage: Usage, found: Found, subject: bytes | None, level: int | None = None) -> None:
        """A use for the books; one that its contract cannot price stays open with the reason."""
        version = found.version
        h, chain = H32(version.h), H32(version.chain)
        why = None if plan_of(version.contract, chain).is_usual(usage) else problem(version.contract, usage)
        if why is not None:
            span = usage.from_total, usage.to_total
            self.exceptions.append(Trouble(Reason.NO_CONTRACT, why, *span, usage.number))
            return
        if self.origin.now_ms - usage.end_ms >= found.late_ms:
            late_days = (self.origin.now_ms - usage.end_ms) // DAY_MS
            detail = f"came {late_days} days late, the contract allows {version.contract.terms.late_days}"
            self.exceptions.append(Trouble(Reason.TOO_LATE, detail, usage.from_total, usage.to_total, usage.number))
            return
        kind = Kind.LIVE if found.is_live else Kind.SHADOW
        level = self.origin.level if level is None else level
        self.uses.append(FreshUse._make((usage, h, chain, kind, self.gid, subject, level, self.origin.batch)))

    def cut_intervals(self) -> None:
        """Cut what readings surround, and keep the readings that the next cut needs."""
        if self.is_event or self.last_edge_ms is None or self.billed_total is None or len(self.tail) < 2:
            return
        last = Cut(self.last_edge_ms, self.billed_total)
        max_gap_ms = self.contracts.max_gap_ms(last.t_ms)
        slices, after = cut(self.tail, last, self._edges(last.t_ms, max_gap_ms), max_gap_ms)
        self._slices(slices)
        if after is not None:
            self.last_edge_ms, self.billed_total = after
        self._trim()

    def _edges(self, from_ms: int, max_gap_ms: int) -> list[int]:
        """Where to cut up to the last reading. Those in a hole are left out: after ten years, as a wrong clock may
        tell, they would be millions, for nothing."""
        marks: list[int] = []
        for hole_ms, again_ms in holes(self.tail, max_gap_ms):
            if hole_ms > from_ms:
                marks += self.contracts.edges(from_ms, hole_ms)
            from_ms = max(from_ms, again_ms)
        return marks + self.contracts.edges(from_ms, self.tail[-1][0])

    def _slices(self, slices: Sequence[IntervalSlice]) -> None:
        """Uses of slices in their order; none of them is empty."""
        found: Found | None = None
        until_ms: int | None = 0
        name = use_ids(self.channel_hash)
        for start_ms, end_ms, from_total, to_total, gap in slices:
            if until_ms is not None and start_ms >= until_ms:
                found, until_ms = self.contracts.stretch(start_ms)
            if found is None:
                detail = f"no contract priced {self.asset} at that time"
                self.exceptions.append(Trouble(Reason.NO_CONTRACT, detail, from_total, to_total))
            elif found.payer is None:
                self._no_payer(from_total, to_total)
            else:
                place = self.channel_hash, from_total, start_ms, end_ms, from_total, to_total
                more = self.asset, found.payer, None, UsageForm.INTERVAL, False, gap
                self._keep(Usage._make((name(from_total), *place, *more)), found, None)

    def _no_payer(self, from_total: int, to_total: int, use: int | None = None) -> None:
        if to_total > from_total:
            detail = f"who uses {self.asset} is erased; a new version of its contract says who does from now on"
            self.exceptions.append(Trouble(Reason.NO_PAYER, detail, from_total, to_total, use))

    def _trim(self) -> None:
        """Keep the last reading at or before the edge and all after it, at most TAIL_MAX."""
        at = bisect_right(self.tail, self.last_edge_ms or 0, key=_time_of)
        del self.tail[: max(0, at - 1)]
        if len(self.tail) > TAIL_MAX:
            self.tail = [self.tail[0], *self.tail[-TAIL_MAX + 1 :]]


def _time_of(point: tuple[int, int]) -> int:
    return point[0]
