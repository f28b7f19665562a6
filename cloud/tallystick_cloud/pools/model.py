"""A period of a pool worked out: every interval shared, priced and divided; pure, so that the same data give the same
books in whatever order they came.

It never reads a database and never posts; what an interval lacks leaves it open, with the reason.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId, sha256
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract, version_at
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.pool import Direction, Pool
from tallystick_protocol.money.pool_energy import Sharing, interval_id, members, share_energy
from tallystick_protocol.money.pool_money import Divided, Part, PoolPlan, Worth, above_of

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.ledger.model import Account, Amounts, Line, check_zero

HOUR_MS = 3_600_000
NOBODY = bytes(8)
"""How the ids of those begin whose names were erased: what comes to them waits in suspense. Each of their meters has an
id of its own, for two who are gone are two heads among the members, and not one."""


Key = tuple[str, Direction, int]
"""(meter, direction, start of the interval in ms)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one meter counted in one interval, and how good the evidence is: 0 from an uploaded file."""

    wh: int
    level: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a period: readings by (meter, direction, start), prices by (series, start), coefficients by
    (file, meter, start)."""

    readings: Mapping[Key, Reading]
    prices: Mapping[tuple[str | None, int], Exact] = field(default_factory=dict)
    weight: Callable[[bytes, str, int], int | None] = lambda h, meter, start: None


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval that is complete. `level`: the lowest of its readings."""

    start_ms: int
    version: Version
    sharing: Sharing
    worth: Worth
    divided: Divided
    series: Exact | None
    above_wh: int
    level: int


@dataclass(frozen=True, slots=True)
class Open:
    """An interval that cannot be shared yet, and why."""

    start_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class Worked:
    """A period: `intervals` in order, `opens` for the rest of it."""

    period: Period
    intervals: tuple[Interval, ...]
    opens: tuple[Open, ...]

    @property
    def lines(self) -> Amounts:
        """What the live intervals do to the accounts; sums to zero."""
        found: dict[Line, int] = defaultdict(int)
        for one in self.intervals:
            if one.version.live:
                _book(one, found)
        check_zero(found)
        return {line: amount for line, amount in found.items() if amount}


@dataclass(frozen=True, slots=True)
class _Shared:
    start_ms: int
    version: Version
    sharing: Sharing
    series: Exact | None
    level: int


def work_out(
    versions: Sequence[Version], chain: bytes, period: Period, facts: Facts, *, is_final: bool, counts_above: bool
) -> Worked:
    """Share, price and divide every interval that starts in the period.

    `is_final`: all of the worth instead of the advance. `counts_above`: whether this is a period over which the
    threshold counts, so that what is above it goes where the contract sends it.
    """
    shared: list[_Shared] = []
    opens: list[Open] = []
    for start_ms, version in _starts(versions, period):
        found = _share(version, H32(chain), start_ms, facts)
        (shared if isinstance(found, _Shared) else opens).append(found)  # type: ignore[arg-type]
    above = _above(shared) if counts_above else [0] * len(shared)
    plans: dict[bytes, PoolPlan] = {}
    counters: dict[H32, int] = {}
    intervals = []
    for one, above_wh in zip(shared, above, strict=True):
        plan = plans.setdefault(one.version.h, PoolPlan(one.version.contract, H32(chain)))
        worth = plan.worth(one.sharing, None if one.series is None else one.series.fraction(), is_final=is_final)
        divided = plan.divide(one.sharing, worth, above_wh, one.start_ms, owner_of(one.version), counters)
        intervals.append(
            Interval(one.start_ms, one.version, one.sharing, worth, divided, one.series, above_wh, one.level)
        )
    return Worked(period, tuple(intervals), tuple(opens))


def interval_at(versions: Sequence[Version], start_ms: int) -> int:
    """How long an interval is that starts then, by the version in force; before the first one as in that."""
    contracts = [one.contract for one in versions]
    return (version_at(contracts, start_ms) or contracts[0]).terms.interval_ms


def pool_of(version: Version) -> Pool:
    """The pool of a version of a chain that has one; raises ValueError for another."""
    if version.contract.pool is None:
        raise ValueError(f"{version.contract.name} has no pool")
    return version.contract.pool


def _starts(versions: Sequence[Version], period: Period) -> list[tuple[int, Version]]:
    """Begins of the intervals, on multiples of the interval in UTC, with the version in force that prices."""
    by_contract: dict[int, Version] = {id(one.contract): one for one in versions}
    contracts: list[Contract] = [one.contract for one in versions]
    found, t_ms = [], period.from_ms
    while t_ms < period.to_ms:
        contract = version_at(contracts, t_ms)
        if contract is None or contract.pool is None:
            t_ms = min((c.effective_from_ms for c in contracts if c.effective_from_ms > t_ms), default=period.to_ms)
            continue
        step = contract.terms.interval_ms
        if t_ms % step:
            t_ms += step - t_ms % step
            continue
        version = by_contract[id(contract)]
        if version.prices:
            found.append((t_ms, version))
        t_ms += step
    return found


def _share(version: Version, chain: H32, start_ms: int, facts: Facts) -> _Shared | Open:
    pool, assets = pool_of(version), version.contract.assets
    wh: dict[int, int] = {}
    level = 3
    plants, consumers = members(pool, start_ms)
    if not plants or not consumers:
        return Open(start_ms, "nobody injects or nobody withdraws")
    for index in (*plants, *consumers):
        reading = facts.readings.get((assets[index].asset, pool.points[index].direction, start_ms))
        if reading is None:
            return Open(start_ms, f"{assets[index].asset} has no {pool.points[index].direction.value} energy")
        wh[index], level = reading.wh, min(level, reading.level)
    series = None
    if any(pool.classes[pool.points[index].price_class].needs_series for index in plants):
        hour = facts.prices.get((pool.series, start_ms - start_ms % HOUR_MS))
        series = facts.prices.get((pool.series, start_ms), hour)
        if series is None:
            return Open(start_ms, f"the series {pool.series} has no price")
    weights = None
    if pool.coefficients is not None:
        given = {index: facts.weight(pool.coefficients, assets[index].asset, start_ms) for index in consumers}
        weights = {index: weight for index, weight in given.items() if weight is not None}
        if len(weights) != len(consumers):
            missing = next(assets[index].asset for index in consumers if index not in weights)
            return Open(start_ms, f"{missing} has no coefficient in the uploaded file")
    sharing = share_energy(pool, start_ms, wh, interval_id(chain, start_ms), weights)
    return _Shared(start_ms, version, sharing, series, level)


def _above(shared: Sequence[_Shared]) -> list[int]:
    """Wh of each interval above the threshold, as the newest version with one says it."""
    return above_of([(pool_of(one.version), one.sharing.injected, one.sharing.shared) for one in shared])


def owner_of(version: Version) -> Callable[[int], PartyId]:
    """Who stands behind each meter of a version."""
    owners = [version.payer(asset) or _nobody(asset.asset) for asset in version.contract.assets]
    return lambda index: owners[index]


def is_nobody(party: bytes) -> bool:
    """Whether it stands for somebody whose name was erased."""
    return party.startswith(NOBODY)


def _nobody(meter: str) -> PartyId:
    """The same for both directions of a meter."""
    return PartyId(NOBODY + sha256(meter.encode())[: PARTY_BYTES - len(NOBODY)])


def _book(one: Interval, found: dict[Line, int]) -> None:
    """The payer owes the collector, who owes each member and party its part."""
    contract, chain = one.version.contract, one.version.chain
    funds = {party.id for party in contract.parties if party.role == "fund"}
    for part in one.divided.charges:
        found[_line(contract, chain, part, Account.RECEIVABLE)] += part.amount
    for part in one.divided.parts:
        found[_line(contract, chain, part, Account.FUND if part.party in funds else Account.PAYABLE)] -= part.amount


def standing_for(lines: Amounts, posted: Amounts, gone: Collection[bytes]) -> Amounts:
    """The same where erased members keep what was posted to them: only the rest of their part waits in suspense."""
    found = dict(lines)
    for line, nano in posted.items():
        if line.party in gone:
            rest = Line(line.holder, Account.SUSPENSE, line.holder, line.chain, line.unit)
            found[line] = nano
            found[rest] = found.get(rest, 0) - nano
    check_zero(found)
    return found


def _line(contract: Contract, chain: bytes, part: Part, account: Account) -> Line:
    holder = contract.collector
    if is_nobody(part.party):
        return Line(holder, Account.SUSPENSE, holder, chain, contract.unit)
    return Line(holder, account, part.party, chain, contract.unit)
