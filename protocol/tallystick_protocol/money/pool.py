"""The pool of an energy community as a contract says it: whose meters, how energy is shared, what a unit is worth.
It never counts energy and never divides money; pool_energy and pool_money do, from these terms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.money.numbers import NANO, Exact, Ratio, Word
from tallystick_protocol.money.split import Group, Scope, Step
from tallystick_protocol.money.tariff import Band, Form, Tariff, Tier
from tallystick_protocol.schema import (
    UINT,
    Bool,
    Bytes,
    Field,
    Int,
    List,
    MapMessage,
    Nullable,
    Of,
    Row,
    RowMessage,
    Text,
)

CLASSES_MAX = 32
KNOTS_MAX = 16
POINTS_MAX = 1024  # as many as a contract has assets
COUNT_UNIT = "Wh"
_WHOLE = Ratio(1, 1)


class PlantRule(StrEnum):
    """Which plants the shared energy came from: the oldest first, or each by what it injected."""

    SENIORITY = "seniority"
    PRO_RATA = "pro-rata"


class ConsumerRule(StrEnum):
    """Who used the shared energy: each by what it withdrew, or each up to a fixed part of what was injected."""

    PRO_RATA = "pro-rata"
    COEFFICIENTS = "coefficients"


class Direction(StrEnum):
    """What a meter of a pool counts: energy given to the grid, or taken from it."""

    INJECTED = "injected"
    WITHDRAWN = "withdrawn"


class MemberKind(StrEnum):
    """What a member is; a business and a household may have different destinations."""

    HOUSEHOLD = "household"
    BUSINESS = "business"
    PUBLIC = "public"
    THIRD_SECTOR = "third-sector"


@dataclass(frozen=True, slots=True)
class PriceClass(MapMessage):
    """What a shared unit of some plants is worth: linear between `knots` of (price in the series, worth), flat outside
    of them; then plus `add`, times `factor`. One knot is a fixed price, whatever the series says."""

    NAME = "class"
    FIELDS = (
        Field(0, "name", Text()),
        Field(1, "knots", List(Row((Of(Exact), Of(Exact))), 1, KNOTS_MAX)),
        Field(2, "add", Nullable(Of(Exact)), optional=True),
        Field(3, "factor", Of(Ratio), optional=True, empty=_WHOLE),
    )
    name: str
    knots: tuple[tuple[Exact, Exact], ...]
    add: Exact | None = None
    factor: Ratio = _WHOLE

    def check_rules(self) -> None:
        if any(left.fraction() >= right.fraction() for (left, _), (right, _) in pairwise(self.knots)):
            raise BadValue("class.knots", "must rise: write them in the order of the series' price")
        if any(self.worth(at.fraction()) < 0 for at, _ in self.knots):
            raise BadValue("class.knots", "are worth less than nothing: members would pay for sharing")

    @property
    def needs_series(self) -> bool:
        return len(self.knots) > 1

    def worth(self, series: Fraction | None) -> Fraction:
        """Units of money per price unit; `series` is the series' price then, None where one knot says it all."""
        base = self._between(series) if self.needs_series and series is not None else self.knots[0][1].fraction()
        return (base + (self.add.fraction() if self.add else 0)) * Fraction(self.factor.n, self.factor.d)

    def _between(self, x: Fraction) -> Fraction:
        points = [(at.fraction(), worth.fraction()) for at, worth in self.knots]
        if x <= points[0][0]:
            return points[0][1]
        for (low, left), (high, right) in pairwise(points):
            if x <= high:
                return left + (right - left) * (x - low) / (high - low)
        return points[-1][1]


@dataclass(frozen=True, slots=True)
class Point(MapMessage):
    """One meter of the pool, in the place of its asset among the contract's assets; a member while in [from, to).

    `part`: of a plant, what it offers of what it injects; of a consumer, its coefficient. `since_ms`: when a plant was
    commissioned. `silent`: its energy counts, but it gets nothing.
    """

    NAME = "point"
    FIELDS = (
        Field(0, "direction", Word(Direction)),
        Field(1, "kind", Word(MemberKind), optional=True, empty=MemberKind.HOUSEHOLD),
        Field(2, "from_ms", Nullable(UINT), optional=True),
        Field(3, "to_ms", Nullable(UINT), optional=True),
        Field(4, "price_class", Int(0, CLASSES_MAX - 1), optional=True, empty=0),
        Field(5, "since_ms", Nullable(UINT), optional=True),
        Field(6, "part", Nullable(Of(Ratio)), optional=True),
        Field(7, "silent", Bool(), optional=True, empty=False),
    )
    direction: Direction
    kind: MemberKind = MemberKind.HOUSEHOLD
    from_ms: int | None = None
    to_ms: int | None = None
    price_class: int = 0
    since_ms: int | None = None
    part: Ratio | None = None
    silent: bool = False

    def check_rules(self) -> None:
        if self.from_ms is not None and self.to_ms is not None and self.to_ms <= self.from_ms:
            raise BadValue("point.to_ms", "is not after from_ms")
        if self.part is not None and self.part.n > self.part.d:
            raise BadValue("point.part", "is more than all of it")
        if not self.is_plant and (self.price_class or self.since_ms is not None):
            raise BadValue("point.price_class", "and since_ms belong to what injects, not to what withdraws")

    @property
    def is_plant(self) -> bool:
        return self.direction is Direction.INJECTED

    def is_member(self, t_ms: int) -> bool:
        """Whether it belongs to the pool at a moment."""
        return (self.from_ms is None or self.from_ms <= t_ms) and (self.to_ms is None or t_ms < self.to_ms)


@dataclass(frozen=True, slots=True)
class Above(RowMessage):
    """Where the worth of energy goes that is shared above `portion` of what was injected in the period that counts."""

    NAME = "above"
    FIELDS = (
        Field(0, "portion", Of(Ratio)),
        Field(1, "to", Nullable(Bytes(PARTY_BYTES))),
    )
    portion: Ratio
    to: PartyId | None  # None: the households, by what they used

    def check_rules(self) -> None:
        if self.portion.n > self.portion.d:
            raise BadValue("above.portion", "is more than all that is injected, so it never happens")


@dataclass(frozen=True, slots=True)
class Pool(MapMessage):
    """`payer` None: the consumers pay for what they got. `coefficients`: SHA-256 of the file with each hour's
    coefficients, None when the points' parts hold always. `advance`: the part of its worth that a period pays on
    account until the year is trued up; `trued_up` is whether there is one."""

    NAME = "pool"
    FIELDS = (
        Field(0, "plants", Word(PlantRule)),
        Field(1, "consumers", Word(ConsumerRule)),
        Field(2, "payer", Nullable(Bytes(PARTY_BYTES))),
        Field(3, "classes", List(Of(PriceClass), 1, CLASSES_MAX)),
        Field(4, "points", List(Of(Point), 2, POINTS_MAX)),
        Field(5, "series", Nullable(Text()), optional=True),
        Field(6, "trued_up", Bool(), optional=True, empty=False),
        Field(7, "advance", Of(Ratio), optional=True, empty=_WHOLE),
        Field(8, "above", Nullable(Of(Above)), optional=True),
        Field(9, "coefficients", Nullable(Bytes(H32_BYTES)), optional=True),
    )
    plants: PlantRule
    consumers: ConsumerRule
    payer: PartyId | None
    classes: tuple[PriceClass, ...]
    points: tuple[Point, ...]
    series: str | None = None
    trued_up: bool = False
    advance: Ratio = _WHOLE
    above: Above | None = None
    coefficients: H32 | None = None

    def check_rules(self) -> None:
        if len({one.name for one in self.classes}) != len(self.classes):
            raise BadValue("pool.classes", "has two classes of one name")
        for direction in Direction:
            if not any(point.direction is direction for point in self.points):
                raise BadValue("pool.points", f"has no meter that is {direction.value}: a pool needs both directions")
        for index, point in enumerate(self.points):
            if point.price_class >= len(self.classes):
                raise BadValue(f"pool.points[{index}].price_class", "is not one of the pool's classes")
        if self.series is None and any(one.needs_series for one in self.classes):
            raise BadValue("pool.series", "is missing: a class depends on a price that a series must give")
        if self.advance != _WHOLE and not self.trued_up:
            raise BadValue("pool.advance", 'pays a part only: say true_up = "year", which pays the rest')
        if self.advance.n > self.advance.d:
            raise BadValue("pool.advance", "is more than all of it")
        self._check_coefficients()

    def _check_coefficients(self) -> None:
        fixed = self.consumers is ConsumerRule.COEFFICIENTS
        if self.coefficients is not None and not fixed:
            raise BadValue("pool.coefficients", 'is a file that nothing reads: say consumers = "coefficients"')
        for index, point in enumerate(self.points):
            wanted = fixed and self.coefficients is None
            if not point.is_plant and (point.part is not None) != wanted:
                reason = "needs its coefficient" if wanted else "has a coefficient that nothing reads"
                raise BadValue(f"pool.points[{index}].part", reason)
        if not fixed or self.coefficients is not None:
            return
        for t_ms in self._changes():
            parts = [p.part for p in self.points if not p.is_plant and p.is_member(t_ms) and p.part is not None]
            whole = sum((Fraction(part.n, part.d) for part in parts), Fraction(0))
            if parts and whole != 1:
                reason = f"have coefficients that make {whole} from {t_ms} ms on: the parts of all members must make 1"
                raise BadValue("pool.points", reason)

    def _changes(self) -> Iterator[int]:
        """Moments at which the members change, from the first on."""
        yield from sorted({0} | {t for p in self.points for t in (p.from_ms, p.to_ms) if t is not None})


def check_pool(pool: Pool | None, tariff: Tariff, steps: Sequence[Step], assets: int) -> None:
    """The rules between a pool and the rest of its contract; BadValue. Without a pool no step goes to its groups."""
    if pool is None:
        for index, step in enumerate(steps):
            if step.group is not None:
                raise BadValue(f"contract.split[{index}].group", "is a group of a pool, and this contract has none")
        return
    if len(pool.points) != assets:
        raise BadValue("contract.pool.points", "are not as many as the contract's assets")
    if tariff != pool_tariff(tariff.price_unit, tariff.counts_per_unit):
        raise BadValue("contract.tariff", "of a pool prices nothing: the classes of the pool do")
    for index, step in enumerate(steps):
        if step.cap_per is Scope.LIFETIME:
            reason = 'counts over the life of the contract, where one corrected month moves all later: use "period"'
            raise BadValue(f"contract.split[{index}].cap_per", reason)
    if steps[-1].group is Group.HOUSEHOLDS:
        raise BadValue(f"contract.split[{len(steps) - 1}].group", "may be empty in an hour: end with another")


def pool_tariff(per: str, counts_per_unit: Ratio) -> Tariff:
    """The tariff of a contract with a pool: the meters themselves cost nothing; `per` is what prices are per."""
    nothing = Band("shared energy", (Tier(None, Exact(0, 0)),))
    return Tariff(Form.INTERVAL, per, COUNT_UNIT, 0, counts_per_unit, (nothing,))


def nano_per_count(one: PriceClass, tariff: Tariff, series: Fraction | None) -> Fraction:
    """What one Wh of a class is worth, in nano of the unit."""
    per = tariff.counts_per_unit
    return one.worth(series) * NANO * per.d / per.n
