"""A town file is taken whole or refused with the field's path; a refusal leaves no trace."""

from pathlib import Path

import pytest
from support.books import ENERGY, TOWN, WASHES, open_books
from tallystick_cloud import schema
from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.town.toml import load_town


def test_town_becomes_parties_assets_sites_and_live_contracts() -> None:
    books = open_books()
    assert {row["name"] for row in books.rows(schema.party)} == {"Coop", "Repairer", "Bank", "Fund", "Anna", "Ben"}
    assert {row["id"] for row in books.rows(schema.meter)} == {"m-flat", "m-washer"}
    assert [row["state"] for row in books.rows(schema.contract_version)] == ["live", "live"]
    assert len(books.rows(schema.approval)) == 8
    names = {row["id"]: row["name"] for row in books.rows(schema.party)}
    for table in (schema.user_opening, schema.user_acceptance):
        assert sorted(names[row["party"]] for row in books.rows(table)) == ["Anna", "Ben"]
    assert set(books.founded.claims) == {"cellar"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1\n", "version = 2\n", "version: is 2"),
        ("version = 1\n", "", "version: is missing"),
        ('id = "lindenhof"', 'id = "Linden Hof"', "community.id"),
        ('form = "fund"', 'form = "bank"', r"party\[3\].form"),
        ('roles = ["financier"]', 'roles = ["king"]', "'king' is not a role"),
        ('roles = ["financier"]', 'iban = "DE00 1234"', r"party\[2\].iban"),
        ('user = "Anna"', 'user = "Nobody"', "asset washer.user: 'Nobody'"),
        ('asset = "washer"', 'asset = "dishwasher"', "channel 2, asset: 'dishwasher'"),
        ("number = 2", "number = 1", "channel.number: is given twice"),
        ("number = 2", "number = 0", r"site\[0\].channel\[1\].number"),
        ('form = "event"', 'form = "sometimes"', r"site\[0\].channel\[1\].form"),
        ('form = "event"', 'form = "event"\ncolour = "red"', r"colour: is not known"),
        ('name = "Anna"', 'name = "Ben"', "party.name: 'Ben' is given twice"),
        ('state = "live"', 'state = "dead"', r"contract\[0\].state"),
        ("[community]", "[community", "is not TOML"),
        ('unit = "EUR"', "unit = 3", "community.unit: is 3"),
    ],
)
def test_wrong_town_file_is_refused_by_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in TOWN
    (tmp_path / "town.toml").write_text(TOWN.replace(old, new, 1))
    with pytest.raises(BadInput, match=words):
        load_town(tmp_path / "town.toml")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml: cannot be read"):
        load_town(tmp_path / "nowhere.toml")


def test_wrong_contract_names_file_and_line() -> None:
    with pytest.raises(CloudError, match=r"washes\.toml.*line \d+.*Nobody"):
        open_books(contracts={"washes.toml": WASHES.replace('user = "Anna"', 'user = "Nobody"'), "energy.toml": ENERGY})


def test_meter_at_two_sites_is_refused_by_its_name() -> None:
    start, end = TOWN.index("[[site]]"), TOWN.index("[[site.channel]]\nnumber = 2")
    attic = TOWN[start:end].replace('id = "cellar"', 'id = "attic"')
    words = r"site 'attic', channel 1, meter: 'm-flat' is a meter of site 'cellar' already"
    with pytest.raises(CloudError, match=words):
        open_books(town=TOWN.replace("[[contract]]", attic + "[[contract]]", 1))


def test_live_price_per_kilowatt_hour_needs_an_approved_meter() -> None:
    with pytest.raises(CloudError, match="'m-flat' has no type approval"):
        open_books(town=TOWN.replace('type_approval = "DE-1"\n', ""))
    shadow = TOWN.replace('file = "energy.toml"\nstate = "live"', 'file = "energy.toml"\nstate = "shadow"')
    books = open_books(town=shadow.replace('type_approval = "DE-1"\n', ""))
    assert sorted(str(row["state"]) for row in books.rows(schema.contract_version)) == ["live", "shadow"]


def test_meter_past_its_verification_bills_nothing_live() -> None:
    town = TOWN.replace('type_approval = "DE-1"', 'type_approval = "DE-1"\nverified_until_ms = 1000')
    with pytest.raises(CloudError, match="past its verification"):
        open_books(town=town)
