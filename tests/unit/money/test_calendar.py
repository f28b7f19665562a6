"""Periods, bands and edges in local time, across the nights when clocks change."""

from datetime import UTC, datetime

import pytest
from support.money import CHAIN, HOUR, contract, energy, flat, interval, price
from tallystick_protocol.errors import BadValue
from tallystick_protocol.money.calendar import Period, band_of, cheapest_band, edges, period_of, use_period
from tallystick_protocol.money.contract import RatingPeriod, Terms
from tallystick_protocol.money.errors import ZoneError
from tallystick_protocol.money.plan import Plan
from tallystick_protocol.money.rating import rate
from tallystick_protocol.money.tariff import Band, Window
from tallystick_protocol.money.zone import Offsets, offsets_of


def utc(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1000


def terms(kind: str) -> Terms:
    return Terms(rating_period=RatingPeriod(kind))


@pytest.mark.parametrize(
    ("kind", "at", "begin", "end"),
    [
        ("day", "2026-03-29T12:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("day", "2026-10-25T01:30", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        ("week", "2026-11-22T10:00", "2026-11-16T00:00+01:00", "2026-11-23T00:00+01:00"),
        ("month", "2026-10-31T22:59", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("month", "2026-10-31T23:00", "2026-11-01T00:00+01:00", "2026-12-01T00:00+01:00"),
        ("month", "2026-12-31T23:30", "2027-01-01T00:00+01:00", "2027-02-01T00:00+01:00"),
        ("quarter", "2026-11-22T10:00", "2026-10-01T00:00+02:00", "2027-01-01T00:00+01:00"),
        ("year", "2026-11-22T10:00", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ],
)
def test_periods_end_at_local_midnight(kind: str, at: str, begin: str, end: str) -> None:
    assert period_of(contract(terms=terms(kind)), utc(at)) == Period(utc(begin), utc(end))


def test_a_use_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    midnight = utc("2026-11-01T00:00+01:00")
    assert use_period(contract(), midnight).to_ms == midnight
    assert use_period(contract(), midnight + 1).from_ms == midnight


@pytest.mark.parametrize("zone", ["America/Havana", "America/Asuncion", "Asia/Beirut", "Africa/Casablanca", "UTC"])
def test_days_follow_each_other_without_hole_or_overlap(zone: str) -> None:
    version = contract(zone=zone, terms=terms("day"))
    period = period_of(version, utc("2010-01-01T12:00"))
    for _ in range(800):
        after = period_of(version, period.to_ms)
        assert after.from_ms == period.to_ms
        assert 22 * HOUR <= after.to_ms - after.from_ms <= 26 * HOUR
        assert period_of(version, after.to_ms - 1) == after
        period = after


def night_tariff() -> Band:
    return Band("early", (price("0.10"),), windows=(Window(127, 120, 180),))


def test_both_half_past_two_belong_to_the_band_of_half_past_two() -> None:
    version = contract(energy(night_tariff(), flat("0.40", "rest")))
    for at in ("2026-10-25T00:30", "2026-10-25T01:30"):
        assert band_of(version, utc(at)).name == "early"
    for at in ("2026-10-24T23:59", "2026-10-25T02:00"):
        assert band_of(version, utc(at)).name == "rest"
    rated = rate(
        [version], CHAIN, [interval(n, n + 1000, utc("2026-10-25T00:00") + n * 3600) for n in (0, 1000, 2000)], {}
    )
    assert [r.band for r in rated] == ["early", "early", "rest"]


def test_band_edges_of_the_night_with_25_hours_and_with_23() -> None:
    version = contract(energy(night_tariff(), flat("0.40", "rest")), effective_from_ms=utc("2026-01-01T00:00"))
    day = 24 * HOUR
    autumn = edges([version], utc("2026-10-24T22:01"), utc("2026-10-25T22:59"), day)
    assert [t for t in autumn if t % day] == [utc("2026-10-25T02:00")]
    assert utc("2026-10-25T00:00") in autumn
    spring = edges([version], utc("2026-03-28T23:01"), utc("2026-03-29T21:59"), day)
    assert [t for t in spring if t % day] == []  # at 01:00 UTC 02:00 became 03:00: the band never came


def test_edges_are_intervals_versions_periods_and_bands() -> None:
    change = utc("2026-11-30T10:07")
    windows = (Window(127, 480, 1145),)
    old = contract(energy(Band("day", (price("0.40"),), windows=windows), flat("0.20", "night")))
    new = contract(version=2, prev=CHAIN, effective_from_ms=change, terms=Terms(interval_ms=12 * HOUR))
    found = edges([old, new], utc("2026-11-30T09:50"), utc("2026-12-01T00:10"))
    assert found == [
        utc("2026-11-30T10:00"),
        change,
        utc("2026-11-30T12:00"),
        utc("2026-11-30T23:00"),
        utc("2026-12-01T00:00"),
    ]
    assert utc("2026-11-29T18:05") in edges([old, new], utc("2026-11-29T17:50"), utc("2026-11-29T18:20"))


def test_the_table_of_a_week_says_what_the_windows_say() -> None:
    windows = (Window(0b0011111, 480, 1140), Window(0b0100000, 0, 1440))
    late = Band("late", (price("0.30"),), windows=(Window(127, 1100, 1440),))
    version = contract(energy(Band("day", (price("0.40"),), windows=windows), late, flat("0.20", "night")))
    plan = Plan(version, CHAIN)
    for minute in range(0, 14 * 24 * 60, 7):
        at = utc("2026-03-20T00:00") + minute * 60_000
        assert plan.names[plan.band(interval(0, 1, at))] == band_of(version, at).name


def test_the_cheapest_band_is_the_first_with_the_lowest_price() -> None:
    assert cheapest_band(energy(flat("0.30", "a", windows=(Window(1, 0, 5),)), flat("0.30", "b"))).name == "a"


def test_a_settlement_can_record_the_offsets_and_a_verifier_use_them() -> None:
    table = offsets_of("Europe/Rome")
    begin, end = utc("2026-10-01T00:00"), utc("2026-12-01T00:00")
    rows = table.rows(begin, end)
    assert rows == [(begin, 7200), (utc("2026-10-25T01:00"), 3600)]
    back = Offsets.from_rows(rows, end)
    assert period_of(contract(terms=terms("day")), utc("2026-10-25T12:00"), back) == period_of(
        contract(terms=terms("day")), utc("2026-10-25T12:00")
    )


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ZoneError, match="zone: "):
        offsets_of(zone)


def test_years_without_zone_rules_are_refused() -> None:
    with pytest.raises(ZoneError, match=r"2000\.\.2099"):
        period_of(contract(), utc("1999-12-31T23:59"))


def test_a_window_over_midnight_is_refused() -> None:
    with pytest.raises(BadValue, match="two windows"):
        Window(1, 1200, 300)


@pytest.mark.parametrize("zone", ["Europe/Rome", "Pacific/Apia", "America/St_Johns", "UTC", "Pacific/Kiritimati"])
def test_the_first_moment_of_a_local_time_is_found_wherever_it_lies(zone: str) -> None:
    """Beside a search from the first row of the table; Apia left out a whole day at the end of 2011."""
    table = offsets_of(zone)

    def from_the_start(local_ms: int) -> int:
        ends = (*table.starts_ms[1:], table.end_ms)
        for start, end, offset in zip(table.starts_ms, ends, table.offsets_ms, strict=True):
            if local_ms - offset < end:
                return max(local_ms - offset, start)
        raise AssertionError(local_ms)

    for change in (*table.starts_ms[1:], utc("2011-12-30T10:00"), utc("2026-11-29T00:00")):
        for offset in {*table.offsets_ms, 0}:
            for minutes in range(-26 * 60, 26 * 60, 45):
                local_ms = change + offset + minutes * 60_000
                assert table.first_at(local_ms) == from_the_start(local_ms)
