"""The period of a page: one month of the community's zone, written 2026-11, which every number and file on it obeys.

It never reads a clock: `now` comes from the caller, and what lies after it has not happened yet."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import StringConstraints

MonthText = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
"""A month in an address."""
MONTHS = 12


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month; `number` is 1 to 12."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of text that is a MonthText."""
        year, number = text.split("-")
        return cls(int(year), int(number))

    @classmethod
    def of(cls, ms: int, zone: str) -> Self:
        """The month that holds a moment in a zone."""
        local = datetime.fromtimestamp(ms // 1000, UTC).astimezone(ZoneInfo(zone))
        return cls(local.year, local.month)

    @property
    def text(self) -> str:
        """As in addresses and file names."""
        return f"{self.year}-{self.number:02d}"

    def step(self, months: int) -> "Month":
        """The month so many later."""
        year, index = divmod(self.year * MONTHS + self.number - 1 + months, MONTHS)
        return Month(year, index + 1)

    def from_ms(self, zone: str) -> int:
        """Local midnight of the first, in ms UTC."""
        return int(datetime(self.year, self.number, 1, tzinfo=ZoneInfo(zone)).timestamp()) * 1000

    def to_ms(self, zone: str) -> int:
        """Local midnight after the last day, in ms UTC."""
        return self.step(1).from_ms(zone)


def day_end_ms(day: date, zone: str) -> int:
    """Local midnight after a day, in ms UTC."""
    after = day + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Span:
    """A month as a page uses it: [from_ms, to_ms), and `at_ms`, the last moment that is known in it."""

    month: Month
    zone: str
    from_ms: int
    to_ms: int
    at_ms: int
    is_running: bool

    @classmethod
    def of(cls, wanted: str | None, now_ms: int, zone: str) -> Self:
        """The month of an address, or the present one."""
        month = Month.parse(wanted) if wanted else Month.of(now_ms, zone)
        from_ms, to_ms = month.from_ms(zone), month.to_ms(zone)
        return cls(month, zone, from_ms, to_ms, min(now_ms, to_ms), from_ms <= now_ms < to_ms)

    @property
    def until_ms(self) -> int:
        """What was recorded before this belongs to the page: the end of the month, or just after now."""
        return min(self.at_ms + 1, self.to_ms)

    @property
    def previous(self) -> str:
        return self.month.step(-1).text

    @property
    def following(self) -> str | None:
        """None for the running month: nothing has happened after it."""
        return None if self.at_ms < self.to_ms else self.month.step(1).text
