"""Payouts over HTTP: whoever is signed in acts, nobody else; a refusal is a problem with field and next step."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from support import pain_xsd
from support.books import T0
from support.payouts import EURO, Payouts, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.payouts.api import payout_routes

Client = TestClient[web.Request, web.Application]
RUNS = "/v1/communities/lindenhof/payout-runs"
ANNAS = "FR7630006000011234567890189"
ASK = {"key": "november", "execution_day": "2026-11-05"}


class StillClock:
    def utc_ms(self) -> int:
        return T0


@pytest.fixture
def town(tmp_path: Path) -> Payouts:
    made = open_payouts(f"sqlite:///{tmp_path / 'cloud.db'}")
    made.earn({"Bank": 40 * EURO, "Fund": 2 * EURO + 1})
    return made


@pytest.fixture
async def client(town: Payouts) -> AsyncIterator[Client]:
    clock, database = StillClock(), town.books.database
    pages = Pages(clock, is_demo=False)
    routes = (payout_routes(database, clock),)
    setup = Setup(database, clock, Hub(database, pages, clock), pages, domain_routes=routes)
    async with TestClient(
        TestServer(web_application(setup, build_table(setup))), cookie_jar=DummyCookieJar()
    ) as client:
        yield client
    database.close()


@pytest.fixture
def signed_in(town: Payouts) -> Callable[[str, Role], dict[str, str]]:
    def headers(name: str, role: Role) -> dict[str, str]:
        row = new_session(town.community, town.ids[name], role, real_utc_ms())
        town.books.database.write_now(store_session, row)
        return {"Cookie": f"{COOKIE}={row.secret.hex()}", "X-CSRF-Token": row.csrf.hex()}

    return headers


async def post(client: Client, path: str, headers: dict[str, str], body: object = None) -> tuple[int, Any]:
    async with client.post(path, headers=headers, json=body) as answer:
        return answer.status, await answer.json()


async def test_a_refund_over_http(
    client: Client, town: Payouts, signed_in: Callable[[str, Role], dict[str, str]]
) -> None:
    town.earn({"Bank": -50 * EURO})
    row = {"community": town.community, "party": town.ids["Anna"], "iban": ANNAS, "holder": "Anna", "valid_from_ms": T0}
    town.books.database.write_now(lambda conn: conn.execute(schema.party_account.insert(), row))
    coop, anna = signed_in("Coop", Role.COMMUNITY_MANAGER), signed_in("Anna", Role.USER)
    async with client.get("/v1/communities/lindenhof/payer-credits", headers=coop) as answer:
        (credit,) = await answer.json()
    assert (credit["payer"], credit["refund_cents"], credit["iban"], credit["reason"]) == ("Anna", "799", ANNAS, None)
    ask = {"key": "back", "execution_day": "2026-11-05", "payers": ["Anna"]}
    assert (await post(client, f"{RUNS}/refunds", anna, ask))[0] == 403
    status, run = await post(client, f"{RUNS}/refunds", coop, ask)
    assert (status, run["total_cents"], run["payouts"][0]["is_refund"]) == (200, "799", True)
    assert (await post(client, f"{RUNS}/refunds", coop, ask))[1] == run
    status, told = await post(client, f"{RUNS}/refunds", coop, {**ask, "payers": ["Nobody"]})
    assert (status, told["errors"][0]["field"]) == (422, "payers")
    assert (await post(client, f"{RUNS}/refunds", coop, {**ask, "payers": []}))[0] == 422


async def test_a_run_over_http(client: Client, signed_in: Callable[[str, Role], dict[str, str]]) -> None:
    coop, maria = signed_in("Coop", Role.COMMUNITY_MANAGER), signed_in("Maria", Role.COMMUNITY_MANAGER)
    status, run = await post(client, RUNS, coop, ASK)
    assert (status, run["state"], run["proposer"], run["total_cents"]) == (200, "proposed", "Coop", "4200")
    assert (await post(client, RUNS, coop, ASK))[1] == run
    assert (await post(client, f"{RUNS}/1/approve", maria))[1]["approved_by"] == ["Maria"]
    async with client.post(f"{RUNS}/1/file", headers=coop) as answer:
        assert answer.content_type == "application/xml"
        assert pain_xsd.wrong_in(await answer.read()) == []
    assert (await post(client, f"{RUNS}/1/sent", coop))[1]["state"] == "sent"
    async with client.get(RUNS, headers=maria) as answer:
        assert [one["run"] for one in await answer.json()] == [1]


async def test_refusals_over_http(
    town: Payouts, client: Client, signed_in: Callable[[str, Role], dict[str, str]]
) -> None:
    coop, maria = signed_in("Coop", Role.COMMUNITY_MANAGER), signed_in("Maria", Role.COMMUNITY_MANAGER)
    payee = signed_in("Repairer", Role.SERVICER)
    assert (await post(client, RUNS, payee, ASK))[0] == 403
    assert (await post(client, RUNS, coop, {**ASK, "collector": "Nobody"}))[0] == 422
    await post(client, RUNS, coop, ASK)
    before = town.books.dump()
    status, problem = await post(client, f"{RUNS}/1/approve", coop)
    assert (status, problem["errors"][0]["field"]) == (403, "party")
    assert "somebody else must release it" in problem["detail"]
    status, problem = await post(client, f"{RUNS}/1/file", maria)
    assert (status, problem["type"]) == (409, "urn:tallystick:problem:payout-refused")
    assert (await post(client, f"{RUNS}/9/approve", maria))[0] == 404
    async with client.get(RUNS, headers=payee) as answer:
        assert answer.status == 403
    assert town.books.dump() == before
