"""An energy community's office without JavaScript: a file is shown, then stored; a period is shown, then closed."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from support.people import Person, people_of
from support.pools import GRID, PRICES, TAIL, Community, open_community, toml
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.pools import desk

Staff = Callable[[str, Role], Person]


@pytest.fixture
def cer(request: pytest.FixtureRequest) -> Community:
    """A test may say what period the contract closes by."""
    return open_community(text=toml(tail=TAIL.replace('"month"', f'"{getattr(request, "param", "month")}"')))


@pytest.fixture
async def person(cer: Community) -> AsyncIterator[Staff]:
    books = cer.books
    ids = books.database.read_now(ids_by_name, "cer")
    async with people_of(books.database, "cer", ids, cer.now_ms, books.aggregator) as people:
        yield people.sign_in
    books.database.close()


async def handed_in(office: Person, base: str, data: bytes, kind: str = "energy", **more: str) -> dict[str, str]:
    """The fields of the page that shows what is in a file."""
    status, answer = await office.hand_in(f"{base}/check", {"file": data}, kind=kind, **more)
    assert status == 200, answer
    page = answer.decode().split("<main")[1]
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page)}
    document = re.search(r'<textarea name="document" hidden>(.*?)</textarea>', page, re.DOTALL)
    assert document is not None
    return {**fields, "document": document[1], "page": page}


async def test_from_a_file_to_a_closed_month(cer: Community, person: Staff) -> None:
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    assert f"{base}/data" in await office.page(f"{base}?period=2026-01")
    assert "No file yet." in await office.page(f"{base}/data")
    before = cer.books.dump()
    shown = await handed_in(office, base, GRID.encode(), name="January")
    assert "plant-1" in shown["page"]
    assert "8.000" in shown["page"]
    assert cer.books.dump() == before, "looking stores nothing"
    fields = {name: shown[name] for name in ("kind", "name", "document")}
    for _ in range(2):
        assert (await office.hand_in(f"{base}/data", {}, **fields))[0] == 303
    assert len(cer.books.rows(schema.grid_row)) == 5
    assert "January" in await office.page(f"{base}/data")
    assert "Everything in it is known already" in (await handed_in(office, base, GRID.encode()))["page"]
    prices = await handed_in(office, base, PRICES.encode(), "prices")
    fields = {name: prices[name] for name in ("kind", "name", "document")}
    assert (await office.hand_in(f"{base}/data", {}, **fields))[0] == 303
    before = cer.books.dump()
    page = await office.page(f"{base}/close?period=2026-01")
    assert cer.books.dump() == before, "looking posts nothing"
    digest = re.search(r'name="shown" value="([0-9a-f]+)"', page)
    assert digest is not None
    close = {"period": "2026-01", "shown": digest[1]}
    assert (await office.send(f"{base}/close", **close))[0] == 422, "not without the box"
    assert (await office.send(f"{base}/close", **{**close, "shown": "0" * 64}, sure="yes"))[0] == 409
    assert cer.books.dump() == before
    assert (await office.send(f"{base}/close", **close, sure="yes"))[0] == 303
    assert cer.books.audit() == []
    assert cer.close().again, "the command would post nothing more"
    assert "It was closed with exactly these data." in await office.page(f"{base}/close?period=2026-01")


async def test_a_correction_needs_its_reason_and_a_second_look(cer: Community, person: Staff) -> None:
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    cer.upload()
    cer.prices()
    page = await office.page(f"{base}/close?period=2026-01")
    digest = re.search(r'name="shown" value="([0-9a-f]+)"', page)
    assert digest is not None
    shown = await handed_in(office, base, GRID.replace("8000", "7000").encode())
    assert "says 7000, 8000 is stored" in shown["page"]
    fields = {name: shown[name] for name in ("kind", "name", "document")}
    before = cer.books.dump()
    assert (await office.hand_in(f"{base}/data", {}, **fields))[0] == 409
    assert (await office.hand_in(f"{base}/data", {}, **{**fields, "document": "%"}))[0] == 422
    assert cer.books.dump() == before
    assert (await office.hand_in(f"{base}/data", {}, **fields, why="the distributor said so"))[0] == 303
    status, answer = await office.send(f"{base}/close", period="2026-01", shown=digest[1], sure="yes")
    assert (status, b"other data now than were shown" in answer) == (409, True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "choose the file"),
        (b"meter,start\n", "injected_wh"),
        (GRID.replace("8000", "many").encode(), "line 2, injected_wh"),
        (GRID.replace("home-2,2026-01-01T00:00", "home-2,yesterday").encode(), "line 6, start"),
        (GRID.replace("plant-2", "plant-9").encode(), "line 3, meter"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * (desk.FILE_BYTES_MAX + 1), "tallystick pool upload"),
    ],
    ids=["none", "no column", "no number", "no time", "no meter", "no text", "too large"],
)
async def test_a_bad_file_is_refused_by_line_and_field(cer: Community, person: Staff, data: bytes, words: str) -> None:
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    before = cer.books.dump()
    status, answer = await office.hand_in(f"{base}/check", {"file": data}, kind="energy")
    assert status == 422
    assert words.lower() in html.unescape(answer.decode()).lower()
    assert cer.books.dump() == before


async def test_what_cannot_be_closed_says_why(cer: Community, person: Staff) -> None:
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    assert "has no complete interval" in await office.page(f"{base}/close?period=2026-01")
    cer.upload()
    cer.prices()
    assert "is not a month" in await office.page(f"{base}/close?period=2026-01-01")
    assert "ends on 2027-" in await office.page(f"{base}/close?period=2027-01")
    member = person("Anna", Role.USER)
    assert (await member.get(f"{base}/data"))[0] == 403
    assert (await member.get(f"{base}/close?period=2026-01"))[0] == 403
    assert f"{base}/data" not in await member.page(f"{base}?period=2026-01")


async def test_a_statement_of_the_scheme_is_put_beside_what_was_shared_and_not_stored(
    cer: Community, person: Staff
) -> None:
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    cer.upload()
    cer.prices()
    assert f"{base}/compare?period=2026-01" in await office.page(f"{base}?period=2026-01")
    assert "Nothing to compare in this time." in await office.page(f"{base}/compare?period=2026-01")
    (hour,) = {row["start_ms"] for row in cer.books.rows(schema.grid_row)}
    start = datetime.fromtimestamp(int(hour) / 1000, ZoneInfo("Europe/Rome")).isoformat()  # type: ignore[call-overload]
    balances, rows = cer.balances(), cer.books.rows(schema.grid_row)

    async def said(kwh: str) -> str:
        data = f"start,shared_kwh\n{start},{kwh}\n".encode()
        status, answer = await office.hand_in(f"{base}/compare", {"file": data}, period="2026-01")
        assert status == 200, answer
        return answer.decode().split("<main")[1]

    assert "Every interval is the same." in await said("8.5")
    page = await said("8.25")
    assert "1 interval differs." in page
    assert "+0.250" in page
    status, answer = await office.hand_in(f"{base}/compare", {"file": b"start,shared_kwh\nx,1\n"}, period="2026-01")
    assert status == 422
    assert "line 2, start" in answer.decode().lower()
    assert (await office.get(f"{base}/compare?period=2026-13"))[0] == 422
    assert (cer.balances(), cer.books.rows(schema.grid_row)) == (balances, rows)
    looked = [row for row in cer.books.rows(schema.access) if row["purpose"] == "comparison of a pool"]
    assert [row["row_count"] for row in looked] == [0, 1, 1], "who looked at members' hours is written down"
    member = person("Anna", Role.USER)
    assert (await member.get(f"{base}/compare?period=2026-01"))[0] == 403


@pytest.mark.parametrize(
    ("cer", "name", "word", "steps", "rows"),
    [
        ("quarter", "2026-Q1", "Quarter", ("2025-Q4", "2026-Q2"), ["January 2026", "February 2026", "March 2026"]),
        ("week", "2026-W01", "Week", ("2025-W52", "2026-W02"), ["Thu 1 Jan", "Fri 2 Jan", "Sat 3 Jan", "Sun 4 Jan"]),
    ],
    indirect=["cer"],
)
async def test_a_quarter_and_a_week_are_shown_and_closed_by_their_names(
    cer: Community, person: Staff, name: str, word: str, steps: tuple[str, str], rows: list[str]
) -> None:
    """They could be closed on the server's command line alone: every page took days, months and years."""
    office, base = person("CER", Role.COMMUNITY_MANAGER), f"/pools/{cer.versions()[0].chain.hex()}"
    cer.upload()
    cer.prices()
    day = await office.page(f"{base}?period=2026-01-01")
    assert f'href="{base}?period={name}">{word}</a>' in day
    page = await office.page(f"{base}?period={name}")
    assert f'href="{base}?period={name}" aria-current="true">{word}</a>' in page
    assert re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page.split('id="h-table"')[1]) == rows
    assert all(f'href="{base}?period={step}"' in page for step in steps)
    digest = re.search(r'name="shown" value="([0-9a-f]+)"', await office.page(f"{base}/close?period={name}"))
    assert digest is not None
    assert (await office.send(f"{base}/close", period=name, shown=digest[1], sure="yes"))[0] == 303
    assert cer.close(name).again, "the command would post nothing more"
    assert "closed" in (await office.page(f"{base}?period={name}")).split('class="chip"')[1].split("</span>")[0]
    for beside in ("compare", "energy.csv"):
        assert (await office.get(f"{base}/{beside}?period={name}"))[0] == 200
