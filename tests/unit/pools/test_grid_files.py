"""Files of the grid, read strictly: line, column and reason of what cannot be, and the nights of 23 and 25 hours."""

from datetime import date

import pytest
from support.pools import GRID, PRICES, Community, open_community
from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.pools.grid_file import coefficient_columns, energy_rows, price_rows
from tallystick_cloud.pools.service import span_of
from tallystick_protocol.money.zone import offsets_of

HOUR = 3_600_000
ROME = offsets_of("Europe/Rome")
HEAD = "meter,start,injected_wh,withdrawn_wh\n"

BAD_ENERGY = {
    "no header": ("", "line 1.*no column meter, start"),
    "no energy": ("meter,start\n", "no column injected_wh or"),
    "unknown column": (HEAD.replace("meter,", "meter,price,"), "line 1.*unknown.*price"),
    "doubled column": (HEAD.replace("meter,", "meter,meter,"), "line 1.*doubled"),
    "too few cells": (HEAD + "p,2026-01-01T00:00,1\n", "line 2.*another number of columns"),
    "too many cells": (HEAD + "p,2026-01-01T00:00,1,2,3\n", "line 2.*another number of columns"),
    "no meter": (HEAD + ",2026-01-01T00:00,1,\n", "line 2, meter: is empty"),
    "no time": (HEAD + "p,yesterday,1,\n", "line 2, start: 'yesterday' is no time"),
    "off the edge": (HEAD + "p,2026-01-01T00:15,1,\n", "line 2, start.*not on an edge of 60 minutes"),
    "negative": (HEAD + "p,2026-01-01T00:00,-1,\n", "line 2, injected_wh: -1 is not a whole number of Wh"),
    "broken": (HEAD + "p,2026-01-01T00:00,1.5,\n", "line 2, injected_wh: 1.5 is not a whole number of Wh"),
    "absurd": (HEAD + "p,2026-01-01T00:00,,1e13\n", "line 2, withdrawn_wh: 1e13"),
    "no number": (HEAD + "p,2026-01-01T00:00,much,\n", "line 2, injected_wh: 'much' is not a number"),
    "beyond any number": (HEAD + "p,2026-01-01T00:00,1e999999,\n", "line 2, injected_wh: 1e999999"),
    "beyond the zone's years": (HEAD + "p,1999-01-01T00:00,1,\n", "line 2, start: 1999-01-01T00:00 lies before"),
    "beyond them with an offset": (HEAD + "p,2199-01-01T00:00+01:00,1,\n", "line 2, start: 2199.*outside"),
    "a cell without end": (HEAD + "p" * 140_000 + "\n", "line 2: is not CSV"),
    "not finite": (HEAD + "p,2026-01-01T00:00,NaN,\n", "line 2, injected_wh: NaN"),
    "two values": (HEAD + "p,2026-01-01T00:00,1,\np,2026-01-01T00:00,2,\n", "line 3: says 2, line 2 says 1"),
    "hour that is skipped": (HEAD + "p,2026-03-29T02:00,1,\n", "line 2, start.*does not exist"),
    "hour that is twice": (HEAD + "p,2026-10-25T02:00,1,\n", "line 2, start.*twice that night.*write the offset"),
}


@pytest.mark.parametrize("case", BAD_ENERGY)
def test_a_bad_file_is_refused_with_line_and_reason(case: str) -> None:
    text, reason = BAD_ENERGY[case]
    with pytest.raises(BadInput, match=reason):
        energy_rows(text, ROME, HOUR)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("start\n2026-01-01T00:00\n", "no column price"),
        ("start,price\n2026-01-01T00:00,dear\n", "line 2, price: 'dear'"),
        ("start,price\n2026-01-01T00:00,inf\n", "line 2, price: 'inf'"),
        ("start,price\n2026-01-01T00:00,1\n2026-01-01T00:00,2\n", "line 3: says 2, line 2 says 1"),
    ],
)
def test_a_bad_file_of_prices_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        price_rows(text, ROME)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line such as"),
        ("A;1\n", "line 1: is 'A;1'"),
        ("A;one;0,5\n", "line 1"),
        (f"A;{'9' * 5000};0,5\n", "line 1"),
        ("A;0001;1e99999\n", "line 1: has the coefficient"),
        ("A;0001;1,5\n", "line 1: has the coefficient"),
        ("A;0001;0,1234567\n", "line 1: has the coefficient"),
        ("A;0001;half\n", "line 1: has the coefficient"),
        ("A;0001;1\nA;0001;1\n", "line 2: has hour 1 of A a second time"),
        ("A;0001;1\n", "has 1 hours of a meter"),
        ("".join(f"A;{hour};0,999999\n" for hour in range(1, 8761)), "hour 0001: has coefficients that make 0.999999"),
        ("".join(f"A;{hour};1\n" for hour in range(2, 8762)), "meter A: has not every hour"),
    ],
)
def test_a_bad_file_of_coefficients_is_refused(text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        coefficient_columns(text)


def test_kwh_a_semicolon_and_a_mark_at_the_begin_are_read() -> None:
    (one,) = energy_rows("\ufeffmeter;start;injected_kwh\np;2026-01-01T00:00+01:00;1.250\n", ROME, HOUR)
    assert (one.wh, one.start_ms) == (1250, 1_767_222_000_000)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2024-02-29", 24)])
def test_days_of_23_and_25_hours_and_a_leap_day(day: str, hours: int) -> None:
    """All hours of the day, with offsets, are rows of it; nothing of the day after is."""
    cer = open_community()
    span = span_of(cer.versions()[-1].contract, day).period
    assert (span.to_ms - span.from_ms) == hours * HOUR
    cer.books.database.close()


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_every_hour_of_a_long_or_short_day_is_shared_once(day: str, hours: int) -> None:
    cer = open_community()
    span = span_of(cer.versions()[-1].contract, day).period
    wh = {
        "plant-1": (8000, ""),
        "plant-2": (5000, ""),
        "home-1": ("", 2500),
        "shop-1": ("", 4100),
        "home-2": ("", 1900),
    }
    rows, prices = [HEAD.strip()], ["start,price"]
    for start in range(span.from_ms, span.to_ms, HOUR):
        moment = stamp(start)
        rows += [f"{meter},{moment},{injected},{withdrawn}" for meter, (injected, withdrawn) in wh.items()]
        prices.append(f"{moment},100")
    assert cer.upload("\n".join(rows)).new == hours * 5
    cer.prices("\n".join(prices))
    closed = cer.close(day[:7])
    assert len(closed.worked.intervals) == hours
    assert cer.balances()["receivable", "GSE"] == hours * 1_105_000_000
    assert cer.books.audit() == []
    cer.books.database.close()


def stamp(ms: int) -> str:
    hours = ROME.at(ms) // HOUR
    local = ms + ROME.at(ms)
    day, rest = divmod(local, 24 * HOUR)
    return f"{date.fromordinal(day + 719_163)}T{rest // HOUR:02d}:00+0{hours}:00"


BAD_UPLOADS = {
    "a meter that nobody has": (GRID.replace("plant-1", "plant-9"), "line 2, meter: 'plant-9' is no meter of CER"),
    "a quarter of an hour in a pool of hours": (GRID.replace("T00:00", "T00:15"), "not on an edge of 60 minutes"),
}


@pytest.mark.parametrize("case", BAD_UPLOADS)
def test_what_does_not_belong_to_the_pool_is_refused_and_changes_nothing(case: str) -> None:
    cer = open_community()
    text, reason = BAD_UPLOADS[case]
    before = cer.books.dump()
    with pytest.raises(CloudError, match=reason):
        cer.upload(text)
    assert cer.books.dump() == before
    cer.books.database.close()


def test_prices_that_differ_are_corrections_too() -> None:
    cer = open_community()
    cer.prices()
    with pytest.raises(CloudError, match="line 2 says 160, 100 is stored"):
        cer.prices(PRICES.replace(",100", ",160"))
    assert cer.prices(PRICES.replace(",100", ",160"), "the market corrected it").corrected == 1
    cer.upload()
    cer.close()
    assert cer.balances()["receivable", "GSE"] == 8_500 * 110_000
    cer.books.database.close()


@pytest.mark.parametrize("text", ["", "2026-13", "20260101", "2026-01-01-01", "soon", "0000", "9999", "9" * 5000])
def test_a_period_that_is_none_is_refused(text: str) -> None:
    cer = open_community()
    with pytest.raises(BadInput, match="write YYYY"):
        span_of(cer.versions()[-1].contract, text)
    cer.books.database.close()


def test_only_the_contracts_own_periods_are_closed() -> None:
    cer: Community = open_community()
    cer.upload()
    cer.prices()
    with pytest.raises(CloudError, match="is not a month"):
        cer.close("2026-01-01")
    cer.now_ms = 1_767_222_000_000 + HOUR
    with pytest.raises(CloudError, match="close it when it is over"):
        cer.close("2026-01")
    cer.books.database.close()
