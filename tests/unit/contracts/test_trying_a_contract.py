"""Trying a contract: templates that fit together, uses of a table or of the books priced as they would be booked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, select
from support.books import DAY, T0, WASHES
from support.settled import two_months
from tallystick_cloud import schema
from tallystick_cloud.cli import main
from tallystick_cloud.commands.contract_try import People
from tallystick_cloud.contracts import diff, library, simulate, uses_file, words
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.ledger.reading import uses_of_assets
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.contract_toml import load_contract

EURO = 10**9
HEADER = "asset,start,end,amount,programme,user"


def contract_of(name: str, people: People | None = None) -> Contract:
    return load_contract(library.template(name), People() if people is None else people)


def tried(name: str, rows: Sequence[str], header: str = HEADER, payer: str = "Household 1") -> simulate.Simulation:
    people = People()
    contract = contract_of(name, people)
    payers = {one.asset: people[payer] for one in contract.assets}
    text = "\n".join([header, *rows])
    return simulate.simulate(contract, uses_file.usages_of(text, contract, people, payers))


@pytest.mark.parametrize("name", library.names())
def test_every_template_fits_together_and_says_what_it_is_for(name: str) -> None:
    assert contract_of(name).state.value == "shadow"
    assert library.about(name)


def test_a_laundry_has_its_monthly_minimum_and_pays_the_workshop_first() -> None:
    row = "washer-1,2027-01-0{0}T08:00,2027-01-0{0}T09:00,1,60,Household {1}"
    found = tried("laundry", [row.format(day, 1) for day in range(1, 10)] + [row.format(9, 2)])
    assert [(one.uses, one.fee, one.minimum) for one in sorted(found.payers, key=lambda one: -one.uses)] == [
        (9, 17_550_000_000, 0),
        (1, 15_990_000_000, 14_040_000_000),
    ]
    assert sum(nano for _, nano in found.shares) == found.fee
    assert dict(found.shares)[People()["Repair workshop"]] == 10 * 150_000_000


def test_a_milk_robots_bank_is_repaid_in_the_middle_of_a_use() -> None:
    """EUR 120,000 at 60 % of 85 % of 1.8 ct: reached by the milking that passes it, and not a nano more."""
    rows = [f"milk-robot,202{7 + n}-01-01,202{7 + n}-12-31,9000000,," for n in range(2)]
    found = tried("milk-robot", rows)
    shares = {People()[name]: name for name in ("Bank", "Maker", "Robot owner")}
    by_name = {shares[party]: nano for party, nano in found.shares}
    assert by_name["Bank"] == 120_000 * EURO
    assert sum(by_name.values()) == found.fee == 2 * (100_000 * 21 + 8_900_000 * 18) * EURO // 1000


def test_a_charging_session_is_rounded_up_to_steps_and_has_a_least_price() -> None:
    found = tried("ev-charging", ["charger-1,2027-01-01T08:00,2027-01-01T09:00,12.345,,"], payer="Driver 1")
    assert found.fee == 500_000_000 + 124 * 49_000_000
    least = tried("ev-charging", ["charger-1,2027-01-01T08:00,2027-01-01T09:00,0.2,,"], payer="Driver 1")
    assert least.fee == EURO


def test_a_street_lights_operator_gets_no_more_than_the_cap_of_a_month() -> None:
    rows = [f"street-7,2027-01-{day:02d}T17:00,2027-01-{day:02d}T23:00,12000,," for day in range(1, 29)]
    found = tried("street-light", rows, payer="City")
    by_name = {name: dict(found.shares)[People()[name]] for name in ("Light operator", "City savings fund")}
    assert found.fee == 28 * 12_000 * 38_000_000
    left = found.fee * 85 // 100
    assert by_name["Light operator"] == left - left // 5
    rows += [f"street-7,2027-01-{day:02d}T00:00,2027-01-{day:02d}T06:00,12000,," for day in range(1, 29)]
    more = dict(tried("street-light", rows, payer="City").shares)
    assert more[People()["Light operator"]] == 9_000 * EURO
    assert more[People()["City savings fund"]] > 0


def test_waste_is_charged_in_whole_bins_and_a_year_at_least_the_minimum() -> None:
    assert tried("waste", ["bin-1,2027-02-01T07:00,2027-02-01T07:01,90,,"]).fee == 28_800_000_000
    rows = [f"bin-1,2027-{month:02d}-01T07:00,2027-{month:02d}-01T07:01,120,," for month in range(1, 7)]
    assert tried("waste", rows).fee == 6 * 120 * 120_000_000


def test_a_citys_customers_of_a_year_make_the_sum_of_the_published_table() -> None:
    """iCity D7.2, table 12: 130,000 a year."""
    members = {"city": 4, "company": 4, "social": 2, "sme": 5, "corporate": 5, "developer": 15}
    rows = [
        f"platform,2027-01-01,2027-12-30,1,{kind},{kind} {n}" for kind, count in members.items() for n in range(count)
    ]
    assert tried("city-fees", rows, payer="Customer").fee == 130_000 * EURO


BAD = {
    "asset,start,end": "line 1: has no column amount",
    "asset,start,end,amount,colour": "line 1: has the unknown column colour",
    f"{HEADER}\nwasher-9,2027-01-01,2027-01-02,1,,": "line 2, asset: 'washer-9' is not under this contract",
    f"{HEADER}\nwasher-1,yesterday,2027-01-02,1,,": "line 2, start: 'yesterday' is no time",
    f"{HEADER}\nwasher-1,2027-01-02,2027-01-01,1,,": "line 2, end: is before the start",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,one,,": "line 2, amount: 'one' is not a number",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,1.5,,": "line 2, amount: 1.5 cycle is not a whole number",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,-1,,": "line 2, amount: -1 cycle is below 0",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,NaN,,": "line 2, amount: 'NaN' is not a number",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,1e999999999,,": "line 2, amount: 1e999999999 cycle is not a whole",
    f"{HEADER}\nwasher-1,1013-01-01,2027-01-02,1,,": "line 2, start: 1013-01-01 lies before the year 2000",
    f"{HEADER}\nwasher-1,2027-01-01,4027-01-02T00:00Z,1,,": "line 2, end: 4027-01-02T00:00Z 64",
    f"{HEADER}\nwasher-1,2027-01-01,2028-01-03,1,,": "line 2, end: is more than 366 days after the start",
    f"{HEADER}\nwasher-1\r,2027-01-01,2027-01-02,1,,": "line 2: is not CSV: new-line character",
    f"{HEADER}\nwasher-1,2027-01-01": "line 2: has another number of columns",
    f"{HEADER}\nwasher-1,2027-01-01,2027-01-02,1,,,more": "line 2: has another number of columns",
}


@pytest.mark.parametrize("text", BAD, ids=BAD.values())
def test_a_bad_table_of_uses_is_refused_by_line_and_column(text: str) -> None:
    contract = contract_of("laundry")
    with pytest.raises(BadInput) as caught:
        uses_file.usages_of(text, contract, {}, dict.fromkeys(("washer-1", "washer-2"), PartyId(bytes(16))))
    assert BAD[text] in str(caught.value)


def test_rows_of_a_meter_may_not_overlap() -> None:
    rows = ["street-7,2027-01-01T17:00,2027-01-01T19:00,120,,", "street-7,2027-01-01T18:00,2027-01-01T20:00,120,,"]
    with pytest.raises(BadInput, match="line 3, start: is before the end of another row"):
        tried("street-light", rows, payer="City")


def test_uses_of_the_books_are_priced_as_they_were_booked() -> None:
    world = two_months()

    def read(conn: Connection) -> tuple[int, simulate.Simulation]:
        people = People({name: PartyId(party) for name, party in world.ids.items()})
        contract = load_contract(WASHES, people)
        uses = uses_of_assets(conn, world.community, [("washer", "cycles")], 0, T0 + 90 * DAY)
        use = schema.standing
        booked = select(func.sum(use.c.fee)).where(use.c.asset == "washer")
        return int(conn.execute(booked).scalar_one()), simulate.simulate(contract, uses)

    booked, found = world.books.database.read_now(read)
    assert found.fee == booked > 0
    assert found.payers[0].payer == world.ids["Anna"]
    world.books.database.close()


def test_the_command_prices_a_table_beside_the_old_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "template", "laundry"]) == 0
    (tmp_path / "laundry.toml").write_text(capsys.readouterr().out)
    (tmp_path / "uses.csv").write_text(
        f"{HEADER}\nwasher-1,2027-01-01T08:00,2027-01-01T09:00,1,60,\nwasher-2,2027-01-01T08:00,2027-01-01T09:00,1,x,\n"
    )
    (tmp_path / "bill.csv").write_text("user,amount\nHousehold 1,18.95\nHousehold 7,3\n")
    words = ["contract", "simulate", str(tmp_path / "laundry.toml"), "--uses", str(tmp_path / "uses.csv")]
    assert main([*words, "--bill", str(tmp_path / "bill.csv")]) == 0
    text = capsys.readouterr().out
    assert "15.99  Household 1 (1 use, 14.04 of it minimum); old bill 18.95, difference -2.96" in text
    assert "not priced: 1 use, because programme 'x' has no price" in text
    assert "on the old bill only: Household 7" in text
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fee_nano"] == str(
        2 * 15_990_000_000
    )  # who washed for nothing owes it too


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,amount\n", "bill, line 1: must be: user,amount"),
        ("user,amount\nAnna,many", "bill, line 2: 'many' is no amount"),
        ("user,amount\nAnna,0.0000000001", "bill, line 2: '0.0000000001' is no amount"),
        ("user,amount\nAnna,Infinity", "bill, line 2: 'Infinity' is no amount"),
        ("user,amount\nBob,1", "bill, line 2: 'Bob' is neither"),
        ("user,amount\nAnna,1,2", "bill, line 2: has 3 columns"),
        ("user,amount\n" + 200_000 * "x", "bill, line 2: is not CSV"),
        ("", "bill, line 1: must be: user,amount"),
    ],
)
def test_a_bad_bill_is_refused_by_line(text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        simulate.old_bill(text, {"Anna": PartyId(bytes(16))})
    assert words in str(caught.value)


def test_an_old_bill_is_read_as_spreadsheets_write_it() -> None:
    names = {"Anna": PartyId(bytes(16)), "Rossi, Bea": PartyId(bytes([1] * 16))}
    expected = {names["Anna"]: 18_950_000_000, names["Rossi, Bea"]: -500_000_000}
    for text in (
        'user,amount\nAnna,18\n"Rossi, Bea",-0.50\n\nAnna,0.95\n',  # two lines of one user, and a credit
        "\ufeffuser;amount\r\nAnna;18,95\r\nRossi, Bea;-0,5\r\n",
    ):
        assert simulate.old_bill(text, names) == expected
    with pytest.raises(BadInput, match=r"'1\.000,50' is no amount"):
        simulate.old_bill("user;amount\nAnna;1.000,50", names)


def test_uses_with_semicolons_and_a_mark_before_them_are_read_alike() -> None:
    contract, payers = contract_of("ev-charging"), {"charger-1": PartyId(bytes(16))}
    row = "charger-1,2027-01-01T08:00,2027-01-01T09:00,12.345"
    plain = uses_file.usages_of(f"asset,start,end,amount\n{row}", contract, {}, payers)
    other = f"\ufeffasset;start;end;amount\n{row.replace(',', ';').replace('.', ',')}"
    assert uses_file.usages_of(other, contract, {}, payers) == plain


def test_a_minimum_is_owed_by_who_used_nothing_and_for_a_month_without_a_use() -> None:
    """As the books have it: `period close` asks everybody the contract names, for every period."""
    people = People()
    contract = contract_of("laundry", people)
    both = [people["Household 1"], people["Household 2"]]
    payers = dict.fromkeys(("washer-1", "washer-2"), both[0])
    row = "washer-1,2027-0{0}-15T08:00,2027-0{0}-15T09:00,1,60,"
    uses = uses_file.usages_of("\n".join([HEADER, row.format(1), row.format(3)]), contract, people, payers)
    found = simulate.simulate(contract, uses, both)
    assert {one.payer: (one.uses, one.fee) for one in found.payers} == {
        both[0]: (2, 3 * 15_990_000_000),
        both[1]: (0, 3 * 15_990_000_000),
    }
    with pytest.raises(BadInput, match=r"reach over \d+ periods"):  # a century, for a town
        simulate.simulate(
            contract, [], [PartyId(n.to_bytes(16)) for n in range(1000)], (978_307_200_000, 4_070_908_800_000)
        )
    may = (1_809_640_800_000, 1_809_727_200_000)  # a day of May in Rome
    assert simulate.simulate(contract, [], both, may).fee == 2 * 15_990_000_000


def test_a_standing_charge_is_owed_for_every_month_and_repays_the_loan_too() -> None:
    people = People()
    contract = contract_of("electricity", people)
    both = [people["Household 1"], people["Household 2"]]
    rows = "\n".join(
        [HEADER, "flat-1,2027-01-15T21:00,2027-01-15T22:00,2.5,,", "flat-1,2027-02-15T21:00,2027-02-15T22:00,1,,"]
    )
    uses = uses_file.usages_of(rows, contract, people, dict(zip(("flat-1", "flat-2"), both, strict=True)))
    found = simulate.simulate(contract, uses, both)
    assert {one.payer: (one.uses, one.fee, one.standing) for one in found.payers} == {
        both[0]: (8, 13_240_000_000, 12_400_000_000),
        both[1]: (0, 12_400_000_000, 12_400_000_000),
    }
    assert dict(found.shares)[people["Lender"]] == 2_564_000_000
    assert words.each_period(contract, Wording("en", ZoneInfo("Europe/Rome"))) == "EUR 6.20 a month"
    assert words.each_period(contract_of("laundry"), Wording("en", ZoneInfo("Europe/Rome"))) == ""
    assert ("standing charge of the period", 4, 24_800_000_000) in found.by_band


def test_a_new_version_is_told_in_words_and_an_equal_one_has_no_difference() -> None:
    old, w = contract_of("laundry"), Wording("en", ZoneInfo("Europe/Rome"))
    assert diff.differences(old, contract_of("laundry"), w) == ()
    text = library.template("laundry").replace("price = 1.25", "price = 1.35").replace('"40 %"', '"35 %"')
    text = text.replace("minimum = 15.99", "cap = 40").replace('role = "servicer"', 'role = "supplier"')
    changes = diff.differences(old, load_contract(text, People()), w)
    assert [(one.about, one.before, one.after) for one in changes] == [
        ("party Repair workshop", "servicer", "supplier"),
        ("price of gentle (programme 30, 40)", "EUR 1.25 per cycle", "EUR 1.35 per cycle"),
        ("A month costs at most", None, "EUR 40.00"),
        (
            "split, step 2",
            "Lender: 40 % of what is left, at most EUR 600.00 in all",
            "Lender: 35 % of what is left, at most EUR 600.00 in all",
        ),
        ("A month costs at least", "EUR 15.99", None),
    ]


ALL_OF_IT = {
    "time zone": ('"Europe/Rome"', '"Europe/Berlin"'),
    "unit": ('unit = "EUR"', 'unit = "CHF"'),
    "community": ('"my-community"', '"other"'),
    "decision": ("collector =", 'decision_ref = "minutes"\ncollector ='),
    "Changes need": ("collector =", 'change_rule = "majority"\ncollector ='),
    "in force until": ("collector =", "effective_to = 2028-01-01\ncollector ="),
    "asset washer-2": (
        'washer-2"\nquantity = "cycles"\nuser = "Household 2"',
        'washer-2"\nquantity = "cycles"\nuser = "Household 1"',
    ),
    "Standing charge of a month": ("minimum = 15.99", "minimum = 15.99\nstanding_charge = 3"),
    "quantities are rounded up to": ("minimum = 15.99", "minimum = 15.99\nstep = 2"),
    "split, step 2, counted as": ("loan for the machines", "another loan"),
    "interval": ("[terms]", '[terms]\ninterval = "1 h"'),
    "a hole is": ("[terms]", '[terms]\nmax_gap = "3 h"'),
    "readings without a time": ("[terms]", '[terms]\nunknown_time_days = 3'),
    "payouts are released by": ("[terms]", '[terms]\npayout_approval = "other-party"'),
    "Paid out from": ("[terms]", "[terms]\npayout_threshold = 11"),
    "notice, kept": ("3650 d", "365 d"),
    "order of the parties": (
        'name = "Lender"\nrole = "financier"\n\n[[party]]\nname = "Repair workshop"\nrole = "servicer"',
        'name = "Repair workshop"\nrole = "servicer"\n\n[[party]]\nname = "Lender"\nrole = "financier"',
    ),
    "form of uses": ('form = "event"', 'form = "interval"'),
}  # fmt: skip
"""What a version changes -> the edit of the laundry's file that does so."""


@pytest.mark.parametrize("about", ALL_OF_IT)
def test_nothing_that_is_signed_changes_without_a_word(
    about: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = ALL_OF_IT[about]
    text = library.template("laundry")
    if about == "form of uses":
        text = text.replace('programmes = ["30", "40"]', 'windows = ["08:00-20:00"]').replace(
            'programmes = ["60", "90"]\n', ""
        )
        text = text.replace("fixed = 0.15", 'portion = "10 %"')
    assert text.count(before), before
    changed = text.replace(before, after)
    if "Household 2" in before:
        changed = changed.replace('[[user]]\nname = "Household 2"\n', "")
    (tmp_path / "old.toml").write_text(text)
    (tmp_path / "new.toml").write_text(changed)
    assert main(["contract", "diff", str(tmp_path / "old.toml"), str(tmp_path / "new.toml"), "--json"]) == 0
    assert about in {one["about"] for one in json.loads(capsys.readouterr().out)}


def test_what_has_no_words_is_still_said(monkeypatch: pytest.MonkeyPatch) -> None:
    old, w = contract_of("laundry"), Wording("en", ZoneInfo("Europe/Rome"))
    new = load_contract(library.template("laundry").replace("price = 1.25", "price = 1.35"), People())
    monkeypatch.setattr(diff, "_prices", lambda contract, w: {})
    (change,) = diff.differences(old, new, w)
    assert (change.about, change.before != change.after) == ("something else that is signed", True)
