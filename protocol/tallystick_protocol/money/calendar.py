"""Local time of a contract: which rating period and which band a moment lies in, and at which moments slices are cut.
It never asks what time it is and works on UTC offsets alone; both 02:30 of an autumn night lie in the band of 02:30."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from tallystick_protocol.money.contract import Contract, RatingPeriod, version_at
from tallystick_protocol.money.tariff import MINUTES_PER_DAY, Band, Tariff
from tallystick_protocol.money.zone import Offsets, offsets_of

MINUTE_MS = 60_000
DAY_MS = MINUTES_PER_DAY * MINUTE_MS
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True, slots=True)
class Period:
    """A rating period [from_ms, to_ms) in UTC ms."""

    from_ms: int
    to_ms: int


def period_of(contract: Contract, t_ms: int, offsets: Offsets | None = None) -> Period:
    """The rating period that holds a moment, from local midnight to local midnight of the contract's zone."""
    table = offsets or offsets_of(contract.zone)
    kind = contract.terms.rating_period
    start = _first_day(kind, table.local(t_ms) // DAY_MS)
    end = _next_day(kind, start)
    to_ms = table.first_at(end * DAY_MS)
    while to_ms <= t_ms:  # the zone went back over midnight: the day that was left does not begin again
        start, end = end, _next_day(kind, end)
        to_ms = table.first_at(end * DAY_MS)
    return Period(table.first_at(start * DAY_MS), to_ms)


def use_period(contract: Contract, end_ms: int, offsets: Offsets | None = None) -> Period:
    """The rating period of a use by its metered end: one that ends at midnight belongs to the day before."""
    return period_of(contract, end_ms - 1, offsets)


def days_in(period: Period, until_ms: int, offsets: Offsets) -> int:
    """How many local midnights of a period have passed at a moment, its first one not counted: a day of 23 hours is one
    like any other, and a day that is not over is none."""
    first, day = offsets.local(period.from_ms) // DAY_MS, offsets.local(until_ms) // DAY_MS
    return min(max(day, first), offsets.local(period.to_ms) // DAY_MS) - first


def band_of(contract: Contract, t_ms: int, offsets: Offsets | None = None) -> Band:
    """The band by time at a moment: the first one in contract order whose window holds it, else the rest."""
    local_ms = (offsets or offsets_of(contract.zone)).local(t_ms)
    return _band_at(contract.tariff, local_ms)


def cheapest_band(tariff: Tariff) -> Band:
    """The band with the lowest first price (the first of several), for holes and unknown times."""
    return min(tariff.bands, key=lambda band: band.tiers[0].price.fraction())


def edges(
    versions: Sequence[Contract],
    from_ms: int,
    to_ms: int,
    interval_ms: int | None = None,
    offsets: Offsets | None = None,
) -> list[int]:
    """All moments in [from_ms, to_ms] at which an interval must be cut, rising.

    Multiples of the contract interval in UTC, begins and ends of versions, of rating periods and of bands.
    `interval_ms` overrides the contracts' own.
    """
    found: set[int] = set()
    for version in versions:
        found |= {t for t in (version.effective_from_ms, version.effective_to_ms) if t is not None}
    for low, high, version in _spans(versions, from_ms, to_ms):
        step = interval_ms or version.terms.interval_ms
        found |= set(range(-(-low // step) * step, high + 1, step))
        inner = _period_edges(version, low, high, offsets) | _band_edges(version, low, high, offsets)
        found |= {t for t in inner if low <= t <= high}
    return sorted(t for t in found if from_ms <= t <= to_ms)


def _first_day(kind: RatingPeriod, day: int) -> int:
    """The first local day (days since 1970-01-01) of the period that holds `day`."""
    if kind is RatingPeriod.DAY:
        return day
    if kind is RatingPeriod.WEEK:
        return day - (day + _EPOCH_WEEKDAY) % 7
    d = date.fromordinal(day + _EPOCH_ORDINAL)
    month = {RatingPeriod.MONTH: d.month, RatingPeriod.QUARTER: (d.month - 1) // 3 * 3 + 1, RatingPeriod.YEAR: 1}[kind]
    return date(d.year, month, 1).toordinal() - _EPOCH_ORDINAL


def _next_day(kind: RatingPeriod, start: int) -> int:
    """The first local day of the next period."""
    if kind is RatingPeriod.DAY:
        return start + 1
    if kind is RatingPeriod.WEEK:
        return start + 7
    months = {RatingPeriod.MONTH: 1, RatingPeriod.QUARTER: 3, RatingPeriod.YEAR: 12}[kind]
    d = date.fromordinal(start + _EPOCH_ORDINAL)
    year, month = divmod(d.year * 12 + d.month - 1 + months, 12)
    return date(year, month + 1, 1).toordinal() - _EPOCH_ORDINAL


def _band_at(tariff: Tariff, local_ms: int) -> Band:
    day, rest = divmod(local_ms, DAY_MS)
    weekday, minute = (day + _EPOCH_WEEKDAY) % 7, rest // MINUTE_MS
    for band in tariff.bands:
        for window in band.windows:
            if window.holds(weekday, minute):
                return band
    return next(band for band in tariff.bands if band.is_rest)


def _spans(versions: Sequence[Contract], from_ms: int, to_ms: int) -> list[tuple[int, int, Contract]]:
    """The stretches of [from_ms, to_ms] with the version in force in each."""
    bounds = {from_ms, to_ms}
    for version in versions:
        bounds |= {t for t in (version.effective_from_ms, version.effective_to_ms) if t and from_ms < t < to_ms}
    marks = sorted(bounds)
    spans = []
    for low, high in pairwise(marks):
        version = version_at(versions, low)  # type: ignore[assignment]
        if version is not None:
            spans.append((low, high, version))
    return spans


def _period_edges(contract: Contract, from_ms: int, to_ms: int, offsets: Offsets | None) -> set[int]:
    found = set()
    period = period_of(contract, from_ms, offsets)
    while period.from_ms <= to_ms:
        found.add(period.from_ms)
        period = period_of(contract, period.to_ms, offsets)
    return found


def _band_edges(contract: Contract, from_ms: int, to_ms: int, offsets: Offsets | None) -> set[int]:
    """Moments where the band changes: local window bounds and clock changes, kept where the band really differs."""
    minutes = {m for band in contract.tariff.bands for w in band.windows for m in (w.from_minute, w.to_minute)}
    if not minutes:
        return set()
    table = offsets or offsets_of(contract.zone)
    candidates = set(table.changes(from_ms, to_ms + 1))
    first, last = from_ms - DAY_MS, to_ms + DAY_MS
    for offset in {table.at(first), table.at(last), *(table.at(t) for t in table.changes(first, last))}:
        for day in range((from_ms + offset) // DAY_MS, (to_ms + offset) // DAY_MS + 1):
            candidates |= {day * DAY_MS + minute * MINUTE_MS - offset for minute in minutes}
    return {t for t in candidates if _changes_band(contract.tariff, table, t)}


def _changes_band(tariff: Tariff, table: Offsets, t_ms: int) -> bool:
    return _band_at(tariff, table.local(t_ms - 1)) is not _band_at(tariff, table.local(t_ms))
