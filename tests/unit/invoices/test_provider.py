"""Documents over what a payment provider collects: the collector sells, nobody is asked to transfer, and the sums are
those of the books."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from support.books import DAY, HOUR, T0
from support.en16931 import complaints
from support.invoices import SETUP, Office
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER
from support.splits import CENT, ENERGY_LOW, PSP, Splits
from tallystick_cloud import schema
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.invoices import content, pdf, provided, ubl
from tallystick_cloud.invoices.errors import InvoiceRefused
from tallystick_cloud.invoices.model import Kind, Way
from tallystick_cloud.invoices.service import Issued
from tallystick_cloud.splits.model import Outcome

W = Wording("en", ZoneInfo("UTC"))
ODD = PSP.replace("price = 1.85", "price = 1.853333333")


@pytest.fixture
def office() -> Iterator[Office]:
    """Anna pays her washes through a provider, and her energy by transfer."""
    town = Splits(contract=ODD, energy=ENERGY_LOW.replace('"Ben"', '"Anna"'), has_energy=True)
    yield Office(town.world, SETUP)
    town.books.database.close()


def test_each_way_has_documents_and_cents_of_its_own(office: Office) -> None:
    made = office.issue("2026-11", AFTER_NOVEMBER)
    assert [(one.document.way, one.kind) for one in made.documents] == [
        (Way.TRANSFER, Kind.INVOICE),
        (Way.PROVIDER, Kind.INVOICE),
    ]
    bank, provided = (one.document for one in made.documents)
    assert {line.contract for line in provided.lines} == {"Washes"}
    assert {line.contract for line in bank.lines} == {"Energy"}
    charged = 2 * 1_200_000_000 + 2 * 1_853_333_333
    carried = {row["way"]: row["nano"] for row in office.world.books.rows(schema.invoice_carry)}
    assert provided.total * CENT + int(carried["provider"]) == charged  # type: ignore[call-overload]
    assert 0 < int(carried["provider"]) < CENT  # type: ignore[call-overload]
    assert (provided.seller.name, provided.buyer.name) == ("Coop", "Anna Müñoz-Kőszegi")
    before = office.world.books.dump()
    assert office.issue("2026-11", AFTER_NOVEMBER).fresh == 0
    assert office.world.books.dump() == before


def test_the_rest_below_a_cent_is_in_the_next_document(office: Office) -> None:
    office.issue("2026-11", AFTER_NOVEMBER)
    office.world.wash(T0 + 33 * DAY + 9 * HOUR, "60")
    office.world.close(DECEMBER, AFTER_DECEMBER)
    office.issue("2026-12", AFTER_DECEMBER)
    provided = [one.document for one in office.documents() if one.document.way is Way.PROVIDER]
    carried = {row["way"]: row["nano"] for row in office.world.books.rows(schema.invoice_carry)}
    charged = 2 * 1_200_000_000 + 3 * 1_853_333_333
    assert sum(one.total for one in provided) * CENT + int(carried["provider"]) == charged  # type: ignore[call-overload]


def test_it_asks_for_no_transfer_on_paper_and_as_xml(office: Office) -> None:
    (made,) = [one for one in office.issue("2026-11", AFTER_NOVEMBER).documents if one.document.way is Way.PROVIDER]
    text = " ".join(PdfReader(BytesIO(pdf.draw(made.document, W))).pages[0].extract_text().split())
    assert "A payment provider collects this: please transfer nothing." in text
    assert "Scan the code" not in text
    assert "Account" not in text
    data = ubl.write(made.document)
    assert complaints(data) == []
    assert b">68</cbc:PaymentMeansCode>" in data
    assert b"PayeeFinancialAccount" not in data
    assert content.decode(made.content) == made.document
    wrong = data.replace(b">68<", b">999<")
    assert complaints(wrong), "the rules know the code"


def test_a_transfer_says_nothing_of_a_provider_in_its_bytes(office: Office) -> None:
    """Documents of before have the same bytes and the same hash."""
    bank = office.issue("2026-11", AFTER_NOVEMBER).documents[0]
    assert "by_provider" not in bank.content
    assert content.encode(replace(bank.document)) == bank.content


def test_a_wrong_address_is_corrected_and_stays_with_the_provider(office: Office) -> None:
    provided = office.issue("2026-11", AFTER_NOVEMBER).documents[1]
    back, anew = office.replace(provided.number)
    assert (back.kind, anew.document.way, anew.document.total) == (Kind.CREDIT, Way.PROVIDER, provided.document.total)
    for one in (back, anew):
        assert complaints(ubl.write(one.document)) == []


def self_bill(office: Office, number: int = 1) -> Issued:
    coop = office.world.ids["Coop"]
    return office.database.write_now(provided.self_bill, office.community, number, coop, AFTER_DECEMBER)


def test_a_party_gets_a_document_over_what_arrived_and_a_credit_note_over_what_went_back() -> None:
    town = Splits(contract=ODD)
    office = Office(town.world, SETUP)
    run = town.to_the_provider()
    before = office.world.books.dump()
    with pytest.raises(InvoiceRefused, match="split run 1: is sent; its documents are issued when every payment"):
        self_bill(office)
    assert office.world.books.dump() == before
    town.tell(Outcome.PAID)
    made = self_bill(office)
    shares = {part.party: part.cents for part in run.payments[0].parts if part.party != office.world.ids["Coop"]}
    assert {one.seller: one.document.total for one in made.documents} == shares
    assert {one.kind for one in made.documents} == {Kind.SELF_BILLED}
    assert self_bill(office).fresh == 0
    bank = next(one for one in made.documents if one.seller == office.world.ids["Bank"])
    assert bank.document.taxes[0].treatment.rate == 2200, "as the setup says of the payee"
    text = " ".join(PdfReader(BytesIO(pdf.draw(bank.document, W))).pages[0].extract_text().split())
    assert "A payment provider has passed this on: nothing has to be done." in text
    assert "please transfer nothing" not in text
    town.tell_returned()
    after = self_bill(office)
    assert after.fresh == len(shares)
    assert sum(one.cents for one in after.documents) == 0, "all of it went back"
    assert self_bill(office).fresh == 0
    for one in after.documents:
        assert complaints(ubl.write(one.document)) == [], one.number
        assert content.decode(one.content) == one.document
    town.books.database.close()


def test_what_a_provider_refused_makes_no_document() -> None:
    town = Splits(contract=PSP)
    office = Office(town.world, SETUP)
    town.to_the_provider()
    town.tell(Outcome.REFUSED)
    assert self_bill(office).documents == ()
    town.books.database.close()
