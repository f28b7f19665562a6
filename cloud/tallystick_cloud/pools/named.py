"""A stretch of local days by the name that people give it: 2026, 2026-Q1, 2026-01, 2026-W01, 2026-01-05."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from tallystick_protocol.money.contract import RatingPeriod

from tallystick_cloud.errors import BadInput

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Named:
    """From `first` to before `after`."""

    text: str
    kind: RatingPeriod
    first: date
    after: date

    @property
    def before_it(self) -> str:
        """The period of its kind that ends where it begins."""
        return holding(self.first - DAY, self.kind)

    @property
    def after_it(self) -> str:
        return holding(self.after, self.kind)


def named(text: str) -> Named:
    """Raises BadInput for what names no period."""
    try:
        kind, first = _read(text)
        return Named(text, kind, first, _ENDS[kind](first))
    except (ValueError, TypeError, OverflowError):
        detail = f"is {text!r}; write YYYY, YYYY-MM or YYYY-MM-DD, YYYY-Q1 for a quarter, YYYY-W01 for a week"
        raise BadInput("PERIOD", detail) from None


def holding(day: date, kind: RatingPeriod) -> str:
    """The name of the period that a day lies in."""
    match kind:
        case RatingPeriod.DAY:
            return day.isoformat()
        case RatingPeriod.WEEK:
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02}"
        case RatingPeriod.MONTH:
            return f"{day.year}-{day.month:02}"
        case RatingPeriod.QUARTER:
            return f"{day.year}-Q{(day.month + 2) // 3}"
        case RatingPeriod.YEAR:
            return f"{day.year}"


def _read(text: str) -> tuple[RatingPeriod, date]:
    """Kind and first day; ValueError or TypeError for anything else."""
    year, *rest = text.split("-")
    if rest and rest[0][:1] == "W":
        (week,) = rest
        return RatingPeriod.WEEK, date.fromisocalendar(int(year), int(week[1:]), 1)
    if rest and rest[0][:1] == "Q":
        (quarter,) = rest
        return RatingPeriod.QUARTER, date(int(year), int(quarter[1:]) * 3 - 2, 1)
    kind = (RatingPeriod.YEAR, RatingPeriod.MONTH, RatingPeriod.DAY)[len(rest)] if len(rest) < 3 else None
    if kind is None:
        raise ValueError(text)
    month, day = [*(int(one) for one in rest), 1, 1][:2]
    return kind, date(int(year), month, day)


def _months_on(first: date, months: int) -> date:
    count = first.month - 1 + months
    return date(first.year + count // 12, count % 12 + 1, 1)


_ENDS: dict[RatingPeriod, Callable[[date], date]] = {
    RatingPeriod.DAY: lambda first: first + DAY,
    RatingPeriod.WEEK: lambda first: first + 7 * DAY,
    RatingPeriod.MONTH: lambda first: _months_on(first, 1),
    RatingPeriod.QUARTER: lambda first: _months_on(first, 3),
    RatingPeriod.YEAR: lambda first: _months_on(first, 12),
}
