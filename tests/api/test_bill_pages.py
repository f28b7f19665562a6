"""Shared bills on pages without JavaScript: shown before they are posted, read by who pays, taken back."""

import html
import re
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from support.books import T0
from support.people import People, Person, people_of
from support.shared_house import CENTS, House, house, open_house
from tallystick_cloud import schema
from tallystick_cloud.costs import pages
from tallystick_cloud.http.authz import Role

DECISION = "owners&#39; meeting of 2025-11-14, item 3"


@pytest.fixture
def home() -> House:
    return open_house()


@pytest.fixture(scope="module")
def empty() -> House:
    """For tests that leave it as it was."""
    return open_house()


@pytest.fixture
async def people(home: House) -> AsyncIterator[People]:
    books = home.books
    async with people_of(books.database, books.community, home.ids, T0, books.aggregator) as found:
        yield found
    books.database.close()


def manager(people: People) -> Person:
    return people.sign_in("Maria", Role.COMMUNITY_MANAGER)


def amounts(page: str) -> list[Decimal]:
    """What the table says, the sum last."""
    table = page.split("<table")[1].split("</table>")[0]
    return [Decimal(one.replace(",", "")) for one in re.findall(r'<span class="amount">([0-9.,]+)', table)]


async def test_a_bill_is_shown_then_posted_once_then_taken_back(home: House, people: People) -> None:
    maria, anna = manager(people), people.sign_in("Anna", Role.USER)
    assert "No bill was shared yet" in await maria.page("/bills")
    before = home.books.rows(schema.posting)
    status, answer = await maria.hand_in("/bills/check", {"file": house().encode()})
    assert status == 200
    page = answer.decode()
    assert DECISION in page
    assert "70 % by use, 30 % by area" in page
    shown = amounts(page)
    assert len(shown) == 13
    assert sum(shown[:-1]) == shown[-1] == Decimal(CENTS) / 100
    assert home.books.rows(schema.posting) == before, "looking posts nothing"
    document = re.search(r"<textarea name=\"document\" hidden>\n(.*?)</textarea>", page, re.DOTALL)
    assert document is not None
    text = html.unescape(document[1])
    assert text == house()
    for _ in range(2):
        status, _answer = await maria.hand_in("/bills", {}, document=text.replace("\n", "\r\n"))
        assert status == 303
    (row,) = home.books.rows(schema.cost_bill)
    assert row["document"] == house()
    link = f"/bills/{row['id'].hex()}"  # type: ignore[attr-defined]
    assert [one["bill"] for one in home.books.rows(schema.cost_settlement)] == [row["id"]], "signed when it is posted"
    assert link in await anna.page("/bills")
    assert amounts(await maria.page(link)) == shown
    assert home.books.audit() == []
    assert (await maria.send(f"{link}/reverse", why="wrong amount"))[0] == 422, "not without the box ticked"
    assert (await maria.send(f"{link}/reverse", why="  ", sure="yes"))[0] == 422
    assert (await maria.send(f"{link}/reverse", why="wrong amount", sure="yes"))[0] == 303
    assert [one["bill"] for one in home.books.rows(schema.cost_settlement)] == 2 * [row["id"]], "and when taken back"
    page = await anna.page(link)
    assert "It was taken back; nobody owes anything for it." in page
    assert "wrong amount" in page
    assert all(row["amount"] == 0 for row in home.books.rows(schema.balance))
    assert "/reverse" not in await maria.page(link)


async def test_who_pays_sees_the_own_lines_and_the_others_as_one(home: House, people: People) -> None:
    shared = home.post(house())
    link = f"/bills/{shared.stored.id.hex()}"
    anna = people.sign_in("Anna", Role.USER)
    page = await anna.page(link)
    assert DECISION in page
    assert "The others, 11 shares" in page
    assert "Ben" not in page
    assert "flat-02" not in page
    own = Decimal(sum(one.cents for one in shared.shares if one.party == home.ids["Anna"])) / 100
    shown = amounts(page)
    assert shown == [own, Decimal(CENTS) / 100 - own, Decimal(CENTS) / 100]
    assert f"your share: {own}" in await anna.page("/bills")
    coop = people.sign_in("Coop", Role.OWNER)
    assert "Ben" in await coop.page(link), "who collects sees all"
    fixer = people.sign_in("Repairer", Role.SERVICER)
    assert "No bill was shared yet" in await fixer.page("/bills")
    assert (await fixer.get(link))[0] == 404
    assert (await fixer.get(f"/bills/{'0' * 64}"))[0] == 404


async def test_a_bill_that_is_owed_is_read_by_who_is_owed_it(home: House, people: People) -> None:
    text = house().replace('collector = "Coop"', 'collector = "Coop"\nsupplier = "Repairer"')
    link = f"/bills/{home.post(text).stored.id.hex()}"
    page = await people.sign_in("Repairer", Role.SERVICER).page(link)
    assert "owed to Repairer, collected by Coop" in page
    assert len(amounts(page)) == 13


BAD = {
    "no file": (b"", b"is empty or was not chosen"),
    "no toml": (b"[cost", b"line 1"),
    "no text": (b"\xff\xfe", b"is not utf-8 at byte 0"),
    "no bill": (house(bill="").encode(), b"add a [bill]"),
    "portions": (house().replace('"70 %"', '"80 %"').encode(), b"must make the whole bill"),
    "a stranger": (house().replace('"Ben"', '"Bertha"').encode(), b"bertha"),
    "no reading": (house(read={3: ""}).encode(), b"flat-04"),
    "a year to come": (house().replace("2025-12-31\n", "2026-12-31\n").encode(), b"not over yet"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_refused_by_name_and_nothing_is_posted(empty: House, name: str) -> None:
    data, words = BAD[name]
    async with people_of(empty.books.database, empty.books.community, empty.ids, T0, empty.books.aggregator) as people:
        maria = manager(people)
        status, answer = await maria.hand_in("/bills/check", {"file": data})
        posted, _ = await maria.hand_in("/bills", {}, document=data.decode("latin-1"))
    assert status in (409, 422)
    assert words in html.unescape(answer.decode()).lower().encode()
    assert posted in (409, 422)
    assert empty.books.rows(schema.cost_bill) == []


async def test_a_file_that_is_too_large_is_refused(people: People) -> None:
    status, answer = await manager(people).hand_in("/bills/check", {"file": b"#" * (pages.FILE_BYTES_MAX + 1)})
    assert (status, b"is larger than" in answer) == (422, True)
    assert (await manager(people).hand_in("/bills/check", {"file": b"#" * (pages.FORM_BYTES_MAX + 1)}))[0] == 413
