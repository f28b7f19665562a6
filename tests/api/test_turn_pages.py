"""The page of shared machines without JavaScript: whose turn it is, two buttons, and what each reader sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from support.books import DAY, ENERGY, HOUR, T0
from support.money_world import town
from support.people import Person, people_of
from support.settled import World, open_world
from support.shared import SHARED
from support.uploads import wash
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role

NOW = T0 + 2 * DAY + 10 * HOUR
NEXT, RUNNING = {"asset": "washer", "which": "next"}, {"asset": "washer", "which": "running"}
Staff = Callable[[str, Role], Person]


@pytest.fixture
def world() -> World:
    return open_world(town=town(), contracts={"washes.toml": SHARED, "energy.toml": ENERGY})


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    async with people_of(world.books.database, world.community, world.ids, NOW) as people:
        yield people.sign_in
    world.books.database.close()


async def test_one_says_that_the_next_use_is_hers_and_the_other_waits(world: World, person: Staff) -> None:
    anna, ben = person("Anna", Role.USER), person("Ben", Role.USER)
    page = await anna.page("/turns?asset=washer")
    assert "free, as far as its gateway has told" in page
    assert "What runs now is mine" not in page
    for wrong in ({"which": "mine"}, {"asset": ""}):
        assert (await anna.send("/turns", **{**NEXT, **wrong}))[0] == 422
    assert (await anna.send("/turns", asset="flat", which="next"))[0] == 404
    assert (await anna.send("/turns", **RUNNING))[0] == 409, "nothing runs"
    assert (await anna.send("/turns", **NEXT))[0] == 303
    assert "your turn; start it within 15 min" in await anna.page("/turns")
    page = await ben.page("/turns")
    assert "another&#39;s turn for 15 min" in page
    assert "Anna" not in page
    assert "The next use is mine" not in page
    assert (await ben.send("/turns", **NEXT))[0] == 409
    assert (await ben.send("/turns/1/end"))[0] == 404
    assert (await anna.send("/turns/1/end"))[0] == 303
    assert (await anna.send("/turns/1/end"))[0] == 409
    assert (await ben.send("/turns", **NEXT))[0] == 303


async def test_what_runs_is_claimed(world: World, person: Staff) -> None:
    anna, ben = person("Anna", Role.USER), person("Ben", Role.USER)
    started, rest = wash(2, 1, 1, 1, NOW - 4 * 60_000, NOW + HOUR)
    world.books.seal_and_send(world.gateway, [started], NOW)
    page = await ben.page("/turns")
    assert "runs since 09:56; nobody has said whose it is" in page
    assert (await ben.send("/turns", **RUNNING))[0] == 303
    assert "runs since 09:56</span>" in await anna.page("/turns")
    assert (await anna.send("/turns", **RUNNING))[0] == 409
    world.books.seal_and_send(world.gateway, [rest], NOW + HOUR)
    (use,) = world.books.rows(schema.use)
    assert use["payer"] == world.ids["Ben"]
    assert (await ben.get(f"/uses/{bytes(use['use_id']).hex()}"))[0] == 200  # type: ignore[call-overload]
    assert (await anna.get(f"/uses/{bytes(use['use_id']).hex()}"))[0] == 404  # type: ignore[call-overload]


async def test_who_earns_sees_how_much_nobody_claimed_and_the_office_the_codes(world: World, person: Staff) -> None:
    world.wash(NOW - 3 * HOUR)
    bank = person("Bank", Role.FINANCIER)
    page = await bank.page("/turns")
    assert "1 of 1 uses of 30 days unclaimed (100 %)" in page
    assert "qrbox" not in page
    assert (await bank.send("/turns", **NEXT))[0] == 403, "shares no machine"
    assert "qrbox" in await person("Maria", Role.COMMUNITY_MANAGER).page("/turns")
    assert (await person("Ada", Role.AUDITOR).get("/turns"))[0] == 403


async def test_who_shares_nothing_is_told_how_it_comes_about() -> None:
    alone = open_world(town=town())
    async with people_of(alone.books.database, alone.community, alone.ids, NOW) as people:
        assert "No machine is shared." in await people.sign_in("Anna", Role.USER).page("/turns")
        assert "shared_by" in await people.sign_in("Bank", Role.FINANCIER).page("/turns")
    alone.books.database.close()
