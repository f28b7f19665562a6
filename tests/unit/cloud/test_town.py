"""A town file is taken whole or refused with the field's path; a refusal leaves no trace."""

from pathlib import Path

import pytest
from support.books import ENERGY, T0, TOWN, WASHES, Books, open_books
from support.uploads import Randomness
from tallystick_cloud import schema
from tallystick_cloud.commands import site as site_command
from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.town.toml import load_site, load_town


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


ATTIC = """\
version = 1
[site]
id = "attic"
name = "Attic"
[[site.channel]]
number = 1
meter = "m-attic"
asset = "flat"
quantity = "1-0:1.8.0"
unit = "Wh"
form = "interval"
profile = "test"
"""


def test_a_meter_that_comes_after_the_live_price_per_kilowatt_hour_needs_approval_too(tmp_path: Path) -> None:
    def add(books: Books, more: str = "", text: str = ATTIC) -> str:
        (tmp_path / "attic.toml").write_text(text + more)
        site = load_site(tmp_path / "attic.toml")
        return str(books.run(site_command._add, "lindenhof", site, Randomness(site.id), T0))

    books = open_books()
    before = books.dump()
    words = "site 'attic', channel 1, type_approval: is missing; 'Energy' is live and charges 'flat' by energy"
    with pytest.raises(BadInput, match=words):
        add(books)
    with pytest.raises(BadInput, match="channel 1, verified_until_ms: is over; 'Energy' is live"):
        add(books, f'type_approval = "DE-2"\nverified_until_ms = {T0 - 1}\n')
    assert books.dump() == before
    other = ATTIC.replace("1-0:1.8.0", "1-0:2.8.0")  # what no contract prices
    assert add(books, text=other.replace("attic", "loft"))
    assert add(books, f'type_approval = "DE-2"\nverified_until_ms = {T0}\n')
    books.database.close()
    shadow = TOWN.replace('file = "energy.toml"\nstate = "live"', 'file = "energy.toml"\nstate = "shadow"')
    books = open_books(town=shadow)
    assert add(books)
    books.database.close()
