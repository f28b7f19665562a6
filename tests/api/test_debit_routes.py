"""Mandates and direct debits over HTTP: whoever is signed in acts; a refusal is a problem with field and next step."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from support import pain_xsd
from support.books import T0
from support.debits import ANNA, CREDITOR_ID, DAY, DebitTown, open_debit_town
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.debits.api import debit_routes
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session

Client = TestClient[web.Request, web.Application]
BASE = "/v1/communities/lindenhof"
RUNS = f"{BASE}/debit-runs"
ASK = {"key": "november", "collection_day": DAY.isoformat()}
MANDATE = {
    "payer": "Anna",
    "collector": "Coop",
    "reference": "M-Anna",
    "creditor_id": CREDITOR_ID,
    "iban": ANNA,
    "signed": "2026-10-01",
}


class StillClock:
    def utc_ms(self) -> int:
        return T0


@pytest.fixture
def town(tmp_path: Path) -> DebitTown:
    return open_debit_town(f"sqlite:///{tmp_path / 'cloud.db'}", owed={"Anna": 1234, "Ben": 999})


@pytest.fixture
async def client(town: DebitTown) -> AsyncIterator[Client]:
    clock, database = StillClock(), town.payouts.books.database
    pages = Pages(clock, is_demo=False)
    routes = (debit_routes(database, clock),)
    setup = Setup(database, clock, Hub(database, pages, clock), pages, domain_routes=routes)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield client
    database.close()


def headers(town: DebitTown, name: str, role: Role) -> dict[str, str]:
    row = new_session(town.payouts.community, town.payouts.ids[name], role, real_utc_ms())
    town.payouts.books.database.write_now(store_session, row)
    return {"Cookie": f"{COOKIE}={row.secret.hex()}", "X-CSRF-Token": row.csrf.hex()}


async def post(client: Client, path: str, sent: dict[str, str], body: object = None) -> tuple[int, Any]:
    async with client.post(path, headers=sent, json=body) as answer:
        return answer.status, await answer.json()


async def test_from_a_mandate_to_the_bank_over_http(client: Client, town: DebitTown) -> None:
    coop, maria = (headers(town, name, Role.COMMUNITY_MANAGER) for name in ("Coop", "Maria"))
    status, told = await post(client, f"{BASE}/mandates", maria, {**MANDATE, "iban": "DE00"})
    assert (status, told["errors"][0]["field"]) == (422, "IBAN")
    status, kept = await post(client, f"{BASE}/mandates", maria, MANDATE)
    assert (status, kept["state"], kept["next_sequence"]) == (200, "active", "FRST")
    assert (await post(client, f"{BASE}/mandates", maria, MANDATE))[1] == kept
    status, run = await post(client, RUNS, coop, ASK)
    assert (status, run["total_cents"], [one["payer"] for one in run["held"]]) == (200, "1234", ["Ben"])
    status, told = await post(client, f"{RUNS}/1/approve", coop)
    assert status == 403
    assert "somebody else must release it" in told["detail"]
    assert (await post(client, f"{RUNS}/1/approve", maria))[1]["approved_by"] == ["Maria"]
    files = []
    for _ in range(2):
        async with client.post(f"{RUNS}/1/file", headers=coop) as answer:
            assert answer.content_type == "application/xml"
            files.append(await answer.read())
    assert files[0] == files[1]
    assert pain_xsd.wrong_in(files[0]) == []
    assert (await post(client, f"{RUNS}/1/sent", coop))[1]["state"] == "sent"
    assert (await post(client, f"{RUNS}/1/cancel", coop))[0] == 409
    status, run = await post(client, f"{RUNS}/1/rejected", coop, {"debit": run["debits"][0]["id"][:8]})
    assert (run["state"], run["debits"][0]["outcome"]) == ("settled", "rejected")
    status, ended = await post(client, f"{BASE}/mandates/revoke", maria, {"reference": "M-Anna"})
    assert (status, ended["state"]) == (200, "revoked")
    async with client.get(RUNS, headers=maria) as answer:
        assert [one["run"] for one in await answer.json()] == [1]
    async with client.get(f"{BASE}/mandates", headers=headers(town, "Anna", Role.USER)) as answer:
        assert answer.status == 403
