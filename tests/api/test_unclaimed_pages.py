"""The page of unclaimed money without JavaScript: a rule, what waited, moved, claimed, and what is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
from support.books import DAY, T0
from support.payouts import EURO, Payouts, open_payouts
from support.people import Person, people_of
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.ledger.model import Account

LATE = T0 + 375 * DAY
RULE = {"days": "365", "decision": "statute, 12", "sure": "yes"}
IBAN = "IT60X0542811101000000123456"
Staff = Callable[[str, Role], Person]


@pytest.fixture
def town() -> Payouts:
    made = open_payouts()
    made.earn({"Ben": 5 * EURO, "Maria": 2 * EURO, "Repairer": 3 * EURO})
    return made


@pytest.fixture
async def person(town: Payouts) -> AsyncIterator[Staff]:
    async with people_of(town.books.database, town.community, town.ids, LATE) as people:
        yield people.sign_in
    town.books.database.close()


async def test_from_a_rule_to_a_claim(town: Payouts, person: Staff) -> None:
    maria, coop = person("Maria", Role.COMMUNITY_MANAGER), person("Coop", Role.COMMUNITY_MANAGER)
    assert 'href="/unclaimed"' in await coop.page("/payouts")
    page = await maria.page("/unclaimed")
    assert "There is no rule yet, so nothing is ever moved." in page
    assert "/unclaimed/move" not in page
    assert (await maria.send("/unclaimed/rule", **{**RULE, "days": "3"}))[0] == 422
    assert (await maria.send("/unclaimed/rule", **{**RULE, "sure": ""}))[0] == 422
    assert (await maria.send("/unclaimed/rule", **RULE))[0] == 303
    page = await maria.page("/unclaimed")
    assert "After 365 days, by statute, 12." in page
    assert "no bank account was known, for more than 365 days" in page
    assert "Repairer" not in page, "it has an account"
    before = town.books.dump()
    assert (await maria.send("/unclaimed/move", party="Ben", why="no answer"))[0] == 422, "not without the box"
    assert (await maria.send("/unclaimed/move", party="Nobody", why="no answer", sure="yes"))[0] == 422
    assert (await maria.send("/unclaimed/move", party="", why=" ", sure="yes"))[0] == 422
    assert town.books.dump() == before
    assert (await maria.send("/unclaimed/move", party="", why="three letters came back", sure="yes"))[0] == 303
    assert town.owed("Ben", account=Account.UNCLAIMED) == 5 * EURO
    page = await maria.page("/unclaimed")
    assert "three letters came back" in page
    assert "It is owed to you: somebody else" in page
    status, text = await maria.get("/unclaimed.csv")
    assert (status, text.count(b"three letters came back")) == (200, 2)
    ids = {bytes(row["party"]): bytes(row["id"]).hex() for row in town.books.rows(schema.unclaimed)}  # type: ignore[call-overload]
    own = f"/unclaimed/{ids[town.ids['Maria']]}/claim"
    assert own not in page
    assert (await maria.send(own, identity="it is me", sure="yes"))[0] == 403
    bens = f"/unclaimed/{ids[town.ids['Ben']]}/claim"
    assert (await coop.send(bens, identity="passport", account_holder="Ben", sure="yes"))[0] == 422
    assert (await coop.send(bens, identity="passport", iban="IT00", sure="yes"))[0] == 409
    assert (await coop.send(bens, identity="passport seen", iban=IBAN, sure="yes"))[0] == 303
    assert (await coop.send(bens, identity="passport seen", sure="yes"))[0] == 409
    assert town.owed("Ben", account=Account.UNCLAIMED) == 0
    assert re.search(r"Ben.*passport seen", await coop.page("/unclaimed"), re.DOTALL)
    assert town.books.audit() == []


async def test_an_auditor_reads_and_a_user_does_not(town: Payouts, person: Staff) -> None:
    def grant(conn: object) -> None:
        row = {"community": town.community, "party": town.ids["Stranger"], "role": "auditor", "granted_ms": T0}
        conn.execute(schema.role_grant.insert(), row)  # type: ignore[attr-defined]

    town.books.database.write_now(grant)
    page = await person("Stranger", Role.AUDITOR).page("/unclaimed")
    assert "<form" not in page
    assert (await person("Stranger", Role.AUDITOR).send("/unclaimed/rule", **RULE))[0] == 403
    assert (await person("Ben", Role.USER).get("/unclaimed"))[0] == 403
