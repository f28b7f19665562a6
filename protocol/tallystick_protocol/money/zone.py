"""UTC offsets of a time zone as a plain table: the one place that asks zoneinfo for the rules.
It never reads a clock; a settlement records the offsets it used, so that a verifier needs no zone rules at all."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tallystick_protocol.money.errors import ZoneError

YEAR_FIRST = 2000
YEAR_END = 2100  # exclusive; nothing was metered before 2000, and zone rules beyond a lifetime are guesses
_MS = 1000
_DAY_S = 86_400
_DAY_MS = _DAY_S * _MS
_T0 = 946_684_800  # 2000-01-01T00:00Z in s
_T1 = 4_102_444_800  # 2100-01-01T00:00Z in s


@dataclass(frozen=True, slots=True)
class Offsets:
    """From `starts_ms[i]` on local time is UTC plus `offsets_ms[i]`; valid in [starts_ms[0], end_ms)."""

    starts_ms: tuple[int, ...]
    offsets_ms: tuple[int, ...]
    end_ms: int

    def at(self, t_ms: int) -> int:
        """The offset in ms at a UTC time; raises ZoneError outside of the table."""
        return self.offsets_ms[self._row(t_ms)]

    def span(self, t_ms: int) -> tuple[int, int, int]:
        """(offset in ms, from-ms, to-ms): the offset at a UTC time and how long it holds; raises ZoneError."""
        row = self._row(t_ms)
        end_ms = self.starts_ms[row + 1] if row + 1 < len(self.starts_ms) else self.end_ms
        return self.offsets_ms[row], self.starts_ms[row], end_ms

    def _row(self, t_ms: int) -> int:
        if not self.starts_ms[0] <= t_ms < self.end_ms:
            raise ZoneError("time", f"{t_ms} ms is outside {YEAR_FIRST}..{YEAR_END - 1}, the years with zone rules")
        return bisect_right(self.starts_ms, t_ms) - 1

    def local(self, t_ms: int) -> int:
        """Local wall time in ms since 1970-01-01T00:00 local."""
        return t_ms + self.at(t_ms)

    def first_at(self, local_ms: int) -> int:
        """The first UTC time whose local time is `local_ms` or later: midnight even where it is skipped or repeated."""
        nearest = max(0, bisect_right(self.starts_ms, local_ms - _DAY_MS) - 1)  # no zone is a day away from UTC
        for index in range(nearest, len(self.starts_ms)):
            start = self.starts_ms[index]
            end = self.starts_ms[index + 1] if index + 1 < len(self.starts_ms) else self.end_ms
            candidate = local_ms - self.offsets_ms[index]
            if index == 0 and candidate < start:
                raise ZoneError("time", f"lies before the year {YEAR_FIRST}")
            if candidate < end:
                return max(candidate, start)
        raise ZoneError("time", f"lies after the year {YEAR_END - 1}")

    def changes(self, from_ms: int, to_ms: int) -> Sequence[int]:
        """UTC times in [from_ms, to_ms) at which the offset changes."""
        return [start for start in self.starts_ms[1:] if from_ms <= start < to_ms]

    def rows(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """The part of the table that a settlement records: (from-ms, utc offset in s) from `from_ms` on."""
        first = (from_ms, self.at(from_ms) // _MS)
        return [first, *((t, self.at(t) // _MS) for t in self.changes(from_ms + 1, to_ms))]

    @classmethod
    def from_rows(cls, rows: Sequence[tuple[int, int]], end_ms: int) -> "Offsets":
        """The table back from what a settlement recorded."""
        return cls(tuple(t for t, _ in rows), tuple(s * _MS for _, s in rows), end_ms)


@lru_cache(maxsize=64)  # zones of one community; a table is some 200 rows
def offsets_of(zone: str) -> Offsets:
    """The table of a zone by its IANA name; raises ZoneError for a name without rules on this machine."""
    info = _zone(zone)
    starts, offsets = [_T0], [_offset_s(info, _T0)]
    for day in range(_T0 + _DAY_S, _T1 + 1, _DAY_S):
        after = _offset_s(info, day)
        while after != offsets[-1]:
            starts.append(_change(info, day - _DAY_S if starts[-1] < day - _DAY_S else starts[-1], day, offsets[-1]))
            offsets.append(_offset_s(info, starts[-1]))
    return Offsets(tuple(t * _MS for t in starts), tuple(s * _MS for s in offsets), _T1 * _MS)


def _zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError, handled below
        raise ZoneError("zone", f"{zone!r} is not a time zone name such as Europe/Rome") from error
    except KeyError as error:
        reason = f"{zone!r} is unknown: check the name; where the system has no zones, install the package tzdata"
        raise ZoneError("zone", reason) from error


def _offset_s(info: ZoneInfo, t_s: int) -> int:
    delta = datetime.fromtimestamp(t_s, info).utcoffset()
    return (delta or timedelta(0)) // timedelta(seconds=1)


def _change(info: ZoneInfo, before_s: int, after_s: int, offset_s: int) -> int:
    """The first second in (before_s, after_s] with another offset than `offset_s`."""
    while after_s - before_s > 1:
        middle = (before_s + after_s) // 2
        if _offset_s(info, middle) == offset_s:
            before_s = middle
        else:
            after_s = middle
    return after_s
