"""Every route against every kind of caller: who is let in is exactly what the route states; nobody sees a neighbour.

The walk is over the route table itself, so a route that is added is walked without a change here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select
from support.city_app import HOME, OTHER, CityApp, city_app, headers
from support.city_seed import add_alarm, gid_of
from tallystick_cloud import schema
from tallystick_cloud.app import gateway_application, web_application
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.route import Port, Route

Client = TestClient[web.Request, web.Application]
REFUSED = (401, 403)
NOTHING: dict[str, str] = {}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CityApp]:
    with city_app(tmp_path_factory.mktemp("city")) as found:
        yield found


@pytest.fixture
async def people(app: CityApp) -> AsyncIterator[Client]:
    server = TestServer(web_application(app.setup, app.table))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield client


@pytest.fixture
async def gateways(app: CityApp) -> AsyncIterator[Client]:
    server = TestServer(gateway_application(app.setup, app.table))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield client


def path_of(route: Route, community: str) -> str:
    """The route's path with values that are well formed."""
    values = {"community": community, "gid": gid_of(community, 0).hex(), "persona": "operator"}
    found = route.template
    for parameter in route.parameters:
        value = values.get(parameter.name, "1")
        found = found.replace("{" + parameter.name + "}", value)
    return found


async def status(client: Client, route: Route, path: str, sent: dict[str, str]) -> int:
    """Only the head of the answer is read, because some answers never end."""
    async with client.request(
        route.method, path, headers={**sent, "Content-Type": route.takes}, data=b"", allow_redirects=False
    ) as answer:
        return answer.status


def test_every_route_states_who_may_call_it(app: CityApp) -> None:
    assert len(app.table) > 25
    for route in app.table:
        assert route.roles, route.path
        assert route.ports, route.path


async def test_only_routes_of_the_table_are_served(app: CityApp, people: Client, gateways: Client) -> None:
    stated = {(route.method, route.template) for route in app.table}
    for client in (people, gateways):
        assert client.app is not None
        for served in client.app.router.routes():
            assert served.resource is not None
            method = "GET" if served.method == "HEAD" else served.method
            assert (method, served.resource.canonical) in stated


async def test_people_port_lets_in_exactly_the_stated_roles(app: CityApp, people: Client) -> None:
    walked = 0
    for route in [one for one in app.table if Port.WEB in one.ports]:
        for role in sorted(MEMBERS):
            sent = headers(app.session(role, HOME.community))
            got = await status(people, route, path_of(route, HOME.community), sent)
            may = Role.PUBLIC in route.roles or role in route.roles
            assert (got not in REFUSED) is may, f"{route.method} {route.path} as {role}: {got}"
            walked += 1
    assert walked > 150


async def test_nobody_without_sign_in_gets_more_than_the_public_routes(app: CityApp, people: Client) -> None:
    for route in [one for one in app.table if Port.WEB in one.ports]:
        got = await status(people, route, path_of(route, HOME.community), {})
        if Role.PUBLIC in route.roles:
            assert got != 403, route.path
        else:
            assert got == 401, f"{route.method} {route.path}: {got}"


async def test_no_role_opens_another_community(app: CityApp, people: Client) -> None:
    walked = 0
    for route in [one for one in app.table if Port.WEB in one.ports and "{community}" in one.template]:
        for role in sorted(MEMBERS):
            sent = headers(app.session(role, HOME.community))
            for foreign in (OTHER.community, "no-such-community"):
                got = await status(people, route, path_of(route, foreign), sent)
                walked += 1
                if Role.PUBLIC not in route.roles:
                    assert got == 403, f"{route.method} {route.path} as {role} in {foreign}: {got}"
    assert walked > 10


async def test_things_of_another_community_cannot_be_named(app: CityApp, people: Client) -> None:
    alarm = app.database.write_now(add_alarm, OTHER, 0, "tamper", "critical", "the door is open", 0)
    operator = headers(app.session(Role.CITY_OPERATOR, HOME.community))
    async with people.post(f"/alarms/{alarm}/take", headers={**operator, "HX-Request": "true"}) as answer:
        assert answer.status == 404
        assert (await answer.json())["detail"].startswith("alarm: ")
    taken = select(schema.alarm.c.taken_by).where(schema.alarm.c.id == alarm)
    assert app.database.read_now(lambda conn: conn.execute(taken).scalar_one()) is None
    for path in ("/situation?alarms=all", "/gateways", "/find?q=gw", "/gateways.csv", "/situation/alarms.csv"):
        async with people.get(path, headers=operator) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert gid_of(HOME.community, 0).hex() in text or "gw-001" in text
            assert gid_of(OTHER.community, 0).hex() not in text, path
            assert "the door is open" not in text, path


async def test_gateway_port_answers_without_certificate_only_what_is_public(app: CityApp, gateways: Client) -> None:
    session = headers(app.session(Role.COMMUNITY_MANAGER, HOME.community))
    for route in [one for one in app.table if Port.GATEWAY in one.ports]:
        for sent in (NOTHING, session):
            got = await status(gateways, route, path_of(route, HOME.community), sent)
            is_public = Role.PUBLIC in route.roles
            assert (got not in REFUSED) is is_public, f"{route.method} {route.path}: {got}"


async def test_pages_for_people_are_not_on_the_gateway_port(app: CityApp, gateways: Client) -> None:
    session = headers(app.session(Role.COMMUNITY_MANAGER, HOME.community))
    for path in ("/situation", "/gateways", "/v1/communities/valdora/situation"):
        async with gateways.get(path, headers=session) as answer:
            assert answer.status == 404


async def test_a_changing_call_needs_the_token_of_the_page(app: CityApp, people: Client) -> None:
    row = app.session(Role.CITY_OPERATOR, HOME.community)
    alarm = app.database.write_now(add_alarm, HOME, 1, "tamper", "critical", "open", 0)
    for sent in (headers(row, with_token=False), {**headers(row), "X-CSRF-Token": "0" * 64}):
        async with people.post(f"/alarms/{alarm}/take", headers=sent) as answer:
            assert answer.status == 403
    for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with people.post(f"/alarms/{alarm}/take", headers={**headers(row), **foreign}) as answer:
            assert answer.status == 403
    async with people.post(f"/alarms/{alarm}/take", headers=headers(row), allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_role_that_is_withdrawn_ends_the_session(app: CityApp, people: Client) -> None:
    row = app.session(Role.INSTALLER, OTHER.community)
    async with people.get("/situation", headers=headers(row)) as answer:
        assert answer.status == 200
    grant = schema.role_grant
    withdrawn = grant.update().where(grant.c.party == row.party).values(revoked_ms=1)
    app.database.write_now(lambda conn: conn.execute(withdrawn))
    async with people.get("/situation", headers=headers(row)) as answer:
        assert answer.status == 401


async def test_an_expired_or_ended_session_is_nobody(app: CityApp, people: Client) -> None:
    row = app.session(Role.AUDITOR, HOME.community)
    async with people.post("/sign-out", headers=headers(row), allow_redirects=False) as answer:
        assert answer.status == 303
    async with people.get("/situation", headers=headers(row)) as answer:
        assert answer.status == 401


async def test_a_token_opens_the_api_and_a_session_but_a_wrong_one_nothing(app: CityApp, people: Client) -> None:
    row = app.session(Role.AUDITOR, HOME.community)
    good, path = {"Authorization": f"Bearer {row.secret.hex()}"}, f"/v1/communities/{HOME.community}/situation"
    async with people.get(path, headers=good) as answer:
        assert answer.status == 200
        assert (await answer.json())["imbalance_nano"] == "0"
    async with people.get(path, headers={"Authorization": f"Bearer {'0' * 64}"}) as answer:
        assert answer.status == 401
        assert "access token" in (await answer.json())["detail"]
    async with people.post("/sign-in", data={"token": row.secret.hex()}, allow_redirects=False) as answer:
        assert answer.status == 303
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
    async with people.post("/sign-in", data={"token": "12"}) as answer:
        assert answer.status == 422


async def test_sign_in_never_sends_anybody_to_another_site(app: CityApp, people: Client) -> None:
    row = app.session(Role.AUDITOR, HOME.community)
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        form = {"token": row.secret.hex(), "back": back}
        async with people.post("/sign-in", data=form, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/"


async def test_persona_links_work_on_loopback_only(people: Client) -> None:
    async with people.get("/demo/operator", headers={"X-Forwarded-For": "203.0.113.9"}) as answer:
        assert answer.status == 403
    async with people.get("/demo/nobody", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 404


async def test_every_answer_carries_the_policy_and_is_not_cached(app: CityApp, people: Client) -> None:
    session = headers(app.session(Role.CITY_OPERATOR, HOME.community))
    for path in ("/situation", "/v1/openapi.json", "/no-such-page", "/alarms/1/take"):
        async with people.get(path, headers=session) as answer:
            assert "default-src 'self'" in answer.headers["Content-Security-Policy"], path
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_bad_input_names_field_and_reason(app: CityApp, people: Client) -> None:
    session = headers(app.session(Role.CITY_OPERATOR, HOME.community))
    cases = {"/situation?period=9y": "period", "/situation/use.csv?period=": "period", f"/find?q={'x' * 81}": "q"}
    for path, field in cases.items():
        async with people.get(path, headers={**session, "HX-Request": "true"}) as answer:
            problem = await answer.json()
            assert answer.status == 422
            assert problem["errors"][0]["field"] == field
            assert problem["errors"][0]["reason"]
            assert problem["next_step"]


async def test_a_body_over_the_limit_is_refused(app: CityApp, people: Client) -> None:
    async with people.post("/settings/theme", data=b"theme=" + b"x" * 70_000) as answer:
        assert answer.status == 413
