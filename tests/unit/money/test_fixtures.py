"""Figures that others published, and cases of the plan, to the cent: contract file and uses in, balances out."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from support.played import EURO, Played
from support.repository import ROOT
from tallystick_cloud import schema
from tallystick_cloud.contracts import library

FIXTURES = ROOT / "tests" / "fixtures"
ICITY: dict[str, Any] = json.loads((FIXTURES / "icity_d72_fees.json").read_text())
TRENTO: dict[str, Any] = json.loads((FIXTURES / "waste_trento.json").read_text())
LATER = "2027-12-31T12:00"


def file(name: str) -> str:
    return (FIXTURES / "contracts" / f"{name}.toml").read_text()


def customers(asset: str, segment: str, programme: str, count: int, units: int) -> list[str]:
    """One use of `units` for each customer of a segment; none costs nothing when there is nobody."""
    days = [date(2027, 1, 2) + timedelta(days=n) for n in range(count)]
    return [f"{asset}-{segment},{day},{day},{units},{programme},{segment}" for day in days]


def paid_out(played: Played, total: int) -> None:
    """The city has a tenth, the platform the rest, and all of it is owed by somebody."""
    assert sum(played.owes().values()) == total * EURO
    assert played.gets() == {"City": total * EURO // 10, "Platform": total * EURO * 9 // 10}
    played.end()


def test_icity_table_6_integration_938_000_once_and_54_660_a_year() -> None:
    told, played, rows = ICITY["T6_infrastructure_integration"], Played(file("icity-6")), []
    for segment, said in told["segments"].items():
        for row, (count, units, _) in said["rows"].items():
            for when in ("once", "yearly"):
                rows += customers("platform", segment, f"{segment} {row} {when}", count, units)
    played.uses(rows, LATER)
    fees = played.fees()
    for segment, said in told["segments"].items():
        for when, key in (("once", "rows_one_shot"), ("yearly", "rows_annual")):
            assert [fees[f"{segment} {row} {when}"] for row in said["rows"]] == [e * EURO for e in said["expect"][key]]
        assert played.owes()[segment] == (said["expect"]["one_shot"] + said["expect"]["annual"]) * EURO
    for when, key in (("once", "one_shot"), ("yearly", "annual")):
        assert sum(nano for name, nano in fees.items() if name.endswith(when)) == told["expect_total"][key] * EURO
    assert told["expect_total"] == {"one_shot": 938_000, "annual": 54_660}
    paid_out(played, 938_000 + 54_660)


def test_icity_table_7_certification_15_200_once_and_1_200_a_year() -> None:
    told, played, rows = ICITY["T7_certification"], Played(file("icity-7")), []
    for segment, said in told["segments"].items():
        for row, (count, _, _) in said["rows"].items():
            for when in ("once", "yearly"):
                rows += customers("certificate", segment, f"{segment} {row} {when}", count, 1)
    played.uses(rows, LATER)
    fees, owes = played.fees(), played.owes()
    for segment, said in told["segments"].items():
        assert owes[segment] == (said["expect"]["one_shot"] + said["expect"]["annual"]) * EURO
    assert sum(nano for name, nano in fees.items() if name.endswith("once")) == 15_200 * EURO
    assert sum(nano for name, nano in fees.items() if name.endswith("yearly")) == 1_200 * EURO
    paid_out(played, 15_200 + 1_200)


def test_icity_table_8_app_store_60_900_a_year() -> None:
    told, played, rows = ICITY["T8_app_store"], Played(file("icity-8")), []
    for segment, said in told["segments"].items():
        for level, (count, _) in said["rows"].items():
            rows += customers("store", segment, f"{segment} {level}", count, 1)
    assert len(rows) == told["expect_total"]["apps"]
    played.uses(rows, LATER)
    assert played.owes() == {name: said["expect"] * EURO for name, said in told["segments"].items()}
    paid_out(played, 60_900)


def test_icity_table_12_membership_130_000_a_year() -> None:
    told, played, rows = ICITY["T12_annual_fee"], Played(file("icity-12")), []
    for kind, (count, _) in told["rows"].items():
        rows += customers("membership", kind, kind, count, 1)
    assert len(rows) == told["customers_sum"]
    played.uses(rows, LATER)
    paid_out(played, 130_000)


BINS = [(people, 120) for people in TRENTO["min_litres"]] + [("1", 40), ("6+", 40)]


@pytest.mark.parametrize(("people", "bin_l"), BINS)
def test_waste_in_trento_charges_whole_bins_and_the_volume_of_the_household(people: str, bin_l: int) -> None:
    """Once a household that puts out less than its volume, once one that puts out more."""
    least = TRENTO["min_litres"][people]
    assert bin_l in TRENTO["bin_l"]
    assert least == TRENTO["min_bags_by_household"][people] * TRENTO["bag_l"]
    text = file("waste-trento").replace("BIN", str(bin_l)).replace("MINIMUM", f"{least * 871 / 10_000:.4f}")
    for emptied, due_l in ((1, least), (least // bin_l + 2, (least // bin_l + 2) * bin_l)):
        played = Played(text)
        days = [date(2027, 1, 4) + timedelta(days=7 * n) for n in range(emptied)]
        played.uses([f"bin,{day}T07:00,{day}T07:01,{bin_l * 3 // 4},," for day in days], LATER)
        played.close("2027-06-01", "2028-01-01T00:00")
        assert played.owes() == {"Household": due_l * 87_100_000}
        played.end()


def wash(day: str, programme: str = "60") -> str:
    return f"washer-1,{day}T08:00,{day}T09:00,1,{programme},"


def test_a_laundry_with_a_monthly_minimum_costs_15_99_also_when_three_uses_come_late() -> None:
    """Priced in the month in which they came they would cost 15.99 + 3.00, not 15.99."""
    played = Played(library.template("laundry"))
    played.uses([wash("2027-01-05"), wash("2027-01-12")], "2027-01-31T12:00")
    played.close("2027-01-15", "2027-02-01T00:00")
    assert played.owes()["Household 1"] == 15_990_000_000
    played.uses([wash(f"2027-01-{day}", "30") for day in (20, 21, 22)], "2027-02-10T12:00")
    assert played.owes()["Household 1"] == 15_990_000_000
    assert played.gets()["Repair workshop"] == 5 * 150_000_000
    corrections = [row for row in played.books.rows(schema.journal) if row["cause"] == "correction"]
    assert len(corrections) == 1  # that of the minimum, which is now smaller
    played.uses([wash(f"2027-01-{day}") for day in (23, 24, 25, 26, 27)], "2027-02-11T12:00")
    assert played.owes()["Household 1"] == 7 * 1_950_000_000 + 3 * 1_250_000_000
    played.end()


def test_a_milk_robots_lender_is_repaid_in_the_middle_of_a_milking() -> None:
    """EUR 1,500 at 60 % of 85 % of the price: the milking that passes it pays the bank a part, the next nothing."""
    text = library.template("milk-robot").replace("cap = 120000.00", "cap = 1500.00")
    played = Played(text)
    day = date(2027, 1, 2)
    days = [day + timedelta(n) for n in range(16)]
    rows = [f"milk-robot,{one}T05:00,{one}T06:00,12345.678,," for one in days]
    before, in_the_middle = 0, 0
    for count, row in enumerate(rows, 1):
        played.uses([row], "2027-02-01T12:00")
        got = played.gets()["Bank"] - before
        before += got
        milli = 12_345_678
        fee = _milk(count * milli) - _milk((count - 1) * milli)
        left = fee - fee * 15 // 100
        assert got == min(left * 60 // 100, 1500 * EURO - (before - got))
        in_the_middle += 0 < got < left * 60 // 100
    assert in_the_middle == 1
    assert before == 1500 * EURO
    assert sum(played.gets().values()) == sum(played.owes().values()) == _milk(16 * 12_345_678)
    played.end()


def _milk(millilitres: int) -> int:
    low = min(millilitres, 100_000_000)
    return low * 21_000 + (millilitres - low) * 18_000


def test_street_lights_share_what_is_saved_up_to_a_cap() -> None:
    """45 % (Guidonia) of Padua's bill of EUR 1,449,034: 652,065.30 are saved, the company has 450,000 of it."""
    saved = 1_449_034_00 * 45 // 100
    months = [saved // 12] * 11 + [saved - saved // 12 * 11]
    rows = [
        f"lights,2027-{n:02d}-01,2027-{n:02d}-28,{cents // 100}.{cents % 100:02d},,"
        for n, cents in enumerate(months, 1)
    ]
    played = Played(file("street-light-savings"))
    played.uses(rows[:10], LATER)
    assert played.gets()["Company"] == 10 * (months[0] * 10**7 * 4 // 5)
    played.uses(rows[10:], LATER)
    assert played.gets() == {"Company": 450_000 * EURO, "City": 202_065_300_000_000}
    played.end()


def test_a_charging_session_is_billed_in_whole_steps_with_a_start_fee_and_a_least_price() -> None:
    """As with step_size of OCPI: 12.345 kWh are 124 steps of 0.1 kWh."""
    played = Played(library.template("ev-charging"))
    rows = [
        f"charger-1,2027-01-0{n}T08:00,2027-01-0{n}T09:00,{kwh},," for n, kwh in enumerate(("12.345", "12.4", "0.2"), 1)
    ]
    due = 0
    for row, fee in zip(rows, (500_000_000 + 124 * 49_000_000, 500_000_000 + 124 * 49_000_000, EURO), strict=True):
        played.uses([row], "2027-02-01T12:00")
        due += fee
        assert played.owes() == {"Driver 1": due}
    assert played.gets()["Site"] == due // 10
    played.end()


HOUSE = (
    (ROOT / "docs" / "examples" / "house-meter.toml")
    .read_text()
    .replace('quota = "10 kWh" # free in every month\n', "")
)


@pytest.mark.parametrize(
    ("day", "hours", "bands"),
    [
        ("2027-03-27", 24, {"shoulder": 16, "night": 8}),
        ("2027-03-28", 23, {"night": 23}),  # a Sunday of 23 hours
        ("2027-10-31", 25, {"night": 25}),  # a Sunday of 25 hours
        ("2028-02-29", 24, {"day": 11, "shoulder": 5, "night": 8}),  # a Tuesday that is not there in other years
    ],
)
def test_days_of_23_and_25_hours_and_the_leap_day(day: str, hours: int, bands: dict[str, int]) -> None:
    """A kilowatt from midnight to midnight, in slices that the bands cut."""
    prices = {"day": 312_000_000, "shoulder": 278_000_000, "night": 221_000_000}
    after = date.fromisoformat(day) + timedelta(days=1)
    played = Played(HOUSE)
    played.uses([f"house,{day},{after},{hours},,"], f"{after}T12:00")
    assert sum(bands.values()) == hours
    assert played.owes() == {"Flat share, top floor": sum(prices[name] * count for name, count in bands.items())}
    assert len(played.books.rows(schema.use)) == hours * 4
    played.end()


def test_february_of_a_leap_year_is_one_rating_period_with_its_29th_day() -> None:
    text = library.template("laundry")
    played = Played(text)
    played.close("2028-01-10", "2028-02-01T00:00")
    before = played.owes()["Household 1"]
    assert before % 15_990_000_000 == 0  # the minimum of each month since it was agreed
    played.uses([wash("2028-02-29")], "2028-02-29T20:00")
    played.close("2028-02-10", "2028-03-01T00:00")
    assert played.owes()["Household 1"] - before == 15_990_000_000  # the wash of the 29th is part of it
    played.end()
