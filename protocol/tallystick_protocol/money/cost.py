"""A bill shared among the flats of a house by a key: what each stay pays, in whole cents; pure.

It never rounds but in the dithered floor of `split.share`: shares sum to the bill, each the floor or ceiling of exact.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from math import lcm

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.split import share

CENTS_MAX = 99_999_999_999  # 999,999,999.99, what a bank file can carry
PER_MILLE = 1000
KEY_MAX = 7  # parts: a payer's proof carries them beside the money
DAYS_MAX = 3_660  # ten years: longer is a wrong year
YEAR_MAX = 2199
DAY = timedelta(days=1)


class By(StrEnum):
    """What a part of a bill follows."""

    USE = "use"  # what meters counted
    PEOPLE = "people"  # heads, times days
    SHARE = "share"  # per mille that the owners fixed, times days
    AREA = "area"  # square metres, times days
    FLAT = "flat"  # every flat alike, times days


@dataclass(frozen=True, slots=True)
class Part:
    """`portion` of a bill by one measure; `if_none`: by what instead when nobody has any of it, None: refused then."""

    portion: Fraction
    by: By
    quantity: str | None = None
    if_none: By | None = None


@dataclass(frozen=True, slots=True)
class Lives:
    """Somebody pays for a flat from its first to its last day, both included."""

    name: str
    people: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Flat:
    """`owner` pays while nobody lives there. `share` per mille; `area` in square metres."""

    asset: str
    owner: str
    share: Fraction = Fraction(0)
    area: Fraction = Fraction(0)
    lives: tuple[Lives, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A meter read by hand at the beginning of a day."""

    asset: str
    quantity: str
    on: date
    total: Fraction


@dataclass(frozen=True, slots=True)
class Bill:
    """`cents` for the days from first to last, both included."""

    id: str
    cents: int
    first_day: date
    last_day: date

    def check_rules(self) -> None:
        if not 1 <= self.cents <= CENTS_MAX:
            raise BadValue("bill.amount", "must be 0.01 to 999999999.99; a credit is a reversal and a new bill")
        if self.last_day < self.first_day:
            raise BadValue("bill.last_day", f"is {self.last_day}, before the first day {self.first_day}")
        if self.last_day.year > YEAR_MAX or (self.last_day - self.first_day).days >= DAYS_MAX:
            raise BadValue(
                "bill.last_day", f"is {self.last_day}; a bill is over at most {DAYS_MAX} days before {YEAR_MAX}"
            )


@dataclass(frozen=True, slots=True)
class Cost:
    """A cost pool: who collects, which decision fixed the key, the key, the flats, and (maybe) a bill.

    `supplier`: a party that is owed the bill; None: the collector has paid it.
    """

    name: str
    community: str
    collector: str
    decision_ref: str
    key: tuple[Part, ...]
    flats: tuple[Flat, ...]
    readings: tuple[Reading, ...] = ()
    bill: Bill | None = None
    supplier: str | None = None

    def check_rules(self) -> None:
        """Raise BadValue naming what does not fit together."""
        if self.supplier == self.collector:
            raise BadValue("cost.supplier", f"is {self.collector}, the collector itself: leave it out")
        if len(self.key) > KEY_MAX:
            raise BadValue("cost.key", f"has {len(self.key)} parts; the limit is {KEY_MAX}")
        total = sum(part.portion for part in self.key)
        if total != 1:
            raise BadValue("cost.key", f"has portions that make {total}, not 1: they must make the whole bill")
        if len({flat.asset for flat in self.flats}) != len(self.flats):
            raise BadValue("flat", "names an asset twice")
        measures = {part.by for part in self.key} | {part.if_none for part in self.key}
        shares = sum(flat.share for flat in self.flats)
        if By.SHARE in measures and shares != PER_MILLE:
            raise BadValue("flat", f"has shares that make {shares} per mille, not {PER_MILLE}")
        for flat in self.flats:
            if By.AREA in measures and not flat.area:
                raise BadValue("flat", f"{flat.asset} has no area, which the key asks for")
            _check_lives(flat)

    @property
    def chain(self) -> H32:
        """What its postings and statement lines belong to: the same pool in every year."""
        return sha256(cbor.encode(["tallystick cost pool 1", self.community, self.name]))

    @property
    def quantities(self) -> list[str]:
        """What meters must tell."""
        return sorted({part.quantity for part in self.key if part.quantity is not None})


def _check_lives(flat: Flat) -> None:
    before: Lives | None = None
    for one in sorted(flat.lives, key=lambda each: each.first_day):
        if one.last_day < one.first_day:
            raise BadValue("flat", f"{flat.asset}: {one.name} leaves on {one.last_day}, before {one.first_day}")
        if before is not None and one.first_day <= before.last_day:
            raise BadValue("flat", f"{flat.asset}: {before.name} and {one.name} both pay on {one.first_day}")
        before = one


@dataclass(frozen=True, slots=True)
class Stay:
    """A flat and who pays for it from first to last day, both included; `people` is 0 while nobody lives there."""

    flat: Flat
    payer: str
    people: int
    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


@dataclass(frozen=True, slots=True)
class Weighed:
    """How much of one part of the key a stay has: `own` of `total`. `by` is what was used, maybe the fallback."""

    portion: Fraction
    by: By
    own: Fraction
    total: Fraction


@dataclass(frozen=True, slots=True)
class Charge:
    """What one stay pays, and how that came about."""

    stay: Stay
    cents: int
    parts: tuple[Weighed, ...]

    @property
    def exact(self) -> Fraction:
        """Its part of the whole, 0 to 1."""
        return sum((one.portion * one.own / one.total for one in self.parts), Fraction(0))


def days_between(first_day: str, last_day: str) -> int:
    """Days from the first to the last, both included. BadValue for what is no day, or written otherwise."""
    try:
        first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    except ValueError:
        raise BadValue("day", f"{first_day} or {last_day} is none") from None
    if (first.isoformat(), last.isoformat()) != (first_day, last_day):
        raise BadValue("day", f"{first_day} or {last_day} is not written as YYYY-MM-DD")
    return (last - first).days + 1


UseOf = Callable[[Stay, str], Fraction]
"""What the flat's meter of a quantity counted during a stay; raises when a reading is missing."""


def stays_of(cost: Cost, bill: Bill) -> list[Stay]:
    """Every day of every flat once, by asset and day; days on which nobody lives there are the owner's."""
    found = []
    for flat in sorted(cost.flats, key=lambda one: one.asset):
        day = bill.first_day
        for one in sorted(flat.lives, key=lambda each: each.first_day):
            first, last = max(one.first_day, day), min(one.last_day, bill.last_day)
            if last < first:
                continue
            if day < first:
                found.append(Stay(flat, flat.owner, 0, day, first - DAY))
            found.append(Stay(flat, one.name, one.people, first, last))
            day = last + DAY
        if day <= bill.last_day:
            found.append(Stay(flat, flat.owner, 0, day, bill.last_day))
    return found


def charges_of(cost: Cost, bill: Bill, use_of: UseOf) -> list[Charge]:
    """What each stay pays, by asset and day. Raises BadValue when nobody has any of a part that has no `if_none`."""
    stays = stays_of(cost, bill)
    parts = [_weigh(part, stays, use_of) for part in cost.key]
    rows = [Charge(stay, 0, tuple(part[at] for part in parts)) for at, stay in enumerate(stays)]
    cents = apportion(bill.cents, [row.exact for row in rows], sha256(cbor.encode([cost.chain, bill.id])))
    return [Charge(row.stay, own, row.parts) for row, own in zip(rows, cents, strict=True)]


def apportion(cents: int, exact: Sequence[Fraction], dither: bytes) -> list[int]:
    """Whole cents that sum to `cents`, each the floor or ceiling of its exact part; the parts sum to 1."""
    whole = lcm(*(one.denominator for one in exact))
    if sum(exact) != 1:
        raise BadValue("exact", "parts do not make a whole")
    return share(cents, [one.numerator * (whole // one.denominator) for one in exact], dither)


def _weigh(part: Part, stays: Sequence[Stay], use_of: UseOf) -> list[Weighed]:
    for by in (part.by, part.if_none):
        if by is not None:
            own = [_measure(by, stay, part, use_of) for stay in stays]
            total = sum(own, Fraction(0))
            if total:
                return [Weighed(part.portion, by, one, total) for one in own]
    what = f"by {part.by.value}" + (f" and by {part.if_none.value}" if part.if_none else "")
    raise BadValue("cost.key", f"{what}: nobody has any in these days; say if_none = one of {', '.join(By)}")


def _measure(by: By, stay: Stay, part: Part, use_of: UseOf) -> Fraction:
    if by is By.USE:
        return use_of(stay, part.quantity or "")
    per_day: Mapping[By, Fraction] = {
        By.PEOPLE: Fraction(stay.people),
        By.SHARE: stay.flat.share,
        By.AREA: stay.flat.area,
        By.FLAT: Fraction(1),
    }
    return per_day[by] * stay.days
