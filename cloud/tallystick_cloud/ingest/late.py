"""Events that come after later ones of their channel were billed: a part that was spoilt and came again, or one that an
older program could not read. Pure; it bills only counts that still stand open, so nothing is billed twice.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from tallystick_protocol.codes import EventCode, Reason
from tallystick_protocol.part import Event, Segment

from .model import UNKNOWN_MS, OpenUse, Trouble
from .work import ChannelWork


@dataclass(frozen=True, slots=True)
class Gap:
    """Counts (from_total, to_total] that skipped their events: `row` is the exception that says so."""

    row: int
    from_total: int
    to_total: int


@dataclass(slots=True)
class Missed:
    """What a channel still waits for. `settled` uses are billed or excepted; `gaps` shrink as they are filled."""

    settled: Set[int]
    gaps: Sequence[Gap]
    is_settled: bool = False  # a settlement says where counting began
    filled: set[int] = field(default_factory=set)  # rows that are no longer as they stand

    def fill(self, start: int, total: int) -> tuple[int, int] | None:
        """Take what is open of (start, total]; None when nothing is."""
        for gap in self.gaps:
            first, last = max(start, gap.from_total), min(total, gap.to_total)
            if first < last:
                rest = [Gap(gap.row, gap.from_total, first), Gap(gap.row, last, gap.to_total)]
                self.gaps = [one for one in (*self.gaps, *rest) if one is not gap and one.from_total < one.to_total]
                self.filled.add(gap.row)
                return first, last
        return None


def take_late(work: ChannelWork, event: Event, missed: Missed) -> Trouble | None:
    """An event with a number below the last, never seen before. What it cannot bill any more is evidence."""
    if event.use is None:
        work.tell_seam(event)
        return None
    work.changed = True
    if event.code is EventCode.USE_STARTED:
        if event.use not in missed.settled:
            begun = OpenUse(event.use, work.time_of(event), event.at.boot, event.at.ms, event.subject, "started",
                            event.total, is_new=True)  # fmt: skip
            work.open_uses.setdefault(event.use, begun)
        return None
    if event.code in (EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED):
        _moved(work, event, event.use, event.total or 0, missed)
    return None


def take_late_segment(work: ChannelWork, segment: Segment, missed: Missed) -> None:
    """Readings at or below the last pagination are evidence; only where counting began may turn out to be earlier."""
    first = work.first_total
    if (
        first is None
        or missed.is_settled
        or segment.first_total >= first
        or segment.last_pagination > work.last_pagination
    ):
        return
    work.changed = True
    work.first_total = segment.first_total
    detail = f"counts {segment.first_total} to {first} came after later ones had begun the books of the channel"
    work.exceptions.append(Trouble(Reason.TOO_LATE, detail, segment.first_total, first))


def _begin_earlier(work: ChannelWork, start: int, total: int) -> None:
    """The first uses of a channel came last: its books begin at `start`; what lies between stays open."""
    first = work.first_total or 0
    if total < first:
        detail = f"counts {total} to {first} came without their events"
        work.exceptions.append(Trouble(Reason.USE_UNEXPLAINED, detail, total, first))
    work.first_total = start


def _moved(work: ChannelWork, event: Event, use: int, total: int, missed: Missed) -> None:
    is_end = event.code is not EventCode.USE_BILLABLE
    begun = work.open_uses.get(use)
    if use in missed.settled or (begun is not None and begun.state == "billable"):
        if begun is not None:
            begun.is_done = begun.is_done or is_end
        return
    if begun is None:
        begun = OpenUse(use, UNKNOWN_MS, event.at.boot, event.at.ms, None, "started", is_new=True)
        work.open_uses[use] = begun
    is_priced = _bill(work, event, begun, total, missed)
    begun.state = "billable"
    begun.is_done = is_end or not is_priced


def _bill(work: ChannelWork, event: Event, begun: OpenUse, total: int, missed: Missed) -> bool:
    """False: its counts are billed or decided already."""
    work.begin(begun, event, total)
    start = begun.from_total if begun.from_total is not None else total - (event.code is not EventCode.USE_ABORTED)
    if event.is_free(start):
        work.price(begun, event, total, total, True)
        return True
    if not missed.is_settled and work.first_total is not None and start < work.first_total:
        _begin_earlier(work, start, total)
        work.price(begun, event, start, min(total, work.billed_total or total), False)
        return True
    span = missed.fill(start, total)
    if span is not None:
        work.price(begun, event, *span, False)
        return True
    if work.billed_total is None or total > work.billed_total:
        work.bill(begun, event, total)
        work.last_total = max(total, work.last_total or 0)
        return True
    return False
