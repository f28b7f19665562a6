"""One interval of a pool in money: what was shared is worth, who owes it, and which member gets how much, in nano.
It never rounds but by a floor and the dithered floor, and what comes in equals what goes out, in every interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.plan import counter_key
from tallystick_protocol.money.pool import MemberKind, Pool, nano_per_count
from tallystick_protocol.money.pool_energy import Sharing, interval_id
from tallystick_protocol.money.split import Group, Scope, Step, share
from tallystick_protocol.money.waterfall import Waterfall, waterfall_of

Owner = Callable[[int], PartyId]
"""Who stands behind a point."""

Weights = Mapping[Group, Sequence[tuple[int, int]]]
"""What each group is divided by: (point, weight), whole numbers."""

_NOTHING = Exact(0, 0)
_PLACES = {group: PartyId(f"pool {group.value}".encode().ljust(PARTY_BYTES, b"\0")) for group in Group}
"""Where a group stands among the parties of a split while it is divided; never stored, never paid."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What the sharing of an interval is worth: `plants` in the order of the sharing, and their sum."""

    plants: tuple[int, ...]

    @property
    def fee(self) -> int:
        return sum(self.plants)


@dataclass(frozen=True, slots=True)
class Part:
    """What one member gets: as a party of the split (`group` None) or as one of a group; `point` -1: not by a meter.

    `is_above`: of what is above the threshold.
    """

    party: PartyId
    amount: int
    group: Group | None
    point: int
    is_above: bool = False


@dataclass(frozen=True, slots=True)
class Divided:
    """`charges` and `parts` have the same sum, the fee. `groups`: what came to each group that somebody is in, and the
    sum of the weights in it, for the proof of a member's own part; `above`: what of the fee was above the threshold."""

    charges: tuple[Part, ...]
    parts: tuple[Part, ...]
    groups: tuple[tuple[Group, int, int], ...]
    above: int


class PoolPlan:
    """A contract with a pool, compiled: prices as rationals, and the split for whichever groups are there."""

    def __init__(self, contract: Contract, chain: H32) -> None:
        if contract.pool is None:
            raise ValueError("a contract without a pool shares nothing")
        self.contract = contract
        self.pool: Pool = contract.pool
        self.chain = chain
        self._flows: dict[frozenset[Group], tuple[Waterfall, dict[PartyId, Group]]] = {}

    def worth(self, sharing: Sharing, series: Fraction | None, *, is_final: bool) -> Worth:
        """What each plant's shared energy is worth; on account only the advance of it."""
        part = Fraction(1) if is_final else Fraction(self.pool.advance.n, self.pool.advance.d)
        prices = [nano_per_count(one, self.contract.tariff, series) * part for one in self.pool.classes]
        classes = [self.pool.points[row.point].price_class for row in sharing.plants]
        rows = zip(sharing.plants, classes, strict=True)
        return Worth(tuple(_floor(row.allocated * prices[index]) for row, index in rows))

    def divide(
        self, sharing: Sharing, worth: Worth, above_wh: int, start_ms: int, owner: Owner, counters: dict[H32, int]
    ) -> Divided:
        """Divide the worth of the interval that starts then. `above_wh` of the shared energy are above the threshold.

        `counters` are those of the split's caps and of its amounts per period; they are moved.
        """
        fee = worth.fee
        if fee == 0:
            return Divided((), (), (), 0)
        key = interval_id(self.chain, start_ms)
        above = fee * above_wh // sharing.shared if self.pool.above is not None else 0
        groups = _Groups(self.contract, self.pool, sharing, worth, owner, key)
        parts: list[Part] = []
        if above:
            parts += groups.above(above, self.above_to(groups.present()))
        by_group: dict[Group, int] = {}
        for place, amount in self.run(groups.present(), fee - above, start_ms, counters):
            if isinstance(place, Group):
                by_group[place] = amount
                parts += groups.spread(place, amount)
            else:
                parts.append(Part(place, amount, None, -1))
        lines = tuple((group, by_group.get(group, 0), weight) for group, weight in groups.weights().items())
        return Divided(groups.charges(fee, self.pool.payer), tuple(parts), lines, above)

    def above_to(self, present: frozenset[Group]) -> PartyId | None:
        """Whose is what is above the threshold: a party's, the collector's where no household used anything, or None:
        the households'."""
        to = None if self.pool.above is None else self.pool.above.to
        return self.contract.collector if to is None and Group.HOUSEHOLDS not in present else to

    @property
    def is_stateless(self) -> bool:
        """Whether an interval's split depends on nothing that came before: no cap, nothing fixed per period."""
        return all(step.cap is None and step.per is Scope.USE for step in self.contract.split)

    def run(
        self, present: frozenset[Group], amount: int, start_ms: int, counters: dict[H32, int]
    ) -> list[tuple[PartyId | Group, int]]:
        """Down the steps of the split; a step to a group that nobody is in takes nothing. `counters` are moved."""
        if present not in self._flows:
            self._flows[present] = _flow(self.contract, present)
        flow, places = self._flows[present]
        period = period_of(self.contract, start_ms) if flow.counters else None
        keys = [counter_key(self.chain, "split", one.name, None, period) for one in flow.counters]
        values = [counters.get(one, 0) for one in keys]
        shares = flow.divide(amount, interval_id(self.chain, start_ms), False, values)
        counters.update(zip(keys, values, strict=True))
        return [
            (places.get(party, party), nano) for party, nano in zip(flow.beneficiaries, shares, strict=True) if nano
        ]


def above_threshold(portion: Ratio, intervals: Sequence[tuple[int, int]]) -> list[int]:
    """Wh of each interval (injected, shared) that are above `portion` of all that was injected: what the whole period
    is above it, spread by what was shared."""
    whole = sum(shared for _, shared in intervals)
    excess = max(0, whole - sum(injected for injected, _ in intervals) * portion.n // portion.d)
    found, running = [], 0
    for _, shared in intervals:
        before = excess * running // whole if whole else 0
        running += shared
        found.append((excess * running // whole if whole else 0) - before)
    return found


def above_of(intervals: Sequence[tuple[Pool, int, int]]) -> list[int]:
    """Wh of each interval (its terms, injected, shared) that are above the threshold of the newest terms with one. An
    interval under terms without one counts in it with nothing: they send what is above it nowhere."""
    above = next((pool.above for pool, _, _ in reversed(intervals) if pool.above is not None), None)
    if above is None:
        return [0] * len(intervals)
    rows = [(injected, shared) if pool.above is not None else (0, 0) for pool, injected, shared in intervals]
    return above_threshold(above.portion, rows)


def weights_of(pool: Pool, sharing: Sharing, worth: Worth, owner: Owner) -> Weights:
    """The weight of each meter in each group: nano of worth, Wh used, Wh used by households, 1 for each member."""
    points = pool.points
    plants = zip((row.point for row in sharing.plants), worth.plants, strict=True)
    used = [(row.point, row.allocated) for row in sharing.consumers if not points[row.point].silent]
    here = sorted((row.point for row in (*sharing.plants, *sharing.consumers)), reverse=True)
    first = {owner(point): point for point in here if not points[point].silent}
    return {
        Group.PRODUCERS: [(point, nano) for point, nano in plants if not points[point].silent],
        Group.CONSUMERS: used,
        Group.HOUSEHOLDS: [(point, wh) for point, wh in used if points[point].kind is MemberKind.HOUSEHOLD],
        Group.MEMBERS: [(point, 1) for point in sorted(first.values())],
    }


class _Groups:
    """The members of an interval with their weights in each group."""

    def __init__(self, contract: Contract, pool: Pool, sharing: Sharing, worth: Worth, owner: Owner, key: H32) -> None:
        self._contract, self._owner, self._key = contract, owner, key
        self._used = [(row.point, row.allocated) for row in sharing.consumers]
        self._weights = weights_of(pool, sharing, worth, owner)

    def present(self) -> frozenset[Group]:
        """Groups that somebody with a weight is in."""
        return frozenset(self.weights())

    def weights(self) -> dict[Group, int]:
        """The sum of the weights of each group that somebody is in."""
        sums = {group: sum(weight for _, weight in rows) for group, rows in self._weights.items()}
        return {group: weight for group, weight in sums.items() if weight}

    def spread(self, group: Group, amount: int, *, is_above: bool = False) -> list[Part]:
        rows = self._weights[group]
        amounts = share(amount, [weight for _, weight in rows], self._key)
        return [
            Part(self._owner(point), nano, group, point, is_above)
            for (point, _), nano in zip(rows, amounts, strict=True)
            if nano
        ]

    def above(self, amount: int, to: PartyId | None) -> list[Part]:
        """To the party, or (None) to the households."""
        if to is None:
            return self.spread(Group.HOUSEHOLDS, amount, is_above=True)
        return [Part(to, amount, None, -1, True)]

    def charges(self, fee: int, payer: PartyId | None) -> tuple[Part, ...]:
        """Who owes the fee: the payer, or every consumer for what was allocated."""
        if payer is not None:
            return (Part(payer, fee, None, -1),)
        amounts = share(fee, [wh for _, wh in self._used], self._key)
        rows = zip(self._used, amounts, strict=True)
        return tuple(Part(self._owner(point), nano, None, point) for (point, _), nano in rows if nano)


def _flow(contract: Contract, present: frozenset[Group]) -> tuple[Waterfall, dict[PartyId, Group]]:
    """The split with groups in the place of parties; steps keep their numbers, by which their counters are named."""
    steps = [_placed(step, present, contract.collector) for step in contract.split]
    if not steps[-1].takes_rest:
        steps.append(Step(((contract.collector, 1),)))
    order = [*(party.id for party in contract.parties), *_PLACES.values()]
    return waterfall_of(steps, order), {place: group for group, place in _PLACES.items()}


def _placed(step: Step, present: frozenset[Group], collector: PartyId) -> Step:
    if step.group is None:
        return step
    if step.group not in present:
        return Step(((collector, 1),), fixed=_NOTHING)
    return replace(step, to=((_PLACES[step.group], 1),), group=None)


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator
