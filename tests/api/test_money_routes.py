"""Routes of money and claims: each reading of uses is written down, nobody names another, bad input says why."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import delete, select, update
from support.city_app import headers
from support.money_server import setup_of
from support.money_world import open_money
from support.settled import World
from tallystick_cloud import schema
from tallystick_cloud.app import build_table, web_application
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import store_session
from tallystick_cloud.http.month import Month
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.ledger.model import DAY_MS
from tallystick_cloud.statements import view
from tallystick_protocol.claim import parse_claim

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = open_money(f"sqlite:///{tmp_path_factory.mktemp('money') / 'cloud.db'}")
    yield found
    found.books.database.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    setup = setup_of(world)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as found:
        yield found


def signed_in(world: World, name: str, role: Role) -> dict[str, str]:
    row = new_session(world.community, world.ids[name], role, real_utc_ms())
    world.books.database.write_now(store_session, row)
    return headers(row)


def accesses(world: World) -> list[tuple[bytes, str, str, int]]:
    rows = world.books.rows(schema.access)
    world.books.database.write_now(lambda conn: conn.execute(delete(schema.access)))
    return [(row["actor"], row["purpose"], row["basis"], row["row_count"]) for row in rows]  # type: ignore[misc]


async def test_every_page_and_file_that_reads_uses_leaves_a_row(client: Client, world: World) -> None:
    use = world.books.rows(schema.use)[0]["use_id"].hex()  # type: ignore[attr-defined]
    anna = signed_in(world, "Anna", Role.USER)
    accesses(world)
    pages = {
        f"/uses/{use}": "use page",
        "/uses?period=2026-11": "list of uses",
        "/uses.csv?period=2026-11": "list of uses",
        "/statements": "list of statements",
        "/statements/2026-11": "statement page",
        "/statements/2026-11.csv": "statement file",
    }
    for path, purpose in pages.items():
        async with client.get(path, headers=anna) as answer:
            assert answer.status == 200, path
        found = accesses(world)
        assert found, path
        assert {(actor, said) for actor, said, _, _ in found} == {(world.ids["Anna"], purpose)}


async def test_a_use_of_somebody_else_is_not_there_and_leaves_no_row(client: Client, world: World) -> None:
    wash = next(row for row in world.books.rows(schema.use) if row["form"] == "event")
    ben = signed_in(world, "Ben", Role.USER)
    accesses(world)
    async with client.get(f"/uses/{wash['use_id'].hex()}", headers=ben) as answer:  # type: ignore[attr-defined]
        assert answer.status == 404
        assert "not among the uses that you pay or share in" in await answer.text()
    assert accesses(world) == []


async def test_each_party_gets_its_own_statement(client: Client, world: World) -> None:
    texts = {}
    for name, role in (("Anna", Role.USER), ("Repairer", Role.SERVICER), ("Bank", Role.FINANCIER)):
        async with client.get("/statements/2026-11.csv", headers=signed_in(world, name, role)) as answer:
            texts[name] = await answer.text()
    assert len(set(texts.values())) == 3
    assert "you used it" in texts["Anna"]
    assert "you used it" not in texts["Repairer"]
    for other in ("Ben", "Repairer", "Bank"):
        assert other not in texts["Anna"]


async def test_a_contract_is_shown_to_its_parties_and_offices_only(client: Client, world: World) -> None:
    chain = world.books.rows(schema.contract_version)[0]["chain"].hex()  # type: ignore[attr-defined]
    may = {"Anna": Role.USER, "Maria": Role.COMMUNITY_MANAGER, "Ada": Role.AUDITOR}
    for name, role in {**may, "Newcomer": Role.SERVICER}.items():
        async with client.get(f"/contracts/{chain}", headers=signed_in(world, name, role)) as answer:
            assert answer.status == (200 if name in may else 404), name
    async with client.get("/contracts", headers=signed_in(world, "Newcomer", Role.SERVICER)) as answer:
        assert "No contract names you yet" in await answer.text()


async def test_somebody_new_is_told_the_next_step(client: Client, world: World) -> None:
    new = signed_in(world, "Newcomer", Role.SERVICER)
    for path, says in (("/owner", "Nothing earned yet"), ("/statements", "No statement yet"), ("/uses", "No use in")):
        async with client.get(path, headers=new) as answer:
            assert answer.status == 200
            assert says in await answer.text(), path


@pytest.mark.parametrize("path", ["/owner?period=2026-13", "/uses?period=1", "/uses?day=today", "/statements/2026-00"])
async def test_a_period_that_is_none_is_refused_with_its_field(client: Client, world: World, path: str) -> None:
    sent = {**signed_in(world, "Maria", Role.COMMUNITY_MANAGER), "HX-Request": "true"}
    async with client.get(path, headers=sent) as answer:
        assert answer.status == 422
        problem = await answer.json()
        assert problem["errors"][0]["field"] in ("period", "day")


@pytest.mark.parametrize("form", ["event", "minimum"])
async def test_a_use_leads_to_the_statement_that_charges_it(client: Client, world: World, form: str) -> None:
    """A minimum of November is made in December; and so is a wash charged that came while November was being closed."""
    row = next(row for row in world.books.rows(schema.use) if row["form"] == form)
    name = next(name for name, party in world.ids.items() if party == row["payer"])
    payer = signed_in(world, name, Role.USER)
    use, was = row["use_id"], int(row["recorded_ms"])  # type: ignore[call-overload]
    assert Month.of(int(row["end_ms"]) - 1, "UTC").text == "2026-11"  # type: ignore[call-overload]

    def record(ms: int) -> None:
        which = update(schema.use_row).where(schema.use_row.c.use_id == use)
        world.books.database.write_now(lambda conn: conn.execute(which.values(recorded_ms=ms)))

    record(was + 40 * DAY_MS)
    async with client.get(f"/uses/{use.hex()}", headers=payer) as answer:  # type: ignore[attr-defined]
        text = await answer.text()
    record(was)
    assert 'href="/statements/2026-11"' in text
    assert f"tallystick evidence &#39;{name}&#39; 2026-11" in text


async def test_of_a_claim_only_the_hash_is_kept(client: Client, world: World) -> None:
    maria = signed_in(world, "Maria", Role.INSTALLER)
    before = world.books.rows(schema.claim)
    async with client.post("/claims", headers=maria, data={"site": "cellar"}) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
    groups = re.findall(r"</small>([0-9A-Z]{4})</li>", text)
    made = [row for row in world.books.rows(schema.claim) if row not in before]
    assert [row["hash"] for row in made] == [hashlib.sha256(parse_claim("-".join(groups))).digest()]
    assert "-".join(groups) not in repr(world.books.rows(schema.claim))
    async with client.get("/claims", headers=maria) as answer:
        assert "-".join(groups) not in await answer.text()


async def test_a_claim_for_no_site_changes_nothing(client: Client, world: World) -> None:
    maria = signed_in(world, "Maria", Role.INSTALLER)
    before = world.books.rows(schema.claim)
    for form, status in (({"site": "attic"}, 404), ({"site": ""}, 422), ({}, 422)):
        async with client.post("/claims", headers=maria, data=form) as answer:
            assert answer.status == status
    assert world.books.rows(schema.claim) == before


async def test_a_gateway_of_nobody_is_not_there(client: Client, world: World) -> None:
    maria = signed_in(world, "Maria", Role.INSTALLER)
    async with client.get(f"/gateways/{'0' * 32}", headers=maria) as answer:
        assert answer.status == 404
    gid = world.books.database.read_now(lambda conn: conn.execute(select(schema.gateway.c.gid)).scalar_one())
    async with client.get(f"/gateways/{bytes(gid).hex()}", headers=maria) as answer:
        assert answer.status == 200


async def test_a_long_statement_is_read_page_by_page_and_adds_up(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    coop, month = signed_in(world, "Coop", Role.OWNER), "/statements/2026-11"

    async def read(path: str) -> str:
        async with client.get(path, headers=coop) as answer:
            assert answer.status == 200, path
            return (await answer.text()).split("<main")[1]

    whole = await read(month)
    assert "Later lines" not in whole
    refs = re.findall(r'<td class="ref"[^>]*>([^<]+)</td>', whole)
    sums = re.findall(r"<dd>.*?</dd>", whole.split("</dl>")[0], re.DOTALL)
    monkeypatch.setattr(view, "ROWS_SHOWN", 2)
    monkeypatch.setattr(view, "ROWS_ON_PAGE", 2)
    first = await read(month)
    assert "Further contracts" in first
    assert "Further contracts" not in whole
    found: list[str] = []
    for account in sorted(set(re.findall(r"account=([0-9a-f]{64})", first))):
        path, before, carried = f"{month}?account={account}", "", ""
        while path:
            page = await read(path)
            assert re.findall(r"<dd>.*?</dd>", page.split("</dl>")[0], re.DOTALL) == sums, "the sums are of the month"
            lines = re.findall(r'<td class="ref"[^>]*>([^<]+)</td>', page)
            edges = re.findall(r'<tr class="edge">.*?<th scope="row">(.*?)</th>.*?class="amount">(.*?)</span>', page)
            assert 0 < len(lines) <= 2
            assert edges[0] == ("Carried over", carried) if before else edges[0][0] == "Opening balance"
            carried = edges[-1][1]
            back = re.search(r'rel="prev" href="([^"]*)"', page)
            assert (back is None) is (before == "")
            assert back is None or back[1].replace("&amp;", "&") == before
            found += lines
            onward = re.search(r'rel="next" href="([^"]*)"', page)
            before, path = path, "" if onward is None else onward[1].replace("&amp;", "&")
            assert onward is None or edges[-1][0] == "Carried forward"
    assert sorted(found) == sorted(refs), "every line stands on one page"
    assert len(found) >= 6, "three pages at least"
    for bad, status in ((f"{month}?account={'0' * 64}", 404), (f"{month}?account=1", 422), (f"{month}?after=x", 422)):
        async with client.get(bad, headers=coop) as answer:
            assert answer.status == status, bad
