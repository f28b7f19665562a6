"""What an issuer says of itself: read strictly, refused with the field, never guessed."""

import pytest
from support.invoices import SETUP, open_office
from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.invoices.setup import EXAMPLE, NOT_SAID, NOT_SAID_BY_PAYEE, parse
from tallystick_cloud.invoices.tax import Category, Treatment

BARE = 'version = 1\n[issuer]\nparty = "Coop"\nprefix = "LH"\ncountry = "DE"\n'


def test_without_a_rate_there_is_no_tax_and_the_document_says_so() -> None:
    assert parse(BARE, "f").treatment("Washes") == Treatment(Category.OUTSIDE, 0, NOT_SAID)
    registered = parse(BARE + 'tax_number = "21/815/08150"\n', "f")
    assert registered.treatment("Washes") == Treatment(Category.EXEMPT, 0, NOT_SAID)
    assert registered.payee_treatment("Bank") == Treatment(Category.OUTSIDE, 0, NOT_SAID_BY_PAYEE)


def test_a_contract_and_a_payee_may_be_taxed_otherwise() -> None:
    said = parse(SETUP, "f")
    assert said.treatment("Washes") == Treatment(Category.STANDARD, 1900, "")
    assert said.treatment("Energy").reason == "Power of the own roof: no tax is charged."
    assert said.payee_treatment("Bank") == Treatment(Category.STANDARD, 2200, "")
    stranger = said.identity_of("Ben", bytes(16))
    assert (stranger.name, stranger.address and stranger.address.country) == ("Ben", "DE")


def test_the_example_of_the_help_is_read() -> None:
    assert parse(EXAMPLE, "f").treatment("Hot water").rate == 1000


WRONG = [
    ("version = 1", "version = 2", "version"),
    ('prefix = "LH"', 'prefix = "lh"', "issuer.prefix"),
    ('prefix = "LH"', "", "issuer.prefix"),
    ('country = "DE"', 'country = "Germany"', "issuer.country"),
    ('country = "DE"', 'country = "UK"', "issuer.country"),
    ('country = "DE"', 'country = "EU"', "issuer.country"),
    ('vat_id = "DE136695976"', 'vat_id = "136695976"', "issuer.vat_id"),
    ("due_days = 14", "due_days = -1", "issuer.due_days"),
    ("due_days = 14", 'lines = "both"', "issuer.lines"),
    ("due_days = 14", 'owner = "x"', "issuer.owner"),
    ('rate = "19 %"', 'rate = "19"', "tax.rate"),
    ('rate = "19 %"', 'rate = "0 %"', "tax.rate"),
    ('rate = "19 %"', 'rate = "51 %"', "tax.rate"),
    ('rate = "19 %"', 'rate = "19.125 %"', "tax.rate"),
    ('rate = "19 %"', "rate = 19", "tax.rate"),
    ('rate = "19 %"', 'rate = "19 %"\nnone = "x"', "tax.rate"),
    ('rate = "19 %"', 'none = ""', "tax.none"),
    ('vat_id = "DE136695976"', "", "tax.rate"),
    ('vat_id = "IT12345670017"', "", "party[1].rate"),
    ('party = "Bank"', 'party = "Anna"', "party[1].party"),
    ('name = "Energy"', 'name = "Energy"\nnone = "a"\n[[contract]]\nname = "Energy"', "contract[1].name"),
    ("version = 1", "version = 1\n[more]", "more"),
    ("version = 1", "version = ", "f"),
]


@pytest.mark.parametrize(("old", "new", "field"), WRONG)
def test_what_is_wrong_is_refused_with_its_field(old: str, new: str, field: str) -> None:
    assert old in SETUP
    with pytest.raises(BadInput) as caught:
        parse(SETUP.replace(old, new, 1), "f")
    assert caught.value.field == field


UNKNOWN = [
    ('party = "Coop"', 'party = "Koop"', "issuer.party"),
    ('party = "Bank"', 'party = "Banca"', "party"),
    ('name = "Energy"', 'name = "Engery"', "contract"),
]


@pytest.mark.parametrize(("old", "new", "field"), UNKNOWN)
def test_names_that_the_community_does_not_know_are_refused(old: str, new: str, field: str) -> None:
    office = open_office(setup=None)
    before = office.world.books.dump()
    with pytest.raises(BadInput) as caught:
        office.set_up(SETUP.replace(old, new))
    assert caught.value.field == field
    with pytest.raises(CloudError, match="may not handle"):
        office.set_up(SETUP, by="Repairer")
    assert office.world.books.dump() == before
    office.set_up(SETUP)
    after = office.world.books.dump()
    office.set_up(SETUP)
    assert office.world.books.dump() == after
    with pytest.raises(BadInput, match="begins the numbers of Coop"):
        office.set_up(BARE.replace("Coop", "Repairer"), by="Repairer")
