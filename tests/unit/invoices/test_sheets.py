"""PDF files: the words and amounts of the document, in letters that the core fonts lack, the same bytes each time."""

import io
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from support.invoices import Office, open_office
from support.money_world import NOW
from support.repository import ROOT
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.invoices import content, pdf
from tallystick_cloud.invoices.model import Document
from tallystick_cloud.paper.sheet import Cell, Column, Sheet
from tallystick_cloud.statements import pdf as statement_pdf
from tallystick_cloud.statements import service as statements
from tallystick_cloud.statements import view
from tallystick_cloud.statements.model import DAY, account, by_day, cut, key_of
from tallystick_cloud.uses.model import Reader

W = Wording("en", ZoneInfo("Europe/Berlin"))


@pytest.fixture(scope="module")
def office() -> Office:
    found = open_office()
    found.issue("2026-11")
    return found


@pytest.fixture(scope="module")
def document(office: Office) -> Document:
    return next(one.document for one in office.documents() if one.document.total == 915)


def text_of(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_an_invoice_says_everything_on_paper(document: Document) -> None:
    text = text_of(pdf.draw(document, W))
    for said in (
        "Invoice", document.number, "4 Jan 2027", "18 Jan 2027", "1 Nov 2026 to 30 Nov 2026", "Anna Müñoz-Kőszegi",
        "Fő utca 1", "Austria", "50667 Köln", "VAT id DE136695976", "Washing machine left, programme 60", "3 cycle",
        "1.85 per cycle", "5.55", "Tax 19 % on 7.69", "1.46", "EUR 9.15", "Amounts of the lines contain the tax.",
        "DE89 3704 0044 0532 0130 00", "RF",
    ):  # fmt: skip
        assert said in text, said


def test_net_lines_and_the_reason_for_no_tax_are_said(office: Office, document: Document) -> None:
    net = text_of(pdf.draw(replace(document, shows_gross=False), W))
    assert "4.66" in net
    assert "Amounts of the lines are without tax." in net
    power = next(one.document for one in office.documents() if one.document.total == 2000)
    assert "Power of the own roof: no tax is charged." in text_of(pdf.draw(power, W))


def test_the_same_document_is_the_same_file_in_another_process(document: Document) -> None:
    data = pdf.draw(document, W)
    program = (
        "import sys; from zoneinfo import ZoneInfo; from tallystick_cloud.http.locale import Wording;"
        "from tallystick_cloud.invoices import content, pdf;"
        "sys.stdout.buffer.write(pdf.draw(content.decode(sys.stdin.read()), Wording('en', ZoneInfo('UTC'))))"
    )
    said = content.encode(document).encode()
    other = subprocess.run([sys.executable, "-c", program], cwd=ROOT, input=said, capture_output=True, check=True)
    assert other.stdout == data
    assert PdfReader(io.BytesIO(data)).metadata["/CreationDate"] == "D:20270104000000Z"  # type: ignore[index]


def test_a_long_document_repeats_its_head_and_counts_its_pages(document: Document) -> None:
    long = replace(document, lines=document.lines * 40)
    reader = PdfReader(io.BytesIO(pdf.draw(long, W)))
    texts = [page.extract_text() for page in reader.pages]
    assert len(texts) > 2
    assert all("Quantity" in text for text in texts[:-1])
    assert f"{len(texts)} / {len(texts)}" in texts[-1]
    assert sum(text.count("programme 60") for text in texts) == 40


def test_a_letter_that_the_typeface_lacks_is_refused_by_name(document: Document) -> None:
    with pytest.raises(BadInput, match="'木'"):
        pdf.draw(replace(document, buyer=replace(document.buyer, name="木下")), W)


def test_a_statement_on_paper_has_the_rows_of_its_file(office: Office) -> None:
    reader = Reader(office.community, office.world.ids["Coop"], False, "test", NOW)
    span = Span.of("2026-11", NOW, "UTC")
    accounts = office.database.write_now(statements.accounts, reader, span)
    views = [view.account_view(one, W) for one in accounts]
    data = statement_pdf.draw("Lindenhof eG", "Coop", "November 2026", span.at_ms, accounts, W)
    text = text_of(data).replace("\n", " ")
    rows = [row for one in views for row in one.rows]
    assert len(rows) > 6
    for row in rows:
        assert str(row.balance) in text
        assert row.ref in text
    assert statement_pdf.draw("Lindenhof eG", "Coop", "November 2026", span.at_ms, accounts, W) == data


def test_a_very_long_statement_has_a_line_for_each_day_that_adds_up(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(office.community, office.world.ids["Coop"], False, "test", NOW)
    span = Span.of("2026-11", NOW, "UTC")
    short = next(
        one for one in office.database.write_now(statements.accounts, reader, span) if one.contract == "Washes"
    )
    uses = [
        row._replace(ref=f"{row.ref}{n}", at_ms=row.at_ms + n) for row in short.rows if row.use_id for n in range(3)
    ]
    others = [row for row in short.rows if not row.use_id]
    longest = account(short.chain, "Washes", "EUR", short.opening, [*uses[1:], *others], short.settlement)
    days = by_day(longest, "UTC")
    lines = [row for row in days.rows if row.form == DAY]
    assert {row.uses for row in lines} == {2, 3}
    assert len(days.rows) == len(lines) + len(others)
    assert sum(row.uses for row in lines) == len(uses) - 1
    assert sum(row.nano for row in lines) == sum(row.nano for row in uses[1:])
    assert (days.opening, days.closing) == (longest.opening, longest.closing)
    assert days.rows[-1].balance == days.closing
    assert by_day(short, "UTC") == short, "a day with one use is that use"
    monkeypatch.setattr(statement_pdf, "ROWS_MAX", len(longest.rows) - 1)
    data = statement_pdf.draw("Lindenhof eG", "Coop", "November 2026", span.at_ms, [longest, short], W)
    text = " ".join(text_of(data).split())
    assert text.count("One line for each day;") == 1
    assert f"all {len(longest.rows)} lines stand in the CSV file" in text
    assert "3 lines" in text
    assert all(str(row.balance) in text for row in view.account_view(days, W).rows)
    assert uses[1].ref not in text


def test_a_page_goes_on_where_it_ended_though_a_line_came_in_before(office: Office) -> None:
    reader = Reader(office.community, office.world.ids["Coop"], False, "test", NOW)
    accounts = office.database.write_now(statements.accounts, reader, Span.of("2026-11", NOW, "UTC"))
    one = next(each for each in accounts if each.contract == "Washes")
    first = cut(one, None, 2)
    late = one.rows[0]._replace(ref="S-late", at_ms=one.rows[0].at_ms - 1)
    grown = account(one.chain, one.contract, one.unit, one.opening, [late, *one.rows], one.settlement)
    after = key_of(one.rows[first.end - 1])
    was, now = cut(one, after, 2), cut(grown, after, 2)
    refs = [row.ref for row in one.rows[was.begin : was.end]]
    assert [row.ref for row in grown.rows[now.begin : now.end]] == refs
    assert now.carried == was.carried + late.nano
    gone = (after[0], after[1] + "x")
    assert cut(one, gone, 2) == was, "a line that is no more is no reason to begin anew"
    assert cut(one, key_of(one.rows[-1]), 2).begin == len(one.rows)


def test_a_text_of_one_line_stands_where_the_library_would_put_it() -> None:
    """Short cells are drawn at once; a wide one is laid out. Both begin on one line."""
    with Sheet("t", "f", datetime(2026, 11, 30, tzinfo=UTC)) as sheet:
        wide = "a name that is far too long for its narrow column and goes on below"
        sheet.grid([Column("A", 20), Column("B", 20, right=True)], [(Cell(wide), Cell("12.50", "below"))])
        data = sheet.data()
    places: dict[str, tuple[float, float]] = {}

    def note(text: str, _cm: object, tm: list[float], *_: object) -> None:
        if text.strip():
            places[text.strip()] = (tm[4], tm[5])

    PdfReader(io.BytesIO(data)).pages[0].extract_text(visitor_text=note)
    first = next(text for text in places if text.startswith("a name"))
    assert places[first][1] == pytest.approx(places["12.50"][1], abs=0.05)
    assert places["below"][1] < places["12.50"][1]
