"""When a loan is likely to be repaid, from how it was repaid in the last weeks; pure, and about dates only.

It never touches an amount of money: nothing is booked, owed or promised by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import mean, stdev

WEEK_MS = 7 * 86_400_000
WEEKS = 13  # a quarter: long enough for a mean, short enough to follow a new machine
WEEKS_MIN = 4
WEEKS_AHEAD_MAX = 520  # nobody knows more than ten years ahead
_T95 = (2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782)
"""Student's t, 95 % one-sided, for 3 to 12 degrees of freedom: between low and high lie nine of ten loans."""


@dataclass(frozen=True, slots=True)
class Payoff:
    """Moments in UTC ms: the likely one, and the two between which nine of ten such loans are repaid."""

    low_ms: int
    likely_ms: int
    high_ms: int


def looked_at(now_ms: int) -> list[int]:
    """The moments at which `predicted` wants to know the counter, oldest first."""
    return [now_ms - weeks * WEEK_MS for weeks in range(WEEKS, -1, -1)]


def predicted(repaid: Sequence[int], cap: int, now_ms: int) -> Payoff | None:
    """From the counter at the moments of `looked_at`; None when it is repaid, or when too little is known to say.

    Weeks before the first repayment do not count. What is left is repaid by weeks like those seen, independent of each
    other; the spread is theirs and that of their mean.
    """
    begun = next((place for place, value in enumerate(repaid) if value > 0), len(repaid))
    weekly = [after - before for before, after in pairwise(repaid[begun:])]
    left = cap - repaid[-1]
    if left <= 0 or len(weekly) < WEEKS_MIN or mean(weekly) <= 0:
        return None
    pace = mean(weekly)
    weeks = left / pace
    spread = _T95[len(weekly) - WEEKS_MIN] * stdev(weekly) * sqrt(weeks * (1 + weeks / len(weekly))) / pace
    if weeks + spread > WEEKS_AHEAD_MAX or spread > weeks:
        return None
    low, likely, high = (now_ms + round(at * WEEK_MS) for at in (weeks - spread, weeks, weeks + spread))
    return Payoff(low, likely, high)
