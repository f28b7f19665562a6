"""From rated uses to a settlement: interval slices joined, counters closed, statements chained, four salted trees.
It is a pure function: period, openings, salts and nonces are handed in, and nothing is rated or rounded here.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick_protocol.codes import EvidenceLevel, LineKind, UseKind
from tallystick_protocol.counter_line import Counter
from tallystick_protocol.cover import Cover
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId, use_id
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import Plan, plan_of
from tallystick_protocol.money.rating import Rated, UsageForm
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.salted_tree import SaltedTree, salted
from tallystick_protocol.settled_use import Replaced, Slice, Use
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.statement import Line, Statement

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Version:
    """A contract version in force and the hash of its envelope."""

    h: H32
    contract: Contract


@dataclass(frozen=True, slots=True)
class Was:
    """What a corrected use said in the settlement before: statements get the difference."""

    where: Replaced
    fee: int
    shares: tuple[tuple[PartyId, int], ...]


@dataclass(frozen=True, slots=True)
class RatedUse:
    """A use as the books have it. `rated.usage.payer` pays; `tag` stands for that payer in this rating period."""

    rated: Rated
    version: H32
    tag: bytes
    kind: UseKind = UseKind.LIVE
    level: EvidenceLevel = EvidenceLevel.GATEWAY_FILE
    was: Was | None = None


@dataclass(frozen=True, slots=True)
class CounterOpening:
    """Where a counter stood when the settlement before closed."""

    period: Period | None
    value: int


@dataclass(frozen=True, slots=True)
class Account:
    """A party's statement before (its hash and closing), and what else happened on the account."""

    prev: H32 | None = None
    opening: int = 0
    lines: tuple[Line, ...] = ()
    payout_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """All that one settlement is made of. `versions` in the order of their chain, whose first names it.

    `uses` are in canonical order; `counters` and `accounts` are what the settlement before left. A counter stays
    `late_ms` after its period, because uses of that period may come so late.
    """

    versions: Sequence[Version]
    from_ms: int
    to_ms: int
    uses: Sequence[RatedUse]
    covers: Sequence[Cover]
    prev: H32 | None = None
    counters: Mapping[H32, CounterOpening] = field(default_factory=dict)
    accounts: Mapping[PartyId, Account] = field(default_factory=dict)
    inputs: tuple[H32, ...] = ()
    late_ms: int = 0

    @property
    def chain(self) -> H32:
        """The hash of the first version."""
        return self.versions[0].h


@dataclass(frozen=True, slots=True)
class Settled:
    """A use of the settlement, whose it is, and the slices it was joined from (None: it was not joined)."""

    use: Use
    payer: PartyId
    slices: SaltedTree | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A settlement with everything it commits to; leaves stand in the order of the lists beside them."""

    settlement: Settlement
    covers: tuple[Cover, ...]
    uses: tuple[Settled, ...]
    counters: tuple[Counter, ...]
    statements: tuple[Statement, ...]
    cover_tree: SaltedTree
    use_tree: SaltedTree
    counter_tree: SaltedTree
    statement_tree: SaltedTree

    def tree(self, key: int) -> SaltedTree:
        """The tree at a wire key of the settlement: 5 covers, 7 uses, 10 statements, 12 counters."""
        return {5: self.cover_tree, 7: self.use_tree, 10: self.statement_tree, 12: self.counter_tree}[key]


def build(books: Books, random: Random) -> Built:
    """Make the settlement; raises BadValue naming what does not fit. `random(n)` gives n random bytes."""
    uses = tuple(settle_uses(books.versions, books.uses, random))
    counters = tuple(close_counters(books))
    covers = tuple(sorted(books.covers, key=lambda cover: cover.channel_hash))
    statements = tuple(_statements(books, random))
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
    """One settled use per event and minimum, one per group of interval slices; in canonical order."""
    places = {version.h: index for index, version in enumerate(versions)}
    chain = versions[0].h
    groups: dict[tuple[object, ...], list[RatedUse]] = {}
    for one in uses:
        if one.version not in places:
            raise BadValue("use.version", f"{one.version.hex()} is not one of the settlement's versions")
        groups.setdefault(_group(versions[places[one.version]].contract, chain, one), []).append(one)
    settled = [_settle(versions, places[group[0].version], group, random) for group in groups.values()]
    return sorted(settled, key=lambda one: one.use.position)


def _group(contract: Contract, chain: H32, one: RatedUse) -> tuple[object, ...]:
    """What makes one settled use: the use itself, or (channel, version, band, price step, rating period, kind).

    Of what replaces a leaf the price step is left out: a late use may have moved it, and one leaf replaces one leaf.
    """
    usage = one.rated.usage
    if usage.form is not UsageForm.INTERVAL:
        return (usage.channel_hash, usage.number)
    plan = plan_of(contract, chain)
    period = plan.period(usage.end_ms)
    return (
        usage.channel_hash,
        one.version,
        one.rated.band,
        price_step(plan, one.rated) if one.was is None else -1,
        period.from_ms,
        one.kind,
        one.tag,
        None if one.was is None else one.was.where,
    )


def price_step(plan: Plan, rated: Rated) -> int:
    """In which tier of its band a use begins; 0 where the price does not depend on what came before."""
    if rated.band is None or not rated.before:
        return 0
    curve = plan.curves[plan.names.index(rated.band)]
    return 0 if curve.is_plain else bisect_right(curve.starts, rated.before[0][1]) - 1


def _settle(versions: Sequence[Version], place: int, group: Sequence[RatedUse], random: Random) -> Settled:
    contract = versions[place].contract
    first = group[0]
    usage = first.rated.usage
    slices = None
    if usage.form is UsageForm.INTERVAL:
        slices = salted([slice_of(one).encode() for one in group], random)
    live = first.kind is UseKind.LIVE
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
        counters=first.rated.before if live else (),
        shares=_shares(contract, group, live),
        level=min(one.level for one in group),
        slices=None if slices is None else slices.head,
        replaces=None if first.was is None else first.was.where,
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
        if one.kind is not UseKind.LIVE or not one.rated.after:
            continue
        plan = plan_of(by_hash[one.version], books.chain)
        known = {counter.key: counter for counter in plan.counters(one.rated.usage, _band(plan, one.rated))}
        for key, value in one.rated.after:
            if key not in known:
                raise BadValue("use.counters", f"{key.hex()} is not a counter of this use under its contract")
            period = known[key].period
            moved[key] = (None if period is None else (period.from_ms, period.to_ms), value)
    rows = {key: Counter(key, period, _opening(books, key), value) for key, (period, value) in moved.items()}
    for key, opening in books.counters.items():
        period = opening.period
        if key not in rows and (period is None or period.to_ms + books.late_ms > books.from_ms):
            span = None if period is None else (period.from_ms, period.to_ms)
            rows[key] = Counter(key, span, opening.value, opening.value)
    return [rows[key] for key in sorted(rows)]


def _band(plan: Plan, rated: Rated) -> int:
    return -1 if rated.usage.form is UsageForm.MINIMUM or rated.band is None else plan.names.index(rated.band)


def _opening(books: Books, key: H32) -> int:
    known = books.counters.get(key)
    return 0 if known is None else known.value


def _statements(books: Books, random: Random) -> list[Statement]:
    """One per party with a line, a balance or a statement before, by party id."""
    lines: dict[PartyId, list[Line]] = {}
    for party, account in books.accounts.items():
        lines.setdefault(party, []).extend(account.lines)
    for one in books.uses:
        if one.kind is UseKind.LIVE:
            _lines_of(one, lines)
    made = []
    for party in sorted(lines):
        account = books.accounts.get(party, Account())
        joined = _joined(books, party, lines[party])
        closing = account.opening + sum(line.amount for line in joined)
        nonce = random(NONCE_BYTES)
        made.append(Statement(nonce, party, account.prev, account.opening, joined, closing, account.payout_cents))
    return made


def _lines_of(one: RatedUse, lines: dict[PartyId, list[Line]]) -> None:
    """Charge and shares of a use; of a corrected one the difference. Nothing makes no line but a use without price."""
    usage, was = one.rated.usage, one.was
    ref = use_id(usage.channel_hash, usage.number)
    before = dict(was.shares) if was is not None else {}
    charge = one.rated.fee - (was.fee if was is not None else 0)
    lines.setdefault(usage.payer, []).append(Line(LineKind.CHARGE, ref, -charge))
    for party, amount in one.rated.shares:
        share = amount - before.get(party, 0)
        if share:
            lines.setdefault(party, []).append(Line(LineKind.SHARE, ref, share))


def _joined(books: Books, party: PartyId, lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines of slices under the id of the settled use they were joined into; the order of first mention stays."""
    heads = heads_of(books)
    sums: dict[tuple[LineKind, H32], int] = {}
    for line in lines:
        key = (line.kind, heads.get(line.ref, line.ref))
        sums[key] = sums.get(key, 0) + line.amount
    return tuple(Line(kind, ref, amount) for (kind, ref), amount in sums.items())


def heads_of(books: Books) -> dict[H32, H32]:
    """use id of an interval slice -> use id of the settled use, which has the number of its first slice."""
    by_hash = {version.h: version.contract for version in books.versions}
    first: dict[tuple[object, ...], H32] = {}
    heads: dict[H32, H32] = {}
    for one in books.uses:
        usage = one.rated.usage
        if usage.form is UsageForm.INTERVAL:
            here = use_id(usage.channel_hash, usage.number)
            heads[here] = first.setdefault(_group(by_hash[one.version], books.chain, one), here)
    return heads
