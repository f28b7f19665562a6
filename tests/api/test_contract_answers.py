"""Answering a proposed version on its page without JavaScript: parties by signature, users by accepting the terms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.settled import World
from support.shadow import NOW, Staff, chain_named, open_shadow, staff_of
from tallystick_cloud import schema
from tallystick_cloud.contracts.look import ChainView
from tallystick_cloud.contracts.service import approve
from tallystick_cloud.http.authz import Role
from tallystick_protocol import cose
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.records import Approval

PARTIES = {"Repairer": Role.SERVICER, "Bank": Role.FINANCIER}
"""Who has to agree beside the Coop, which proposes, and the Fund, for which nobody signs in. The Bank keeps its key."""


@pytest.fixture
def world() -> World:
    return open_shadow()


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    async with staff_of(world, without_key="Bank") as sign_in:
        yield sign_in


def washes(world: World) -> ChainView:
    return chain_named(world, "Washes")


async def proposed(world: World, person: Staff) -> tuple[str, str]:
    """The contract's page, and the hash of the version that the Coop proposed as live."""
    page = f"/contracts/{washes(world).chain.hex()}"
    assert (await person("Coop", Role.COMMUNITY_MANAGER).send(f"{page}/live", sure="yes"))[0] == 303
    return page, washes(world).versions[0].h.hex()


async def test_every_party_agrees_on_the_page_and_it_is_in_force(world: World, person: Staff) -> None:
    page, version = await proposed(world, person)
    for name, role in PARTIES.items():
        somebody = person(name, role)
        assert "waits for your answer" in await somebody.page("/contracts")
        assert f'href="{page}">A new version of Washes waits for your answer' in await somebody.page("/owner")
        shown = await somebody.page(page)
        assert "Version 2 waits for your answer" in shown
        assert "proposed by Coop, for uses from 1 Jan 2027 on" in shown
        assert "state</dt><dd>shadow" in shown
        assert "<b>live</b>" in shown
        if name == "Bank":
            assert "tallystick contract approve" in shown
            assert f"{page}/answer" not in shown
            assert (await somebody.send(f"{page}/answer", version=version, answer="yes", sure="yes"))[0] == 403
            continue
        assert (await somebody.send(f"{page}/answer", version=version, answer="yes"))[0] == 422, "not without the box"
        assert (await somebody.send(f"{page}/answer", version=version, answer="yes", sure="yes"))[0] == 303
        assert "waits for your answer" not in await somebody.page(page)
        assert "waits for your answer" not in await somebody.page("/contracts")
        assert "waits for your answer" not in await somebody.page("/owner")
    assert "waits for your answer" not in await person("Coop", Role.COMMUNITY_MANAGER).page(page), "it proposed it"
    newest = washes(world).versions[0]
    named = {one.id: one.name for one in newest.contract.parties}
    assert {named[party] for party, _ in newest.yes} == {"Coop", "Repairer"}
    assert newest.in_force_ms is None, "two have not answered"
    for name in ("Bank", "Fund"):
        signer = world.books.founded.hosted[world.ids[name]]
        said = Approval(bytes(16), H32(newest.h), PartyId(world.ids[name]), True)
        envelope = cose.sign(signer, cose.ContentType.APPROVAL, said.encode())
        context = world.books.aggregator.of(world.community)
        world.books.database.write_now(approve, context, envelope, NOW)
    assert washes(world).versions[0].in_force_ms == NOW


async def test_a_refusal_stays(world: World, person: Staff) -> None:
    page, version = await proposed(world, person)
    repairer = person("Repairer", Role.SERVICER)
    assert (await repairer.send(f"{page}/answer", version=version, answer="no", sure="yes"))[0] == 303
    assert "refused: Repairer" in await repairer.page(page)
    before = world.books.dump()
    status, text = await repairer.send(f"{page}/answer", version=version, answer="yes", sure="yes")
    assert (status, b"an answer stays" in text) == (400, True)
    assert (await repairer.send(f"{page}/answer", version=version, answer="no", sure="yes"))[0] == 303, "the same again"
    assert world.books.dump() == before


async def test_nobody_answers_who_is_no_party_or_for_another_contract(world: World, person: Staff) -> None:
    page, version = await proposed(world, person)
    others = {
        person("Maria", Role.COMMUNITY_MANAGER): 404,
        person("Ada", Role.AUDITOR): 404,
        person("Anna", Role.USER): 400,
        person("Ben", Role.USER): 404,
    }
    party = person("Repairer", Role.SERVICER)
    before = world.books.dump()
    for somebody, status in others.items():
        assert (await somebody.send(f"{page}/answer", version=version, answer="yes", sure="yes"))[0] == status
    assert (await party.send(f"{page}/answer", version="0" * 64, answer="yes", sure="yes"))[0] == 404
    assert (await party.send(f"{page}/answer", version=version, answer="maybe", sure="yes"))[0] == 422
    assert (await party.send(f"{page}/accept", version=version, sure="yes"))[0] == 400, "parties agree, users accept"
    assert world.books.dump() == before


async def test_a_user_accepts_the_terms_and_nobody_else_sees_that(world: World, person: Staff) -> None:
    page, version = await proposed(world, person)
    anna = person("Anna", Role.USER)
    shown = await anna.page(page)
    assert "Version 1, accepted on 1 Nov 2026" in shown, "as the town was founded"
    assert "Version 2 is not accepted yet" in shown
    assert "waits for your answer" not in shown
    assert (await anna.send(f"{page}/accept", version=version))[0] == 422, "not without the box"
    for _ in range(2):
        assert (await anna.send(f"{page}/accept", version=version, sure="yes"))[0] == 303
    assert "Version 2, accepted on 11 Dec 2026" in await anna.page(page)
    rows = [row for row in world.books.rows(schema.user_acceptance) if bytes(row["contract"]).hex() == version]
    assert [bytes(row["party"]) for row in rows] == [world.ids["Anna"]]
    for name, role in (("Coop", Role.COMMUNITY_MANAGER), ("Bank", Role.FINANCIER), ("Ada", Role.AUDITOR)):
        assert "accepted" not in await person(name, role).page(page)
    assert (await person("Ben", Role.USER).send(f"{page}/accept", version=version, sure="yes"))[0] == 404
