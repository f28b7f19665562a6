"""The treasurer's page without JavaScript: propose, release, file, statement in, assign; each step by a form."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import DummyCookieJar, FormData, web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Connection
from support.bank import BankTown
from support.books import T0
from support.payouts import DAY, EURO, IBANS, open_payouts
from tallystick_cloud import schema
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.bank.xml import FILE_BYTES_MAX
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, SessionRow, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_sim.bank import SimBank

Client = TestClient[web.Request, web.Application]
STRANGER_IBAN = "FR7630006000011234567890189"


class StillClock:
    def utc_ms(self) -> int:
        return T0


@pytest.fixture
def town(tmp_path: Path) -> BankTown:
    made = open_payouts(f"sqlite:///{tmp_path / 'cloud.db'}")
    made.earn({"Bank": 40 * EURO, "Fund": 2 * EURO + 1})
    return BankTown(made, SimBank(IBANS["Coop"], 100_000))


@pytest.fixture
async def client(town: BankTown) -> AsyncIterator[Client]:
    clock, database = StillClock(), town.payouts.books.database
    pages = Pages(clock, is_demo=False)
    setup = Setup(database, clock, Hub(database, pages, clock), pages)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield client
    database.close()


class Person:
    """Somebody with a browser and no JavaScript."""

    def __init__(self, client: Client, row: SessionRow) -> None:
        self._client, self._csrf = client, row.csrf.hex()
        self._headers = {"Cookie": f"{COOKIE}={row.secret.hex()}"}

    async def page(self) -> str:
        async with self._client.get("/payouts", headers=self._headers) as answer:
            assert answer.status == 200
            return await answer.text()

    async def send(self, path: str, **fields: str) -> tuple[int, bytes]:
        data = {"csrf": self._csrf, **fields}
        async with self._client.post(path, headers=self._headers, data=data, allow_redirects=False) as answer:
            return answer.status, await answer.read()

    async def hand_in(self, data: bytes, csrf: str | None = None) -> tuple[int, str]:
        form = FormData()
        form.add_field("csrf", self._csrf if csrf is None else csrf)
        form.add_field("file", data, filename="statement.xml", content_type="application/xml")
        async with self._client.post("/bank-files", headers=self._headers, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def begin(self, path: str, headers: dict[str, str]) -> int:
        """Announce a body and see what is said before it is sent."""
        reader, writer = await asyncio.open_connection(self._client.host, self._client.port)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self._client.host}:{self._client.port}"]
        lines += [f"{name}: {value}" for name, value in {**self._headers, **headers}.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status


@pytest.fixture
def person(town: BankTown, client: Client) -> Callable[[str, Role], Person]:
    def make(name: str, role: Role) -> Person:
        row = new_session(town.payouts.community, town.payouts.ids[name], role, real_utc_ms())
        town.payouts.books.database.write_now(store_session, row)
        return Person(client, row)

    return make


People = Callable[[str, Role], Person]


async def test_from_what_is_owed_to_the_closed_account(town: BankTown, person: People) -> None:
    coop, maria = person("Coop", Role.COMMUNITY_MANAGER), person("Maria", Role.COMMUNITY_MANAGER)
    page = await coop.page()
    key = re.search(r'name="key" value="([^"]+)"', page)
    day = re.search(r'name="execution_day" value="([^"]+)"', page)
    assert key is not None
    assert day is not None
    fields = {"key": key[1], "collector": "Coop", "execution_day": day[1]}
    assert (await coop.send("/payouts", **fields))[0] == 303
    assert (await coop.send("/payouts", **fields))[0] == 303
    assert "/payouts/1/approve" not in await coop.page()
    assert (await coop.send("/payouts/1/approve"))[0] == 403
    assert "/payouts/1/approve" in await maria.page()
    assert (await maria.send("/payouts/1/approve"))[0] == 303
    status, file = await coop.send("/payouts/1/file")
    assert status == 200
    town.bank.execute(file, DAY)
    town.bank.receive(1250, DAY, "F. Conti", STRANGER_IBAN, remittance="washing")
    assert (await maria.hand_in(town.bank.statement(DAY)))[0] == 303
    page = await maria.page()
    assert "done" in page
    assert "F. Conti, washing" in page
    entry = re.search(r"/bank-entries/([0-9a-f]+)/assign", page)
    assert entry is not None
    assert (await maria.send(f"/bank-entries/{entry[1]}/assign", party="Anna"))[0] == 303
    assert "/bank-entries/" not in await maria.page()
    town.check_closes()


async def test_an_auditor_sees_and_cannot_act(person: People, town: BankTown) -> None:
    town.payouts.books.database.write_now(grant, town.payouts.community, town.payouts.ids["Stranger"], "auditor")
    auditor = person("Stranger", Role.AUDITOR)
    page = await auditor.page()
    assert "Next run of Coop" in page
    assert "<form" not in page.split("<main")[1].split("</main>")[0]
    assert (await auditor.send("/payouts", key="k", collector="Coop", execution_day="2026-11-05"))[0] == 403


def grant(conn: Connection, community: str, party: bytes, role: str) -> None:
    row = {"community": community, "party": party, "role": role, "granted_ms": T0}
    conn.execute(schema.role_grant.insert(), row)


async def test_a_bad_file_changes_nothing_and_says_why(town: BankTown, person: People) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    before = town.payouts.books.dump()
    for data, words in (
        (b"", "was not chosen"),
        (b"PK\x03\x04", "is not XML at line 1"),
        (b"\xff\xfe<\0", "is not UTF-8"),
        (town.bank.statement(DAY).replace(b"1000.00", b"1000,00"), "expected an amount such as 12.50"),
    ):
        status, text = await maria.hand_in(data)
        assert (status, words in text) == (409 if data else 422, True), text
    assert town.payouts.books.dump() == before


async def test_the_form_of_another_site_and_a_giant_file_are_refused(person: People, town: BankTown) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    assert (await maria.hand_in(town.bank.statement(DAY), csrf="00" * 16))[0] == 403
    headers = {"Content-Length": str(FILE_BYTES_MAX + 1), "Content-Type": "multipart/form-data; boundary=b"}
    assert await maria.begin("/bank-files", headers) == 413
