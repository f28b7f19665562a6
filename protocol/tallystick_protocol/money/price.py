"""Prices compiled to integers: F_b, the cumulative price of a band, and G, the cap and minimum of a period.
It never sees a clock or a payer; every function here floors an exact rational once, and all but a volume's total are
non-decreasing."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from tallystick_protocol.money.numbers import NANO
from tallystick_protocol.money.tariff import Band, Tariff


@dataclass(frozen=True, slots=True)
class Curve:
    """F(q) = (heights[i] + (q - starts[i]) * slopes[i]) // denominator for the last i with starts[i] <= q.

    `free`: so many counts cost nothing, which are the first piece then.
    """

    starts: tuple[int, ...]
    heights: tuple[int, ...]
    slopes: tuple[int, ...]
    denominator: int
    free: int = 0

    def total(self, counts: int) -> int:
        """What `counts` >= 0 cost in nano, from the beginning of the rating period."""
        i = bisect_right(self.starts, counts) - 1
        return (self.heights[i] + (counts - self.starts[i]) * self.slopes[i]) // self.denominator

    def volume_total(self, counts: int) -> int:
        """What they cost where the price of the last of them holds for all that are not free."""
        i = bisect_left(self.starts, counts) - 1  # a count belongs to the tier that it ends: 100 to `up_to = 100`
        return max(0, counts - self.free) * self.slopes[i] // self.denominator

    @property
    def is_plain(self) -> bool:
        """One whole price per count: the price of a use does not depend on the uses before it."""
        return len(self.starts) == 1 and self.denominator == 1


def curve_of(band: Band, tariff: Tariff) -> Curve:
    """The cumulative function of a band: its quota is free, then its tiers."""
    per_count = NANO / Fraction(tariff.counts_per_unit.n, tariff.counts_per_unit.d)
    prices = [tier.price.fraction() * per_count for tier in band.tiers]
    starts = [0, *(tier.up_to for tier in band.tiers[:-1] if tier.up_to is not None)]
    if band.quota:
        prices = [Fraction(0), *prices]
        starts = [0, *(start + band.quota for start in starts)]
    denominator = lcm(*(price.denominator for price in prices))
    slopes = [int(price * denominator) for price in prices]
    heights = [0]
    for i in range(1, len(starts)):
        heights.append(heights[-1] + (starts[i] - starts[i - 1]) * slopes[i - 1])
    return Curve(tuple(starts), tuple(heights), tuple(slopes), denominator, band.quota)


def rounded_up(counts: int, step: int) -> int:
    """The counts of an event use in whole steps of `step` counts, which is positive: the next multiple."""
    return -(-counts // step) * step


def capped(raw_before: int, raw: int, cap: int) -> int:
    """What a use adds to a period that costs at most `cap`: the difference of min(cap, ...)."""
    return min(cap, raw_before + raw) - min(cap, raw_before)


def rebate(curve: Curve, counts: int) -> int:
    """What the uses of a period cost more than its volume price: 0 or more, as prices fall."""
    return curve.total(counts) - curve.volume_total(counts)


def part_of_days(amount: int, from_day: int, to_day: int, days: int) -> int:
    """What days [from, to) of a period of so many cost of `amount`: all of them together exactly that."""
    return amount * to_day // days - amount * from_day // days


def top_up(raw: int, minimum: int, cap: int | None) -> int:
    """What is missing to the minimum of a period in which `raw` nano were priced."""
    return max(0, minimum - (raw if cap is None else min(cap, raw)))
