"""Cents and tax out of exact amounts: whole cents floored toward zero, the rest carried, tax contained in the price.

It never makes or loses a nano: every split is the difference of two points on one running sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

CENT_NANO = 10**7
WHOLE = 10_000  # a rate of 100 % in hundredths of a percent


class Category(StrEnum):
    """Tax categories of EN 16931 (UNTDID 5305) that this program issues."""

    STANDARD = "S"
    EXEMPT = "E"
    OUTSIDE = "O"  # the seller states no tax registration at all


@dataclass(frozen=True, slots=True)
class Treatment:
    """`rate` in hundredths of a percent, 0 for none; `reason`: why there is none, never empty then."""

    category: Category
    rate: int
    reason: str


def toward_zero(amount: int, divisor: int) -> int:
    """amount / divisor without its fraction; the divisor is positive."""
    return -(-amount // divisor) if amount < 0 else amount // divisor


def cents_of(carried: int, amounts: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Cents per amount in nano, and what is carried on; their sum is carried + amounts, floored toward zero.

    `carried` and the answer's rest are less than a cent either way.
    """
    found, running = [], carried
    before = toward_zero(running, CENT_NANO)
    for amount in amounts:
        running += amount
        now = toward_zero(running, CENT_NANO)
        found.append(now - before)
        before = now
    return tuple(found), running - before * CENT_NANO


def contained(gross: int, rate: int) -> int:
    """The tax in a price that contains it, in whole cents floored toward zero."""
    return toward_zero(gross * rate, WHOLE + rate)


def nets_of(gross: Sequence[int], rate: int) -> tuple[int, ...]:
    """Net cents per line of one rate; their sum is the sum of the lines without the tax of the sum."""
    found, running, before = [], 0, 0
    for cents in gross:
        running += cents
        now = running - contained(running, rate)
        found.append(now - before)
        before = now
    return tuple(found)
