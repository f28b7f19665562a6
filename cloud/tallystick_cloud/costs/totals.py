"""What a flat's meter counted from one day to another, out of the uses that its channel made, or read by hand.

It never estimates: where a reading is missing it says for which flat and from when to when.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from tallystick_protocol.money.cost import DAY, Bill, Cost, Stay, stays_of
from tallystick_protocol.money.usage import AT_CLOSE

from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.schema import channel, meter, use

from .errors import CostRefused

ROWS_AT_A_TIME = 10_000  # a year of a house has some 400,000 uses; they are never all in memory


@dataclass(frozen=True, slots=True)
class Span:
    """Uses of a channel that follow each other without a jump: from when to when, and the totals there."""

    start_ms: int
    end_ms: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A channel: its uses in order, and between which moments its meter is known to have been read."""

    spans: tuple[Span, ...]
    unit: tuple[str, int]
    first: int | None  # the total where counting began
    from_ms: int | None  # the meter hangs there since
    over_ms: int | None  # and until then, where it was taken away
    read_ms: int  # read up to there
    uses: int = 0  # how many there are in the books


def midnight_ms(day: date, zone: str) -> int:
    """Local midnight at which a day begins, in ms UTC."""
    return int(datetime.combine(day, time(), ZoneInfo(zone)).timestamp()) * 1000


def channels(
    conn: Connection, community: str, cost: Cost, bill: Bill, zone: str
) -> dict[tuple[str, str], list[Counted]]:
    """(flat, quantity) -> its channels, more than one where a meter was changed."""
    assets, quantities = [flat.asset for flat in cost.flats], cost.quantities
    rows = conn.execute(
        select(channel, meter.c.bound_from_ms, meter.c.bound_to_ms)
        .outerjoin(meter, (meter.c.community == channel.c.community) & (meter.c.id == channel.c.meter))
        .where(channel.c.community == community, channel.c.asset.in_(assets), channel.c.quantity.in_(quantities))
    ).all()
    edges = _edges(cost, bill, zone)
    spans = _spans(conn, {bytes(row.channel_hash): edges[row.asset] for row in rows})
    found: dict[tuple[str, str], list[Counted]] = {}
    for row in rows:
        mine, uses = spans.get(bytes(row.channel_hash), ([], 0))
        edge = row.last_edge_ms if row.form == "interval" else row.last_reading_ms
        read_ms = max([edge or 0, *(one.end_ms for one in mine)])
        unit = row.unit, row.exponent
        one = Counted(tuple(mine), unit, row.first_total, row.bound_from_ms, row.bound_to_ms, read_ms, uses)
        found.setdefault((row.asset, row.quantity), []).append(one)
    return found


def _edges(cost: Cost, bill: Bill, zone: str) -> dict[str, list[int]]:
    """Flat -> the moments at which one of its stays begins or ends."""
    found: dict[str, set[int]] = {}
    for stay in stays_of(cost, bill):
        mine = {midnight_ms(stay.first_day, zone), midnight_ms(stay.last_day + DAY, zone)}
        found.setdefault(stay.flat.asset, set()).update(mine)
    return {asset: sorted(mine) for asset, mine in found.items()}


def _spans(conn: Connection, edges: Mapping[bytes, Sequence[int]]) -> dict[bytes, tuple[list[Span], int]]:
    """Of each channel, and how many uses they were: a year of quarter hours is joined, cut where a stay begins."""
    rows = conn.execute(
        select(use.c.channel_hash, use.c.start_ms, use.c.end_ms, use.c.from_total, use.c.to_total)
        .where(
            use.c.channel_hash.in_(list(edges)),
            use.c.kind != Kind.TEST.value,
            use.c.form.not_in(AT_CLOSE),
        )
        .order_by(use.c.channel_hash, use.c.from_total, use.c.start_ms)
        .execution_options(yield_per=ROWS_AT_A_TIME)  # not on the connection, where it would stay
    )
    found: dict[bytes, tuple[list[Span], int]] = {}
    for h, *span in rows:
        (mine, count), one = found.get(bytes(h), ([], 0)), Span(*span)
        if mine and mine[-1].end == one.start and not _cuts(edges[bytes(h)], mine[-1].end_ms, one.start_ms):
            mine[-1] = Span(mine[-1].start_ms, one.end_ms, mine[-1].start, one.end)
        else:
            mine.append(one)
        found[bytes(h)] = mine, count + 1
    return found


def _cuts(edges: Sequence[int], from_ms: int, to_ms: int) -> bool:
    """Whether an edge lies in [from, to]."""
    at = bisect_left(edges, from_ms)
    return at < len(edges) and edges[at] <= to_ms


def uses_read(found: Mapping[tuple[str, str], Sequence[Counted]]) -> int:
    """How many uses were looked at, for the access row."""
    return sum(one.uses for each in found.values() for one in each)


def check_units(found: Mapping[tuple[str, str], Sequence[Counted]]) -> None:
    """What is added up must count in one unit."""
    by_quantity: dict[str, tuple[str, tuple[str, int]]] = {}
    for (asset, quantity), each in sorted(found.items()):
        for one in each:
            first, unit = by_quantity.setdefault(quantity, (asset, one.unit))
            if unit != one.unit:
                raise CostRefused(
                    f"flat {asset}", f"counts {quantity} in another unit than {first}; they do not add up"
                )


def used(stay: Stay, quantity: str, each: Sequence[Counted], zone: str) -> Fraction:
    """What all meters of a flat counted during a stay. Raises CostRefused naming the hole."""
    low, high = midnight_ms(stay.first_day, zone), midnight_ms(stay.last_day + DAY, zone)
    flat = stay.flat.asset
    if not each:
        detail = (
            f"has no channel that counts {quantity}; add [[reading]]s for {stay.first_day} and {stay.last_day + DAY}"
        )
        raise CostRefused(f"flat {flat}", detail)
    if all(one.from_ms is None or one.from_ms > low for one in each):
        begin = min([span.start_ms for one in each for span in one.spans], default=high)
        if begin > low:
            raise _hole(flat, quantity, low, min(begin, high), zone)
    for one in each:
        needed = high if one.over_ms is None else min(high, one.over_ms)
        if low < needed and one.read_ms < needed:
            raise _hole(flat, quantity, max(low, one.read_ms), needed, zone)
    return Fraction(sum(_of_channel(flat, quantity, one, low, high, zone) for one in each))


def _of_channel(flat: str, quantity: str, one: Counted, low: int, high: int, zone: str) -> int:
    """Uses inside of the days; one across an edge, or a jump between two of them, is a hole."""
    total, before, before_ms = 0, one.first, low
    for span in one.spans:
        if before is not None and span.start != before and span.start_ms > low and before_ms < high:
            raise _hole(flat, quantity, before_ms, span.start_ms, zone)
        if any(span.start_ms < edge < span.end_ms for edge in (low, high)):
            raise _hole(flat, quantity, span.start_ms, span.end_ms, zone)
        if low <= span.start_ms and span.end_ms <= high:
            total += span.end - span.start
        before, before_ms = span.end, span.end_ms
    return total


def _hole(flat: str, quantity: str, from_ms: int, to_ms: int, zone: str) -> CostRefused:
    words = [_when(at, zone) for at in (from_ms, to_ms)]
    detail = f"has no reading of {quantity} from {words[0]} to {words[1]}; add a [[reading]] for each edge of its days"
    return CostRefused(f"flat {flat}", detail)


def _when(ms: int, zone: str) -> str:
    return (datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone))).strftime("%Y-%m-%d %H:%M")


def by_hand(cost: Cost, stay: Stay, quantity: str) -> Fraction | None:
    """The difference of two readings at the edges of a stay; None when nobody read this flat's meter by hand."""
    mine = {one.on: one.total for one in cost.readings if (one.asset, one.quantity) == (stay.flat.asset, quantity)}
    if not mine:
        return None
    edges = (stay.first_day, stay.last_day + timedelta(days=1))
    for day in edges:
        if day not in mine:
            detail = f"has no [[reading]] of {quantity} on {day}; its days go from {edges[0]} to {edges[1]}"
            raise CostRefused(f"flat {stay.flat.asset}", detail)
    if mine[edges[1]] < mine[edges[0]]:
        raise CostRefused(
            f"flat {stay.flat.asset}", f"reads less on {edges[1]} than on {edges[0]}; correct one of them"
        )
    return mine[edges[1]] - mine[edges[0]]
