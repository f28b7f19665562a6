"""The page of sites and assets without JavaScript: a site file is shown, then put into force; what is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from html import unescape

import pytest
from support.books import DAY, T0, TOWN
from support.money_world import town
from support.people import Person, people_of
from support.settled import World, open_world
from tallystick_cloud import schema
from tallystick_cloud.assets.store import plan_of
from tallystick_cloud.http.authz import Role

NOW = T0 + 5 * DAY
HEAD = "version = 1\n"
CELLAR = HEAD + TOWN[TOWN.index("[[site]]") : TOWN.index("[[contract]]")].replace("[[site]]", "[site]")
DRYER = """\
[[site.channel]]
number = 3
meter = "m-dryer"
asset = "dryer"
quantity = "cycles"
unit = "cycle"
form = "event"
profile = "test"
"""
ATTIC = HEAD + '[site]\nid = "attic"\nname = "Attic"\n' + DRYER.replace("m-dryer", "m-attic").replace("= 3", "= 1")
ASSET = {"asset": "dryer", "name": "Dryer", "kind": "dryer"}
Staff = Callable[[str, Role], Person]


@pytest.fixture
def world() -> World:
    return open_world(town=town())


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    books = world.books
    async with people_of(books.database, world.community, world.ids, NOW, aggregator=books.aggregator) as people:
        yield people.sign_in
    books.database.close()


def shown(page: bytes) -> str:
    """The document that the page carries for its second step."""
    found = re.search(r'<textarea name="document" hidden>\n(.*?)</textarea>', page.decode(), re.DOTALL)
    assert found is not None, page
    return unescape(found[1])


async def with_dryer(person: Staff) -> Person:
    assert (await person("Maria", Role.COMMUNITY_MANAGER).send("/sites/assets", **ASSET))[0] == 303
    return person("Maria", Role.INSTALLER)


async def test_a_meter_comes_to_a_running_site(world: World, person: Staff) -> None:
    maria = await with_dryer(person)
    assert "Cellar" in await maria.page("/sites")
    before = world.books.dump()
    status, page = await maria.hand_in("/sites/check", {"file": (CELLAR + DRYER).encode()}, since="2026-11-08")
    assert status == 200, page
    for words in (b"one channel is new", b"Billed from 8 Nov 2026 on.", b"Its gateway is told.", b"m-dryer"):
        assert words in page
    assert world.books.dump() == before, "nothing is done by looking"
    given = {"document": shown(page), "since": "2026-11-08"}
    assert (await maria.hand_in("/sites", {}, **given))[0] == 422, "not without the box"
    assert world.books.dump() == before
    assert (await maria.hand_in("/sites", {}, **given, sure="yes"))[0] == 303
    plan = world.books.database.read_now(plan_of, world.community, "cellar")
    assert [(one.number, one.since_ms) for one in plan.channels] == [(1, None), (2, None), (3, T0 + 7 * DAY)]
    assert [row["channel"] for row in world.books.rows(schema.channel)] == [1, 2, 3]
    assert "put the meter into the gateway" in await maria.page("/sites?done=cellar")
    before = world.books.dump()
    status, page = await maria.hand_in("/sites", {}, **given, sure="yes")
    assert (status, b"none is new at" in page) == (422, True)
    assert world.books.dump() == before


async def test_a_new_site_leads_to_its_claim(world: World, person: Staff) -> None:
    maria = await with_dryer(person)
    status, page = await maria.hand_in("/sites/check", {"file": ATTIC.encode()})
    assert (status, b"This is a new site with 1 channels." in page) == (200, True)
    assert len(world.books.rows(schema.site)) == 1
    assert (await maria.hand_in("/sites", {}, document=shown(page), sure="yes"))[0] == 303
    assert {row["id"] for row in world.books.rows(schema.site)} == {"cellar", "attic"}
    assert re.search(r"Attic.*no gateway yet", await maria.page("/sites"), re.DOTALL)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (b"", "is empty or was not chosen"),
        (b"version = 2\n", "is 2"),
        (b"\xff", "is not UTF-8"),
        (b"[[[", "is not TOML"),
        (CELLAR.encode(), "none is new at"),
        ((CELLAR + DRYER.replace('"dryer"', '"nothing"')).encode(), "is no asset of lindenhof"),
        (CELLAR.replace('unit = "Wh"', 'unit = "kWh"').encode(), "what a channel means never changes"),
        (ATTIC.replace("m-attic", "m-flat").encode(), "m-flat"),
    ],
)
async def test_what_a_file_is_refused_for(world: World, person: Staff, file: bytes, says: str) -> None:
    maria = await with_dryer(person)
    before = world.books.dump()
    status, page = await maria.hand_in("/sites/check", {"file": file})
    assert status in (404, 409, 422)
    assert says in unescape(page.decode())
    assert world.books.dump() == before


async def test_an_office_adds_an_asset(world: World, person: Staff) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    before = world.books.dump()
    for wrong in (
        {"asset": "Dryer 1"},
        {"asset": ""},
        {"kind": "a b"},
        {"name": " "},
        {"site": "roof"},
        {"owner": "X"},
    ):
        assert (await maria.send("/sites/assets", **{**ASSET, **wrong}))[0] in (404, 422), wrong
    assert world.books.dump() == before
    told = {**ASSET, "site": "cellar", "owner": "Coop", "user": "Anna", "essential": "yes"}
    assert (await maria.send("/sites/assets", **told))[0] == 303
    assert (await maria.send("/sites/assets", **told))[0] == 409
    (row,) = (one for one in world.books.rows(schema.asset) if one["id"] == "dryer")
    assert (row["owner"], row["user"], bool(row["essential"])) == (world.ids["Coop"], world.ids["Anna"], True)


async def test_others_read_or_do_not(world: World, person: Staff) -> None:
    ada, installer = person("Ada", Role.CITY_OPERATOR), person("Maria", Role.INSTALLER)
    anna, before = person("Anna", Role.USER), world.books.dump()
    assert "<form" not in await ada.page("/sites")
    assert (await ada.hand_in("/sites/check", {"file": ATTIC.encode()}))[0] == 403
    assert (await ada.hand_in("/sites", {}, document=ATTIC, sure="yes"))[0] == 403
    assert (await installer.send("/sites/assets", **ASSET))[0] == 403
    assert (await anna.get("/sites"))[0] == 403
    assert world.books.dump() == before
