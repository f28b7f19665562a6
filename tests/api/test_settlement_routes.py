"""Settlements, statements and evidence over HTTP: everybody sees their own, managers close, auditors check."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from support.books import DAY, T0
from support.settled import AFTER_DECEMBER, DECEMBER, NOVEMBER, World, two_months
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.evidence.api import evidence_routes
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.log import cosign
from tallystick_cloud.log.api import log_routes
from tallystick_cloud.schema import access, role_grant
from tallystick_cloud.settlement.api import settlement_routes
from tallystick_protocol.checkpoint import add_cosignature
from tallystick_protocol.keys import Ed25519Signer
from tallystick_protocol.policy import load_policy
from tallystick_protocol.verify import verify_evidence

Client = TestClient[web.Request, web.Application]
HOME = "/v1/communities/lindenhof"
SignIn = Callable[[str, Role], dict[str, str]]


class StillClock:
    def utc_ms(self) -> int:
        return AFTER_DECEMBER


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = two_months(f"sqlite:///{tmp_path / 'cloud.db'}")
    made.sign(AFTER_DECEMBER)
    grant = {"community": made.community, "party": made.ids["Fund"], "role": Role.AUDITOR.value, "granted_ms": T0}
    made.books.database.write_now(lambda conn: conn.execute(role_grant.insert(), grant))
    return made


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    clock, database, aggregator = StillClock(), world.books.database, world.books.aggregator
    pages = Pages(clock, is_demo=False)
    routes = (
        settlement_routes(database, aggregator, clock),
        evidence_routes(database, aggregator, clock),
        log_routes(database, world.books.aggregator, world.community),
    )
    setup = Setup(database, clock, Hub(database, pages, clock), pages, domain_routes=routes)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as found:
        yield found
    database.close()


@pytest.fixture
def signed_in(world: World) -> SignIn:
    def headers(name: str, role: Role) -> dict[str, str]:
        row = new_session(world.community, world.ids[name], role, real_utc_ms())
        world.books.database.write_now(store_session, row)
        return {"Cookie": f"{COOKIE}={row.secret.hex()}", "X-CSRF-Token": row.csrf.hex()}

    return headers


async def get(client: Client, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    async with client.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_party_fetches_its_file_and_verifies_it(client: Client, signed_in: SignIn) -> None:
    for name, role in (("Bank", Role.FINANCIER), ("Anna", Role.USER)):
        mine = signed_in(name, role)
        status, policy = await get(client, f"{HOME}/policy", mine)
        assert status == 200
        status, file = await get(client, f"{HOME}/evidence?at_ms={DECEMBER}", mine)
        assert status == 200
        assert verify_evidence(file, load_policy(policy)).ok
        assert (await get(client, f"{HOME}/evidence?at_ms={DECEMBER}&party={name}", mine))[0] == 200


async def test_nobody_fetches_anothers_but_an_auditor(client: Client, signed_in: SignIn, world: World) -> None:
    for name, role in (("Anna", Role.USER), ("Bank", Role.FINANCIER), ("Coop", Role.COMMUNITY_MANAGER)):
        status, problem = await get(client, f"{HOME}/evidence?at_ms={DECEMBER}&party=Ben", signed_in(name, role))
        assert (status, b"you see your own" in problem) == (403, True)
    status, problem = await get(client, f"{HOME}/statements?party=Ben", signed_in("Anna", Role.USER))
    assert status == 403
    auditor = signed_in("Fund", Role.AUDITOR)
    assert (await get(client, f"{HOME}/evidence?at_ms={DECEMBER}&party=Ben", auditor))[0] == 200
    left = world.books.rows(access)[-1]
    assert (left["actor"], left["on_behalf"], left["resource"]) == (world.ids["Fund"], world.ids["Ben"], "evidence")
    assert (await get(client, f"{HOME}/statements?party=Nobody", auditor))[0] == 422
    assert (await get(client, f"{HOME}/evidence?at_ms={T0 - DAY * 40}", auditor))[0] == 404
    assert (await get(client, f"{HOME}/evidence?at_ms={DECEMBER}", {}))[0] == 401


async def test_statements_as_json_and_csv_have_the_same_rows(client: Client, signed_in: SignIn, world: World) -> None:
    mine = signed_in("Anna", Role.USER)
    async with client.get(f"{HOME}/statements", headers=mine) as answer:
        found: list[dict[str, Any]] = await answer.json()
    assert len(found) == 2
    for one in found:
        status, text = await get(client, f"{HOME}/statements/{one['reference']}.csv", mine)
        assert status == 200
        assert len(text.decode().splitlines()) == len(one["rows"]) + 1
    assert (await get(client, f"{HOME}/statements/{found[0]['reference']}.csv", signed_in("Ben", Role.USER)))[0] == 404


async def test_managers_close_and_decide(client: Client, signed_in: SignIn, world: World) -> None:
    coop, bank = signed_in("Coop", Role.COMMUNITY_MANAGER), signed_in("Bank", Role.FINANCIER)
    before = world.books.dump()
    async with client.post(f"{HOME}/settlements", headers=bank, json={"at_ms": NOVEMBER}) as answer:
        assert answer.status == 403
    async with client.post(f"{HOME}/settlements", headers=coop, json={"at_ms": NOVEMBER}) as answer:
        assert [one["again"] for one in await answer.json()] == [True, True]
    async with client.post(f"{HOME}/settlements", headers=coop, json={"at_ms": AFTER_DECEMBER}) as answer:
        assert answer.status == 409
    async with client.get(f"{HOME}/open-spans", headers=coop) as answer:
        assert await answer.json() == []
    body = {"chain": "00" * 32, "channel": "00" * 32, "open_id": 1, "action": "waive", "why": "lost"}
    async with client.post(f"{HOME}/resolutions", headers=coop, json=body) as answer:
        assert answer.status == 404
    async with client.post(f"{HOME}/resolutions", headers=coop, json={**body, "chain": "zz"}) as answer:
        assert answer.status == 422
    async with client.get(f"{HOME}/settlements", headers=bank) as answer:
        assert len(await answer.json()) == 4
    assert world.books.dump() == before


async def test_a_witness_hands_in_its_signature_without_an_account(client: Client, world: World) -> None:
    signer = Ed25519Signer.generate()
    world.books.run(cosign.add_witness, world.community, "elena.example/w", signer.spki, T0)
    _, note = await get(client, "/log/checkpoint", {})
    signed = add_cosignature(note, "elena.example/w", signer, 1_900_000_000)
    text = {"Content-Type": "text/plain"}
    for path in ("/log/cosignatures", f"{HOME}/log/cosignatures"):
        async with client.post(path, headers=text, data=signed) as answer:
            assert (answer.status, await answer.json()) == (200, {"witnesses": ["elena.example/w"]})
        async with client.post(path, headers=text, data=note) as answer:
            assert answer.status == 422
        async with client.post(path, headers=text, data=b"\xff" * 100) as answer:
            assert answer.status == 422
        async with client.post(path, headers=text, data=b"x" * 10_000) as answer:
            assert answer.status == 413
    for path in ("/log/checkpoint/witnessed", f"{HOME}/log/checkpoint/witnessed"):
        assert (await get(client, path, {})) == (200, signed)


async def test_anybody_asks_why_the_log_went_on(client: Client) -> None:
    status, text = await get(client, f"{HOME}/log/consistency?old=3&new=20", {})
    assert status == 200
    assert len(text.split()) > 2
    assert (await get(client, f"{HOME}/log/consistency?old=0&new=20", {}))[0] == 404
    assert (await get(client, f"{HOME}/log/consistency?old=3&new=99999", {}))[0] == 404
