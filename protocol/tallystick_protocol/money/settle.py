"""From rated uses to a settlement: interval slices joined, counters closed, statements chained, four salted trees.
It is a pure function: period, openings, salts and nonces are handed in, and nothing is rated or rounded here.
"""

from collections.abc import Callable, Iterable, Sequence

from tallystick_protocol.codes import Reason, UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, NONCE_BYTES
from tallystick_protocol.money.accounts import heads_of, statements_of
from tallystick_protocol.money.books import (
    Account,
    Books,
    Built,
    CounterOpening,
    RatedUse,
    Settled,
    Version,
    Was,
)
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.grouping import group_of
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import UsageForm
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.salted_tree import salted
from tallystick_protocol.settled_use import Slice, Use
from tallystick_protocol.settlement import Settlement

__all__ = [
    "Account",
    "Books",
    "Built",
    "CounterOpening",
    "Random",
    "RatedUse",
    "Settled",
    "Version",
    "Was",
    "build",
    "close_counters",
    "heads_of",
    "offsets_rows",
    "settle_uses",
    "slice_of",
]

Random = Callable[[int], bytes]


def build(books: Books, random: Random) -> Built:
    """Make the settlement; raises BadValue naming what does not fit. `random(n)` gives n random bytes."""
    uses = tuple(settle_uses(books.versions, books.uses, random))
    counters = tuple(close_counters(books))
    covers = tuple(sorted(books.covers, key=lambda cover: cover.channel_hash))
    statements = tuple(statements_of(books, random))
    trees = [salted([row.encode() for row in rows], random) for rows in (covers, [u.use for u in uses])]
    trees += [salted([row.encode() for row in rows], random) for rows in (counters, statements)]
    head = books.versions[-1].contract
    settlement = Settlement(
        nonce=random(NONCE_BYTES),
        prev=books.prev,
        from_ms=books.from_ms,
        to_ms=books.to_ms,
        contracts=tuple(version.h for version in books.versions),
        covers=trees[0].head,
        inputs=books.inputs,
        uses=trees[1].head,
        unit=head.unit,
        statements=trees[3].head,
        offsets=offsets_rows(head.zone, (use.use for use in uses), books.from_ms, books.to_ms),
        counters=trees[2].head,
    )
    return Built(settlement, covers, uses, counters, statements, *trees)


def offsets_rows(zone: str, uses: Iterable[Use], from_ms: int, to_ms: int) -> tuple[tuple[int, int], ...]:
    """(from-ms, UTC offset in s) of a zone from the earliest use or the period's begin to the period's end."""
    first = min((use.start_ms for use in uses), default=from_ms)
    return tuple(offsets_of(zone).rows(min(first, from_ms), to_ms))


def settle_uses(versions: Sequence[Version], uses: Iterable[RatedUse], random: Random) -> list[Settled]:
    """One settled use per event, rebate and minimum, one per group of interval slices; in canonical order."""
    places = {version.h: index for index, version in enumerate(versions)}
    chain = versions[0].h
    groups: dict[tuple[object, ...], list[RatedUse]] = {}
    for one in uses:
        if one.version not in places:
            raise BadValue("use.version", f"{one.version.hex()} is not one of the settlement's versions")
        groups.setdefault(group_of(versions[places[one.version]].contract, chain, one), []).append(one)
    settled = [_settle(versions, places[group[0].version], group, random) for group in groups.values()]
    return sorted(settled, key=lambda one: one.use.position)


def _settle(versions: Sequence[Version], place: int, group: Sequence[RatedUse], random: Random) -> Settled:
    contract = versions[place].contract
    first = group[0]
    usage = first.rated.usage
    slices = None
    if usage.form is UsageForm.INTERVAL:
        slices = salted([slice_of(one).encode() for one in group], random)
    live = first.kind is UseKind.LIVE
    replaced = [one.was.where for one in group if one.was is not None]
    before = next((one.rated.before for one in group if one.reversal is None), ())
    quantity = sum(one.rated.usage.to_total - one.rated.usage.from_total for one in group)
    use = Use(
        channel_hash=usage.channel_hash,
        number=usage.number,
        start_ms=min(one.rated.usage.start_ms for one in group),
        end_ms=max(one.rated.usage.end_ms for one in group),
        from_total=usage.from_total,
        to_total=usage.from_total + quantity,
        kind=first.kind,
        tag=first.tag,
        version=place,
        programme=usage.programme if usage.form is UsageForm.EVENT else first.rated.band,
        fee=sum(one.rated.fee for one in group) if live else 0,
        counters=before if live else (),
        shares=_shares(contract, group, live),
        level=min(one.level for one in group),
        slices=None if slices is None else slices.head,
        replaces=max(replaced, key=lambda where: where.cause is Reason.REVERSED, default=None),
        reversals=tuple(one.reversal for one in group if one.reversal is not None),
    )
    return Settled(use, usage.payer, slices)


def slice_of(one: RatedUse) -> Slice:
    """The slice that a joined use keeps of one interval use."""
    usage, live = one.rated.usage, one.kind is UseKind.LIVE
    return Slice(
        usage.start_ms,
        usage.end_ms,
        usage.from_total,
        usage.to_total,
        usage.gap,
        one.rated.fee if live else 0,
        tuple(value for _, value in one.rated.before) if live else (),
    )


def _shares(contract: Contract, group: Sequence[RatedUse], live: bool) -> tuple[tuple[int, int], ...]:
    order = {party.id: index for index, party in enumerate(contract.parties)}
    sums: dict[int, int] = {}
    for one in group:
        for party, amount in one.rated.shares:
            sums[order[party]] = sums.get(order[party], 0) + (amount if live else 0)
    return tuple(sorted(sums.items()))


def close_counters(books: Books) -> list[Counter]:
    """Every counter that is still running or was moved, by key: opening, and closing after the last use in it."""
    moved: dict[H32, tuple[tuple[int, int] | None, int]] = {}
    by_hash = {version.h: version.contract for version in books.versions}
    for one in books.uses:
        if one.reversal is not None and one.was is not None:
            for key, value in one.was.counters:  # where it stands unless a use beside it moves it
                left = books.counters.get(key)
                if left is not None:
                    moved.setdefault(key, (_span(left.period), value))
        if one.kind is not UseKind.LIVE or not one.rated.after:
            continue
        plan = plan_of(by_hash[one.version], books.chain)
        known = {counter.key: counter for counter in plan.counters(one.rated.usage, plan.band(one.rated.usage))}
        for key, value in one.rated.after:
            if key not in known:
                raise BadValue("use.counters", f"{key.hex()} is not a counter of this use under its contract")
            moved[key] = (_span(known[key].period), value)
    rows = {key: Counter(key, period, _opening(books, key), value) for key, (period, value) in moved.items()}
    for key, opening in books.counters.items():
        period = opening.period
        if key not in rows and (period is None or period.to_ms + books.late_ms > books.from_ms):
            rows[key] = Counter(key, _span(period), opening.value, opening.value)
    return [rows[key] for key in sorted(rows)]


def _span(period: Period | None) -> tuple[int, int] | None:
    return None if period is None else (period.from_ms, period.to_ms)


def _opening(books: Books, key: H32) -> int:
    known = books.counters.get(key)
    return 0 if known is None else known.value
