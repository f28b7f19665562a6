"""The tariff of a contract as data: bands with graduated prices, parts of event uses, minimum and cap.
It never computes a fee (see price.py) and never knows a payer."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from tallystick_protocol.errors import BadValue
from tallystick_protocol.money.numbers import Exact, Ratio, Word
from tallystick_protocol.schema import (
    POSITIVE,
    UINT,
    Bool,
    Field,
    Int,
    List,
    MapMessage,
    Nullable,
    Of,
    RowMessage,
    Text,
)

BANDS_MAX = 32  # a wash has some ten programmes, a week some ten hours of change
TIERS_MAX = 16
VOLUMES_MAX = 16  # bands with volume tiers: a rebate counts in all of them, beside money and split
WINDOWS_MAX = 16
PROGRAMMES_MAX = 32
MINUTES_PER_DAY = 24 * 60
EVERY_DAY = 0b1111111


class Form(StrEnum):
    """What one use is: something a gateway saw begin and end, or a slice between two edges."""

    EVENT = "event"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class Tier(RowMessage):
    """`price` per price unit for the counts of a period up to `up_to`, above the tier before; the last is open."""

    NAME = "tier"
    FIELDS = (Field(0, "up_to", Nullable(POSITIVE)), Field(1, "price", Of(Exact)))
    up_to: int | None
    price: Exact


@dataclass(frozen=True, slots=True)
class Window(RowMessage):
    """Local minutes of the day [from_minute, to_minute) on `days` (bit 0 is Monday). Never over midnight."""

    NAME = "window"
    FIELDS = (
        Field(0, "days", Int(1, EVERY_DAY)),
        Field(1, "from_minute", Int(0, MINUTES_PER_DAY - 1)),
        Field(2, "to_minute", Int(1, MINUTES_PER_DAY)),
    )
    days: int
    from_minute: int
    to_minute: int

    def check_rules(self) -> None:
        if self.from_minute >= self.to_minute:
            raise BadValue("window", "ends before it begins: write two windows, one before midnight and one after")

    def holds(self, weekday: int, minute: int) -> bool:
        """Whether a local time lies in it; weekday 0 is Monday."""
        return bool(self.days >> weekday & 1) and self.from_minute <= minute < self.to_minute


@dataclass(frozen=True, slots=True)
class Band(MapMessage):
    """One price list: for the times in `windows`, for the `programmes`, or for everything else when it has neither.

    The first `quota` counts of a rating period in this band are free; tiers begin after them. `volume`: the price of
    the tier that a period's quantity reaches holds for all of it; what was charged above it comes back as a rebate.
    """

    NAME = "band"
    FIELDS = (
        Field(0, "name", Text()),
        Field(1, "tiers", List(Of(Tier), 1, TIERS_MAX)),
        Field(2, "quota", UINT, optional=True, empty=0),
        Field(3, "windows", List(Of(Window), 1, WINDOWS_MAX), optional=True, empty=()),
        Field(4, "programmes", List(Text(), 1, PROGRAMMES_MAX), optional=True, empty=()),
        Field(5, "volume", Bool(), optional=True, empty=False),
    )
    name: str
    tiers: tuple[Tier, ...]
    quota: int = 0
    windows: tuple[Window, ...] = ()
    programmes: tuple[str, ...] = ()
    volume: bool = False

    def check_rules(self) -> None:
        bounds = [tier.up_to for tier in self.tiers]
        if bounds[-1] is not None:
            raise BadValue("band.tiers", "the last tier must be open: leave its up_to away")
        below = 0
        for bound in bounds[:-1]:
            if bound is None or bound <= below:
                raise BadValue("band.tiers", "must have up_to values that rise")
            below = bound
        if any(tier.price.mantissa < 0 for tier in self.tiers):
            raise BadValue("band.tiers", "has a negative price: more use must never cost less")
        prices = [tier.price.fraction() for tier in self.tiers]
        if self.volume and (len(prices) < 2 or any(below <= price for below, price in pairwise(prices))):
            raise BadValue("band.volume", "needs tiers whose prices fall: what a higher tier costs less comes back")
        if self.windows and self.programmes:
            raise BadValue("band", "has windows and programmes: use one of them")

    @property
    def is_rest(self) -> bool:
        """Whether it takes what no other band takes."""
        return not self.windows and not self.programmes


@dataclass(frozen=True, slots=True)
class Tariff(MapMessage):
    """Prices in the contract's unit per `price_unit`; channels count in 10^`count_exponent` `count_unit`.

    `counts_per_unit` counts make one price unit. `step`, `start_fee` and `session_minimum` belong to event uses.
    `minimum` and `cap` are the money of one payer's rating period, over all bands; `standing_charge` is what a payer
    owes beside that for a rating period of which the contract stood every day. `shared`: the tiers, the minimum
    and the cap count all payers of the contract together (its data notice must say so).
    """

    NAME = "tariff"
    FIELDS = (
        Field(0, "form", Word(Form)),
        Field(1, "price_unit", Text()),
        Field(2, "count_unit", Text()),
        Field(3, "count_exponent", Int(-9, 9)),
        Field(4, "counts_per_unit", Of(Ratio)),
        Field(5, "bands", List(Of(Band), 1, BANDS_MAX)),
        Field(6, "start_fee", Nullable(Of(Exact)), optional=True),
        Field(7, "session_minimum", Nullable(Of(Exact)), optional=True),
        Field(8, "step", POSITIVE, optional=True, empty=1),
        Field(9, "minimum", Nullable(Of(Exact)), optional=True),
        Field(10, "cap", Nullable(Of(Exact)), optional=True),
        Field(11, "shared", Bool(), optional=True, empty=False),
        Field(12, "standing_charge", Nullable(Of(Exact)), optional=True),
    )
    form: Form
    price_unit: str
    count_unit: str
    count_exponent: int
    counts_per_unit: Ratio
    bands: tuple[Band, ...]
    start_fee: Exact | None = None
    session_minimum: Exact | None = None
    step: int = 1
    minimum: Exact | None = None
    cap: Exact | None = None
    shared: bool = False
    standing_charge: Exact | None = None

    def check_rules(self) -> None:
        if self.counts_per_unit.n == 0:
            raise BadValue("tariff.counts_per_unit", "is zero")
        for name in ("start_fee", "session_minimum", "minimum", "cap", "standing_charge"):
            amount: Exact | None = getattr(self, name)
            if amount is not None and amount.nano(f"tariff.{name}") < 0:
                raise BadValue(f"tariff.{name}", "is negative")
        if self.minimum is not None and self.cap is not None and self.minimum.nano() > self.cap.nano():
            raise BadValue("tariff.minimum", "is above the cap")
        if self.shared and self.minimum is not None:
            raise BadValue("tariff.minimum", "of a shared tariff does not say who owes it: leave one of them out")
        if self.shared and self.has_rebate:
            raise BadValue("tariff.bands", "has volume tiers, but a shared tariff does not say whose rebate it is")
        given = (("start_fee", self.start_fee), ("session_minimum", self.session_minimum), ("step", self.step != 1))
        for name, value in given:
            if self.form is Form.INTERVAL and value:
                raise BadValue(f"tariff.{name}", "belongs to event uses, not to intervals")
        self._check_bands()

    @property
    def has_rebate(self) -> bool:
        """Whether a rating period may cost less than its uses did, because its volume reached a cheaper tier."""
        return any(band.volume for band in self.bands)

    def _check_bands(self) -> None:
        names = [band.name for band in self.bands]
        if len(set(names)) != len(names):
            raise BadValue("tariff.bands", "has two bands of one name")
        if sum(band.volume for band in self.bands) > VOLUMES_MAX:
            raise BadValue("tariff.bands", f"has more than {VOLUMES_MAX} bands with volume tiers")
        if sum(band.is_rest for band in self.bands) > 1:
            raise BadValue("tariff.bands", "has two bands for everything else: give one of them windows or programmes")
        timed = any(band.windows for band in self.bands)
        programmed = any(band.programmes for band in self.bands)
        if timed and programmed:
            raise BadValue("tariff.bands", "mixes bands by time and bands by programme")
        if programmed and self.form is Form.INTERVAL:
            raise BadValue("tariff.bands", "has programmes, but intervals have none")
        if not programmed and not any(band.is_rest for band in self.bands):
            raise BadValue("tariff.bands", "leaves times without a price: one band must be without windows")
        listed = [name for band in self.bands for name in band.programmes]
        if len(set(listed)) != len(listed):
            raise BadValue("tariff.bands", "prices one programme in two bands")
