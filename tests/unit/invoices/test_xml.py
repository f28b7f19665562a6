"""EN 16931: every kind of document passes the official schema and rules, and a broken one does not."""

from dataclasses import replace
from datetime import date
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from support.books import BY_VOLUME, DAY, HOUR, T0, WASHES
from support.en16931 import complaints, version_of_rules
from support.invoices import SETUP, Office, open_late, open_office
from support.money_world import NOW, open_town
from support.settled import AFTER_NOVEMBER, NOVEMBER
from tallystick_cloud.debits import mandates
from tallystick_cloud.debits.mandate import NewMandate
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.invoices import content, pdf, ubl
from tallystick_cloud.invoices.errors import InvoiceRefused
from tallystick_cloud.invoices.model import Kind
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.pain001 import BankParty


@pytest.fixture(scope="module")
def office() -> Office:
    """With every kind of document."""
    found = open_office()
    found.issue("2026-11")
    found.issue("2026-12")
    found.replace("LH-2027-0002")
    found.self_bill(2)
    found.database.write_now(payouts.confirm, found.community, 2, Outcome.RETURNED, NOW)
    found.self_bill(2)
    return found


def test_every_kind_passes_the_official_schema_and_rules(office: Office) -> None:
    assert version_of_rules() >= "1.3.16"
    assert {one.kind for one in office.documents()} == set(Kind)
    for one in office.documents():
        data = ubl.write(one.document)
        assert complaints(data) == [], one.number
        assert ubl.write(content.decode(one.content)) == data
        assert f">{ubl.TYPE_CODES[one.kind]}<".encode() in data


def test_corrections_and_documents_without_any_tax_registration_pass() -> None:
    late = open_late()
    late.issue("2026-11", AFTER_NOVEMBER)
    late.late_november()
    bare = [line for line in SETUP.splitlines() if "vat_id" not in line and "rate" not in line and "[tax]" not in line]
    late.set_up("\n".join(bare))
    late.issue("2026-12")
    late.replace("LH-2026-0001")
    codes = set()
    for one in late.documents():
        assert complaints(ubl.write(one.document)) == [], one.number
        codes |= {tax.treatment.category.value for tax in one.document.taxes}
    assert codes == {"S", "E", "O"}


def test_a_volume_rebate_is_a_line_of_its_own_and_passes() -> None:
    """Six washes at 7.30, less 1.30."""
    world = open_town(washes=BY_VOLUME)
    for day in range(6):
        world.wash(T0 + day * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    office = Office(world)
    office.issue("2026-11")
    bill = next(one for one in office.documents() if "Anna" in one.document.buyer.name)
    assert [(line.form, line.gross) for line in bill.document.lines] == [("event", 730), ("rebate", -130)]
    assert bill.cents == 600
    assert complaints(ubl.write(bill.document)) == []
    sheet = pdf.draw(bill.document, Wording("en", ZoneInfo("UTC")))
    page = PdfReader(BytesIO(sheet)).pages[0].extract_text()
    assert "Volume rebate of the period" in page
    world.books.database.close()


def test_a_standing_charge_is_a_line_of_its_own_with_its_days_and_passes() -> None:
    """A flat rate: two washes cost nothing by themselves."""
    flat = WASHES.replace("price = 1.20", "price = 0").replace("price = 1.85", "price = 0")
    world = open_town(washes=flat.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.20\n'))
    for day in range(2):
        world.wash(T0 + day * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    office = Office(world)
    office.issue("2026-11")
    bill = next(one for one in office.documents() if "Anna" in one.document.buyer.name)
    lines = [line for line in bill.document.lines if line.gross]
    assert [(line.form, line.gross, line.quantity, line.unit) for line in lines] == [("standing-charge", 620, 30, "d")]
    assert complaints(ubl.write(bill.document)) == []
    sheet = pdf.draw(bill.document, Wording("en", ZoneInfo("UTC")))
    page = PdfReader(BytesIO(sheet)).pages[0].extract_text()
    assert "Standing charge of the period" in page
    assert "30 d" in page
    world.books.database.close()


def test_who_pays_by_direct_debit_is_told_so_and_gets_no_code() -> None:
    found = open_office()
    ids = found.world.ids
    debtor = BankParty("Anna", "AT611904300234573201")
    asked = NewMandate(ids["Coop"], ids["Anna"], "M-1", "DE98ZZZ09999999999", debtor, date(2026, 10, 1))
    found.database.write_now(mandates.add, found.community, asked, NOW)
    found.issue("2026-11")
    one = next(one for one in found.documents() if one.buyer == ids["Anna"])
    data = ubl.write(content.decode(one.content))
    assert complaints(data) == []
    for said in (b">59<", b">M-1<", b">AT611904300234573201<", b'schemeID="SEPA">DE98ZZZ09999999999<'):
        assert said in data
    sheet = pdf.draw(one.document, Wording("en", ZoneInfo("UTC")))
    text = PdfReader(BytesIO(sheet)).pages[0].extract_text()
    assert "Coop collects this from your account ending in 3201" in text
    assert "Scan the code" not in text


BREAKS = [
    (b'<cbc:PayableAmount currencyID="EUR">9.15<', b'<cbc:PayableAmount currencyID="EUR">9.16<', "BR-CO-16"),
    (b">3.03<", b">3.04<", "BR-CO-10"),
    (
        b"<cbc:IdentificationCode>DE</cbc:IdentificationCode>",
        b"<cbc:IdentificationCode>XX</cbc:IdentificationCode>",
        "BR-CL-14",
    ),
    (b">1.46<", b">0.46<", "BR-CO-14"),
    (b"<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>", b"", "BR-01"),
    (b">380<", b">999<", "BR-CL-01"),
    (b">DE136695976<", b">136695976<", "BR-CO-09"),
    (b"<cbc:IssueDate>2027-01-04</cbc:IssueDate>", b"<cbc:IssueDate>4 Jan 2027</cbc:IssueDate>", "IssueDate"),
]


@pytest.mark.parametrize(("old", "new", "rule"), BREAKS)
def test_the_checks_notice_what_is_broken(office: Office, old: bytes, new: bytes, rule: str) -> None:
    data = ubl.write(next(one for one in office.documents() if one.document.total == 915).document)
    assert old in data
    assert any(rule in said for said in complaints(data.replace(old, new, 1)))


def test_a_character_that_xml_cannot_carry_is_refused(office: Office) -> None:
    one = office.documents()[0].document
    with pytest.raises(InvoiceRefused, match="Note: 'a\\\\x0bb' holds a character"):
        ubl.write(replace(one, note="a\x0bb"))
    assert complaints(ubl.write(replace(one, note="木 <&> 🚿"))) == []


def test_a_party_without_an_address_is_refused_by_name(office: Office) -> None:
    one = office.documents()[0].document
    bare = replace(one, buyer=replace(one.buyer, address=None))
    with pytest.raises(InvoiceRefused, match="Anna Müñoz-Kőszegi: has no address"):
        ubl.write(bare)
