"""Invoices over shared bills: one per bill and payer, with the key and what decided it; taken back by a credit note."""

import json
from collections.abc import Iterator
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from support.books import DAY, T0
from support.en16931 import complaints
from support.shared_house import CENTS, ISSUER, House, flat_text, house, open_house, reading
from tallystick_cloud.bank.due import all_dues
from tallystick_cloud.costs.service import reverse as take_back
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.invoices import content, pdf, replacement, service, store, ubl, words
from tallystick_cloud.invoices.desk import Asked
from tallystick_cloud.invoices.errors import InvoiceRefused
from tallystick_cloud.invoices.model import Kind
from tallystick_cloud.invoices.service import Issued
from tallystick_cloud.invoices.store import Stored

W = Wording("en", ZoneInfo("Europe/Berlin"))
NOW = T0 + 70 * DAY
HEATING = "heating 2025"


@pytest.fixture
def home() -> Iterator[House]:
    found = open_house()
    found.post(house())
    set_up(found)
    yield found
    found.books.database.close()


def set_up(home: House, text: str = ISSUER) -> None:
    args = (home.books.community, text, "setup.toml", home.ids["Coop"], T0)
    home.books.database.write_now(service.set_up, *args)


def issue(home: House, period: str = "2026-11") -> Issued:
    asked = Asked(home.ids["Coop"])
    return home.books.database.write_now(service.issue, home.books.community, period, asked, NOW)


def documents(home: House) -> list[Stored]:
    return list(reversed(home.books.database.read_now(store.documents, home.books.community)))


def due(home: House) -> dict[str, int]:
    return {one.payer: one.cents for one in home.books.database.read_now(all_dues, home.books.community, NOW)}


def reverse(home: House, now_ms: int) -> None:
    args = (home.books.community, HEATING, home.ids["Maria"], "the supplier corrected it", now_ms)
    home.books.database.write_now(take_back, *args)


def test_every_payer_gets_an_invoice_over_the_share_with_the_key_and_the_decision(home: House) -> None:
    issued = issue(home)
    assert issued.fresh == 12
    assert sum(one.cents for one in issued.documents) == CENTS
    names = {party: name for name, party in home.ids.items()}
    assert {names[one.buyer]: one.cents for one in issued.documents} == due(home)
    anna = next(one for one in issued.documents if one.buyer == home.ids["Anna"])
    (line,) = anna.document.lines
    assert words.what(line, W) == "Flat 01, heating 2025"
    assert words.detail(line, W) == (
        "Heating of the house, 1 Jan 2025 to 31 Dec 2025, of 1,234.56: 70 % by use, your part 10.43 %; 30 % by area, "
        "your part 8.66 %; decided by owners' meeting of 2025-11-14, item 3"
    )
    assert (anna.document.from_day, anna.document.to_day, anna.document.tax) == ("2025-01-01", "2025-12-31", 0)
    assert issue(home).fresh == 0
    assert home.books.audit() == []


def test_its_paper_and_its_xml_say_the_same_and_hold(home: House) -> None:
    issue(home)
    anna = next(one for one in documents(home) if one.buyer == home.ids["Anna"])
    assert content.decode(anna.content) == anna.document
    assert content.encode(anna.document) == anna.content
    data = ubl.write(anna.document)
    assert complaints(data) == []
    text = " ".join(
        "".join(page.extract_text() for page in PdfReader(BytesIO(pdf.draw(anna.document, W))).pages).split()
    )
    for said in ("Flat 01, heating 2025", "70 % by use", "decided by", "Apportioned costs"):
        assert said in text
        assert said.encode() in data or said == "decided by"


def test_a_document_of_before_there_were_bills_is_read(home: House) -> None:
    issue(home)
    raw = json.loads(documents(home)[0].content)
    for line in raw["lines"]:
        del line["bill"]
    old = content.decode(json.dumps(raw))
    assert [line.bill for line in old.lines] == [None]


def test_a_bill_that_is_taken_back_is_credited_once_to_everybody(home: House) -> None:
    issue(home)
    first = home.books.database.write_now(
        replacement.replace_document, home.books.community, "LH-2027-0001", "The name.", home.ids["Coop"], NOW
    )[1]
    reverse(home, T0 + 40 * DAY)
    issued = issue(home, "2026-12")
    assert issued.fresh == 12
    credits = [one for one in issued.documents if one.kind is Kind.CREDIT and one.period == "2026-12"]
    assert sum(one.cents for one in credits) == -CENTS
    assert first.number in {one.cites for one in credits}  # of what stands, not of what was replaced
    assert {one.document.note for one in credits} == {"the supplier corrected it"}
    assert all(complaints(ubl.write(one.document)) == [] for one in credits[:1])
    assert sum(one.cents for one in documents(home)) == 0
    assert due(home) == {}
    assert issue(home, "2026-12").fresh == 0


def test_a_bill_that_is_taken_back_before_its_month_is_issued_makes_nothing(home: House) -> None:
    reverse(home, T0 + DAY)
    assert issue(home).fresh == 0
    assert documents(home) == []


def test_who_lived_in_two_flats_has_a_line_for_each_stay() -> None:
    lives = (
        '[[flat.lives]]\nname = "Anna"\npeople = 1\nlast_day = 2025-06-30\n',
        '[[flat.lives]]\nname = "Ben"\npeople = 1\nlast_day = 2025-06-30\n'
        '[[flat.lives]]\nname = "Anna"\npeople = 1\nfirst_day = 2025-07-01\n',
    )
    read = {
        number: reading(number, "2025-01-01", 0)
        + reading(number, "2025-07-01", 500)
        + reading(number, "2026-01-01", 900)
        for number in range(2)
    }
    home = open_house()
    home.post(house(flats={number: flat_text(number, lives[number]) for number in range(2)}, read=read))
    set_up(home)
    issue(home)
    anna = next(one for one in documents(home) if one.buyer == home.ids["Anna"])
    assert [(line.asset, line.bill and line.bill.first_day) for line in anna.document.lines] == [
        ("Flat 01", "2025-01-01"),
        ("Flat 02", "2025-07-01"),
    ]
    assert home.ids["Coop"] not in {one.buyer for one in documents(home)}  # the empty half year is the owner's own
    home.books.database.close()


def test_an_earlier_month_comes_first(home: House) -> None:
    with pytest.raises(InvoiceRefused, match="issue 2026-11 first"):
        issue(home, "2026-12")
    assert documents(home) == []


def test_a_setup_names_contracts_and_cost_pools(home: House) -> None:
    with pytest.raises(BadInput, match="no contract in force and no cost pool"):
        set_up(home, ISSUER.replace('"Heating of the house"', '"Heating of another house"'))
