"""The next cover of a channel: what is billed, what a decision closed, and everything between as open; pure.

It never leaves a count or a use number out: what it cannot explain it opens with a reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tallystick_protocol.codes import Reason, ResolutionAction
from tallystick_protocol.cover import BatchSpan, Cover, Open
from tallystick_protocol.ids import H32


@dataclass(frozen=True, slots=True)
class Item:
    """A billed use: counts (from_total, to_total]; `number` None for slices of a meter."""

    from_total: int
    to_total: int
    number: int | None


@dataclass(frozen=True, slots=True)
class Known:
    """Why something was set aside, where the books know; None where they do not."""

    reason: Reason
    from_total: int | None
    to_total: int | None
    use: int | None


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel at the close. `start` is (total, use number) where the first cover begins.

    `closed`: open id -> (resolution, action) decided since the settlement before.
    """

    channel_hash: H32
    before: Cover | None
    start: tuple[int, int]
    items: Sequence[Item]
    batches: tuple[BatchSpan, ...]
    descriptor_head: H32
    key_head: H32
    known: Sequence[Known]
    closed: Mapping[int, tuple[H32, ResolutionAction]]
    next_open_id: int


@dataclass(frozen=True, slots=True)
class _Span:
    from_total: int
    to_total: int
    from_use: int
    to_use: int


def next_cover(channel: Channel) -> Cover:
    """from(n+1) = to(n); open before + (to - from) = billed + waived + open after."""
    before = channel.before
    total, use = channel.start if before is None else (before.to_total, before.to_use)
    opens_before = () if before is None else before.opens
    main, late = _sorted_apart(channel.items, total, use, opens_before)
    to_total = max([total, *(item.to_total for item in main)])
    to_use = max([use, *(item.number for item in main if item.number is not None)])
    opens: list[Open] = []
    ids = iter(range(channel.next_open_id, channel.next_open_id + 2**31))
    for was in opens_before:
        if was.id not in channel.closed:
            span = _Span(was.from_total, was.to_total, was.from_use, was.to_use)
            pieces = _gaps(span, late[was.id])
            opens += [_open(was.id if not at else next(ids), was.reason, one) for at, one in enumerate(pieces)]
    for one in _gaps(_Span(total, to_total, use, to_use), main):
        opens.append(_open(next(ids), _reason(one, channel.known), one))
    return Cover(
        channel_hash=channel.channel_hash,
        from_total=total,
        to_total=to_total,
        from_use=use,
        to_use=to_use,
        batches=channel.batches,
        descriptor_head=channel.descriptor_head,
        key_head=channel.key_head,
        opens=tuple(sorted(opens, key=lambda one: one.id)),
        closed=tuple((open_id, h) for open_id, (h, _) in sorted(channel.closed.items())),
    )


def _sorted_apart(
    items: Iterable[Item], total: int, use: int, opens: Sequence[Open]
) -> tuple[list[Item], dict[int, list[Item]]]:
    """Uses of the new span, and those that fill a span that was open, by its id."""
    main: list[Item] = []
    late: dict[int, list[Item]] = {one.id: [] for one in opens}
    for item in items:
        home = next((one.id for one in opens if _fills(item, one)), None)
        (main if home is None else late[home]).append(item)
    return main, late


def _fills(item: Item, was: Open) -> bool:
    if item.number is not None and was.to_use > was.from_use:
        return was.from_use < item.number <= was.to_use
    return was.from_total <= item.from_total and item.to_total <= was.to_total and item.number is None


def _gaps(span: _Span, items: Iterable[Item]) -> list[_Span]:
    """What the items leave of a span, in order."""
    found = []
    at = span
    for item in sorted(items, key=lambda one: (one.from_total, one.to_total, one.number or 0)):
        last = at.from_use if item.number is None else item.number - 1
        gap = replace(at, to_total=max(at.from_total, item.from_total), to_use=max(at.from_use, last))
        found.append(gap)
        number = at.from_use if item.number is None else item.number
        at = replace(at, from_total=max(at.from_total, item.to_total), from_use=max(at.from_use, number))
    found.append(at)
    return [one for one in found if one.from_total < one.to_total or one.from_use < one.to_use]


def _open(open_id: int, reason: Reason, span: _Span) -> Open:
    return Open(open_id, reason, span.from_total, span.to_total, span.from_use, span.to_use)


def _reason(span: _Span, known: Iterable[Known]) -> Reason:
    for one in known:
        if one.use is not None and span.from_use < one.use <= span.to_use:
            return one.reason
        if one.from_total is None or one.to_total is None:
            continue
        if one.from_total < span.to_total and span.from_total < one.to_total:
            return one.reason
    return Reason.USE_UNEXPLAINED
