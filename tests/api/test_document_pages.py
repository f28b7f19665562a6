"""Documents on pages: everybody their own, the office all of them, nobody another's."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import DummyCookieJar, FormData, web
from aiohttp.test_utils import TestClient, TestServer
from support.invoices import SETUP, Office, open_office
from support.money_world import NOW
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.csrf import HEADER
from tallystick_cloud.http.identity import COOKIE, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.invoices import store, ubl
from tallystick_cloud.invoices.api import document_routes

Client = TestClient[web.Request, web.Application]


class StillClock:
    def utc_ms(self) -> int:
        return NOW


@pytest.fixture
def office() -> Office:
    found = open_office()
    found.issue("2026-11")
    found.self_bill(1)
    return found


@pytest.fixture
async def client(office: Office) -> AsyncIterator[Client]:
    clock = StillClock()
    pages = Pages(clock, is_demo=False)
    setup = Setup(office.database, clock, Hub(office.database, pages, clock), pages)
    setup = replace(setup, domain_routes=(document_routes(office.database, clock),))
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield client


def signed_in(office: Office, name: str, role: Role) -> dict[str, str]:
    row = new_session(office.community, office.world.ids[name], role, real_utc_ms())
    office.database.write_now(store_session, row)
    return {"Cookie": f"{COOKIE}={row.secret.hex()}", HEADER: row.csrf.hex()}


async def get(client: Client, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    async with client.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


async def test_a_user_finds_own_documents_and_nobody_elses(office: Office, client: Client) -> None:
    anna = signed_in(office, "Anna", Role.USER)
    mine = next(one for one in office.documents() if one.buyer == office.world.ids["Anna"])
    other = next(one for one in office.documents() if one.buyer == office.world.ids["Ben"])
    status, page = await get(client, "/statements", anna)
    assert status == 200
    assert f"/documents/{mine.number}.pdf" in page.decode()
    assert other.number not in page.decode()
    assert (await get(client, f"/documents/{mine.number}.xml", anna)) == (200, ubl.write(mine.document))
    status, sheet = await get(client, f"/documents/{mine.number}.pdf", anna)
    assert (status, sheet[:5]) == (200, b"%PDF-")
    for path in (f"/documents/{other.number}.pdf", f"/documents/{other.number}.xml", "/documents/LH-2027-9999.pdf"):
        assert (await get(client, path, anna))[0] == 404, path
    assert (await get(client, "/documents", anna))[0] == 403
    status, statement = await get(client, "/statements/2026-11.pdf", anna)
    assert (status, statement[:5]) == (200, b"%PDF-")


async def test_a_payee_finds_what_was_written_in_its_name(office: Office, client: Client) -> None:
    bank = signed_in(office, "Bank", Role.FINANCIER)
    mine = [one for one in office.documents() if one.seller == office.world.ids["Bank"]]
    page = (await get(client, "/statements", bank))[1].decode()
    assert mine
    for one in mine:
        assert f"/documents/{one.number}.pdf" in page
        assert (await get(client, f"/documents/{one.number}.pdf", bank))[0] == 200


async def test_the_office_sees_all_of_them(office: Office, client: Client) -> None:
    for name, role in (("Maria", Role.COMMUNITY_MANAGER), ("Ada", Role.AUDITOR)):
        person = signed_in(office, name, role)
        status, page = await get(client, "/documents", person)
        assert status == 200
        for one in office.documents():
            assert f"/documents/{one.number}.xml" in page.decode()
        assert (await get(client, f"/documents/{office.documents()[0].number}.pdf", person))[0] == 200


async def test_documents_of_a_payout_run_are_written_on_its_page(office: Office, client: Client) -> None:
    maria, bank = signed_in(office, "Maria", Role.COMMUNITY_MANAGER), signed_in(office, "Bank", Role.FINANCIER)

    async def write(headers: dict[str, str], run: int = 2, **fields: str) -> tuple[int, str]:
        path, csrf = f"/payouts/{run}/documents", {"csrf": headers[HEADER]}
        async with client.post(path, headers=headers, data={**fields, **csrf}, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", "")

    page = (await get(client, "/payouts", maria))[1].decode()
    assert "/payouts/2/documents" in page
    assert (await write(bank, sure="yes"))[0] == 403
    assert (await write(maria))[0] == 422  # without the box
    assert (await write(maria, 3, sure="yes"))[0] == 404
    before = {one.number for one in office.documents()}
    for _ in range(2):
        assert await write(maria, sure="yes") == (303, "/documents?of=run+2")
    made = {one.number for one in office.documents()} - before
    page = (await get(client, "/documents?of=run+2", maria))[1].decode()
    assert made
    assert set(re.findall(r"/documents/([A-Z0-9-]+)\.pdf", page)) == made


async def test_a_month_is_shown_first_and_then_issued_on_pages(office: Office, client: Client) -> None:
    maria, ada = signed_in(office, "Maria", Role.COMMUNITY_MANAGER), signed_in(office, "Ada", Role.AUDITOR)

    async def send(path: str, headers: dict[str, str], **fields: str) -> tuple[int, str]:
        form = {**fields, "csrf": headers[HEADER]}
        async with client.post(path, headers=headers, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    december = {"month": "2026-12", "issuer": "Coop"}
    assert "/documents/check" not in (await get(client, "/documents", ada))[1].decode()
    assert "/documents/check" in (await get(client, "/documents", maria))[1].decode()
    before = {one.number for one in office.documents()}
    status, trial = await send("/documents/check", maria, **december)
    assert status == 200
    assert {one.number for one in office.documents()} == before
    assert (await send("/documents", ada, **december))[0] == 403
    for wrong in ({"month": "2026-13"}, {"issuer": "Nobody"}, {"issuer": ""}):
        assert (await send("/documents/check", maria, **{**december, **wrong}))[0] == 422
    for _ in range(2):  # the second time nothing
        assert (await send("/documents", maria, **december))[0] == 303
    made = {one.number for one in office.documents()} - before
    assert len(made) == 2
    assert all(number in trial for number in made)
    assert "The documents of this month are issued: 2." in (await send("/documents/check", maria, **december))[1]


async def test_an_issuers_setup_is_handed_in_on_the_page(office: Office, client: Client) -> None:
    maria = signed_in(office, "Maria", Role.COMMUNITY_MANAGER)

    async def hand_in(text: bytes) -> tuple[int, str]:
        form = FormData()
        form.add_field("csrf", maria[HEADER])
        form.add_field("file", text, filename="setup.toml")
        async with client.post("/documents/setup", headers=maria, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    def kept() -> str | None:
        return office.database.read_now(store.setup_text, office.community, office.world.ids["Coop"])

    before = kept()
    for wrong, said in ((b"", "empty"), (b"\xff", "UTF-8"), (SETUP.replace("19 %", "19").encode(), "rate")):
        status, page = await hand_in(wrong)
        assert (status, said in page) == (422, True)
    assert kept() == before
    changed = SETUP.replace("due_days = 14", "due_days = 30")
    assert (await hand_in(changed.encode()))[0] == 303
    assert kept() == changed


async def test_a_program_issues_a_month_and_reads_documents(office: Office, client: Client) -> None:
    base = f"/v1/communities/{office.community}"
    maria, anna = signed_in(office, "Maria", Role.COMMUNITY_MANAGER), signed_in(office, "Anna", Role.USER)
    repairer = signed_in(office, "Repairer", Role.SERVICER)

    async def send(path: str, headers: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        async with client.post(base + path, headers=headers, json=body) as answer:
            return answer.status, await answer.json()

    async def read(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        async with client.get(base + path, headers=headers) as answer:
            return answer.status, await answer.json()

    before = len(office.documents())
    status, trial = await send("/documents", maria, {"period": "2026-12", "dry_run": True})
    assert (status, trial["issued"], len(office.documents())) == (200, 2, before)
    assert await send("/documents", maria, {"period": "2026-12"}) == (200, trial)
    assert (await send("/documents", maria, {"period": "2026-12"}))[1]["issued"] == 0
    assert (await send("/documents", maria, {"period": "2026-13"}))[0] == 422
    assert (await send("/documents", repairer, {"period": "2026-12"}))[0] == 403
    assert (await send("/documents", maria, {"period": "2026-12", "issuer": "Nobody"}))[0] == 422
    assert (await send("/payout-runs/2/documents", maria, {}))[1]["issued"] > 0
    status, listed = await read("/documents", maria)
    assert (status, len(listed)) == (200, len(office.documents()))
    mine = next(one for one in listed if one["buyer"] == "Anna")
    other = next(one for one in listed if one["buyer"] == "Ben")
    assert await read(f"/documents/{mine['number']}", anna) == (200, mine)
    assert (await read(f"/documents/{other['number']}", anna))[0] == 404
    found = next(one for one in office.documents() if one.number == mine["number"])
    xml = f"{base}/documents/{mine['number']}/xml"
    assert await get(client, xml, anna) == (200, ubl.write(found.document))
