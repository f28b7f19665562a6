"""Disputes on pages without JavaScript: opened on a use, seen by who is concerned, decided by somebody who is not."""

import json
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select
from support.books import DAY, NOTICE, T0, WASHES
from support.money_world import LOW, town
from support.people import People, people_of
from support.settled import World, open_world
from tallystick_cloud import schema
from tallystick_cloud.disputes.service import SHOWN_BYTES_MAX, WHY_CHARS_MAX
from tallystick_cloud.http.authz import Role

NOW = T0 + 3 * DAY


@pytest.fixture(scope="module")
def built() -> World:
    """Three washes of Anna's, made once."""
    contracts = {"washes.toml": WASHES.replace(NOTICE, LOW)}
    words = town().replace('[[contract]]\nfile = "energy.toml"\nstate = "live"\n', "")
    world = open_world(town=words, contracts=contracts)
    for day in range(4):
        world.wash(T0 + day * DAY, "60")
    return world


@pytest.fixture
async def people(built: World) -> AsyncIterator[People]:
    """The same washes without a dispute."""
    async with people_of(built.books.database, built.community, built.ids, NOW) as found:
        yield found
    built.books.run(lambda conn: conn.execute(schema.dispute.delete()))


def wash(world: World, number: int = 1) -> str:
    """The id of one of the washes, in hex."""
    query = select(schema.use.c.use_id).where(schema.use.c.number == number)
    found: bytes = world.books.database.read_now(lambda conn: conn.execute(query).scalar_one())
    return found.hex()


def row(world: World) -> dict[str, object]:
    (found,) = world.books.rows(schema.dispute)
    return found


async def test_a_dispute_from_the_use_to_the_decision(built: World, people: People) -> None:
    anna, fixer = people.sign_in("Anna", Role.USER), people.sign_in("Repairer", Role.SERVICER)
    maria, use = people.sign_in("Maria", Role.COMMUNITY_MANAGER), wash(built, 4)  # for good
    assert f'href="/disputes/{use}"' in await anna.page(f"/uses/{use}")
    form = await anna.page(f"/disputes/{use}")
    assert "until 5 Dec 2026" in form
    assert "What would be held" in form
    status, _ = await anna.hand_in(f"/disputes/{use}", {"document": b"%PDF-1.7"}, why="the drum <stood> still")
    assert status == 303
    for person, by in ((anna, "Opened by you"), (fixer, "Opened by who pays this use"), (maria, "Opened by Anna")):
        page = await person.page(f"/disputes/{use}")
        assert by in page
        assert "the drum &lt;stood&gt; still" in page
        assert ("Decide for good" in page) is (person is maria)
        assert f'href="/disputes/{use}"' in await person.page("/disputes")
        assert await person.get(f"/disputes/{use}/document") == (200, b"%PDF-1.7")
    assert "Anna" not in await fixer.page(f"/disputes/{use}")
    held = await fixer.page("/disputes")
    assert '<span class="amount">0.15</span></span> <span class="says">of yours is held' in held
    assert "1.85" in await maria.page("/disputes")
    assert "EUR 0.15 of it is held" in await fixer.page("/owner")
    words = {"decision": "right", "why": "the log shows it"}
    assert (await maria.hand_in(f"/disputes/{use}/decision", {"document": b""}, **words))[0] == 422
    assert row(built)["state"] == "open", "nothing is decided without the box ticked"
    assert (await maria.hand_in(f"/disputes/{use}/decision", {"document": b""}, **words, sure="yes"))[0] == 303
    page = await anna.page(f"/disputes/{use}")
    assert "Maria: the dispute is right" in page
    told = await anna.page(f"/uses/{use}")
    assert "taken back: it counts as if it had never been" in told
    assert "Fee and shares, computed again just now, are the booked ones" in told
    assert "What was taken back" in page
    assert "given back" in page
    assert "of yours is held" not in await fixer.page("/disputes")
    assert json.loads(str(row(built)["given_back"]))[0][0] == built.ids["Anna"].hex()
    assert (await maria.get(f"/disputes/{use}/decision-document"))[0] == 404
    again = await maria.hand_in(f"/disputes/{use}/decision", {"document": b""}, **words, sure="yes")
    assert again[0] == 409
    assert b"what is decided stays" in again[1]


async def test_that_a_use_stands_is_said_with_its_reason(built: World, people: People) -> None:
    anna, maria = people.sign_in("Anna", Role.USER), people.sign_in("Maria", Role.COMMUNITY_MANAGER)
    use = wash(built, 2)
    assert (await anna.hand_in(f"/disputes/{use}", {}, why="too dear"))[0] == 303
    words = {"decision": "stands", "why": "it is the agreed price", "sure": "yes"}
    assert (await maria.hand_in(f"/disputes/{use}/decision", {}, **words))[0] == 303
    page = await anna.page(f"/disputes/{use}")
    assert "Maria: the use stands" in page
    assert "it is the agreed price" in page
    assert "Nothing is disputed now" in await anna.page("/disputes")
    assert "dispute decided" in await anna.page(f"/uses/{use}")


async def test_who_is_concerned_does_not_decide_and_others_see_nothing(built: World, people: People) -> None:
    use = wash(built, 3)
    anna, coop = people.sign_in("Anna", Role.USER), people.sign_in("Coop", Role.COMMUNITY_MANAGER)
    assert (await anna.hand_in(f"/disputes/{use}", {}, why="too dear"))[0] == 303
    assert f'href="/disputes/{use}"' in await coop.page("/disputes")
    page = await coop.page(f"/disputes/{use}")
    assert "somebody else of the office decides" in page
    assert "<form" not in page
    words = {"decision": "right", "why": "mine", "sure": "yes"}
    assert (await coop.hand_in(f"/disputes/{use}/decision", {}, **words))[0] == 403
    for name, role in (("Ben", Role.USER), ("Newcomer", Role.SERVICER)):
        other = people.sign_in(name, role)
        assert (await other.get(f"/disputes/{use}"))[0] == 404
        assert (await other.get(f"/disputes/{use}/document"))[0] == 404
        assert "Nothing is disputed now" in await other.page("/disputes")
        assert (await other.hand_in(f"/disputes/{use}/decision", {}, **words))[0] == 403
    assert row(built)["state"] == "open"
    seen = built.books.rows(schema.access)
    assert {found["purpose"] for found in seen} >= {"dispute page", "list of disputes"}


REFUSED = {
    "without a reason": ({"why": "  "}, b"", 422, b"at least 1 character"),
    "with too long a reason": ({"why": "x" * (WHY_CHARS_MAX + 1)}, b"", 422, b"at most 1000 characters"),
    "with too large a document": ({"why": "see"}, bytes(SHOWN_BYTES_MAX + 1), 422, b"the limit is"),
    "with a document far too large": ({"why": "see"}, bytes(SHOWN_BYTES_MAX + 20_000), 413, b"too large"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_said_is_refused_and_nothing_is_held(built: World, people: People, name: str) -> None:
    fields, document, status, words = REFUSED[name]
    anna = people.sign_in("Anna", Role.USER)
    got = await anna.hand_in(f"/disputes/{wash(built)}", {"document": document}, **fields)
    assert got[0] == status
    assert words in got[1]
    assert built.books.rows(schema.dispute) == []


async def test_a_late_use_and_one_of_others_say_why_they_cannot_be_disputed(built: World, people: People) -> None:
    use = wash(built)
    auditor = people.sign_in("Ada", Role.AUDITOR)
    page = await auditor.page(f"/disputes/{use}")
    assert "only who pays it or is a party of its contract can dispute it" in page
    assert "<form" not in page
    async with people_of(people.database, people.community, people.ids, NOW + 60 * DAY) as later:
        anna = later.sign_in("Anna", Role.USER)
        page = await anna.page(f"/disputes/{use}")
        assert "could be disputed until 2 Dec 2026" in page
        assert "Dispute this use" not in await anna.page(f"/uses/{use}")
        assert (await anna.hand_in(f"/disputes/{use}", {}, why="late"))[0] == 409
