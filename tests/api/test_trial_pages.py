"""The page of test runs without JavaScript: begin one, what it took back, end it, and who may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from support.books import HOUR
from support.money_world import town
from support.people import Person, people_of
from support.settled import World, open_world
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.money import money
from tallystick_cloud.trials import service

NOW = 1_793_750_400_000  # 4 November 2026
FORM = {"asset": "washer", "minutes": "90", "why": "new inlet valve"}
Staff = Callable[[str, Role], Person]


@pytest.fixture
def world() -> World:
    return open_world(town=town())


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    async with people_of(world.books.database, world.community, world.ids, NOW) as people:
        yield people.sign_in
    world.books.database.close()


async def test_from_the_beginning_of_a_run_to_its_end(world: World, person: Staff) -> None:
    maria = person("Maria", Role.INSTALLER)
    page = await maria.page("/trials")
    assert "No machine is in a test run." in page
    before = world.books.dump()
    for wrong in ({"minutes": "4"}, {"minutes": "500"}, {"why": " "}, {"asset": ""}):
        assert (await maria.send("/trials", **{**FORM, **wrong}))[0] == 422
    assert (await maria.send("/trials", **{**FORM, "asset": "boiler"}))[0] == 404
    assert (await maria.send("/trials", **{**FORM, "asset": "flat"}))[0] == 409
    assert world.books.dump() == before
    assert (await maria.send("/trials", **FORM))[0] == 303
    assert (await maria.send("/trials", **FORM))[0] == 409, "one at a time"
    page = await maria.page("/trials")
    assert "Washing machine left" in page
    assert "90 min left" in page
    assert "no use taken back yet" in page
    world.wash(NOW + 60_000)
    assert world.books.database.write_now(service.take_back, world.community, NOW + 2 * HOUR) == 1
    assert "1 use taken back" in await maria.page("/trials")
    assert (await maria.send("/trials/1/end"))[0] == 303
    assert (await maria.send("/trials/1/end"))[0] == 409
    assert (await maria.send("/trials/99/end"))[0] == 404
    page = await maria.page("/trials")
    assert "No machine is in a test run." in page
    assert "new inlet valve" in page


async def test_who_pays_and_who_gets_a_share_read_why(world: World, person: Staff) -> None:
    assert (await person("Maria", Role.INSTALLER).send("/trials", **FORM))[0] == 303
    world.wash(NOW + 60_000)
    world.books.database.write_now(service.take_back, world.community, NOW + 2 * HOUR)
    (use,) = (bytes(row["use_id"]).hex() for row in world.books.rows(schema.use))  # type: ignore[call-overload]
    for name, role in (("Anna", Role.USER), ("Bank", Role.FINANCIER)):
        page = await person(name, role).page(f"/uses/{use}")
        assert "test run, nobody pays" in page
        assert "new inlet valve" in page
        assert "Dispute this use" not in page
        assert money(0) in page


async def test_an_operator_reads_and_begins_none(world: World, person: Staff) -> None:
    ada = person("Ada", Role.CITY_OPERATOR)
    page = await ada.page("/trials")
    assert "<form" not in page
    assert (await ada.send("/trials", **FORM))[0] == 403
    assert (await ada.send("/trials/1/end"))[0] == 403
    assert (await person("Anna", Role.USER).get("/trials"))[0] == 403
