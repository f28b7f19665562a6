"""The page of a payment provider without JavaScript, and the same over HTTP: from what is due to the closed books."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from support.invoices import SETUP, Office
from support.people import Person, StillClock, people_of
from support.splits import ACCOUNTS, CENT, NOW, Splits
from tallystick_cloud.app import Setup, build_table, web_application
from tallystick_cloud.city.live import Hub
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.identity import COOKIE, store_session
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.sessions import new_session
from tallystick_cloud.splits.api import split_routes
from tallystick_cloud.splits.instructions import Format
from tallystick_cloud.splits.model import Outcome

RUNS = "/v1/communities/lindenhof/split-runs"
Staff = Callable[[str, Role], Person]


@pytest.fixture
def town(tmp_path: Path) -> Splits:
    return Splits(f"sqlite:///{tmp_path / 'cloud.db'}", washes=2)


@pytest.fixture
async def person(town: Splits) -> AsyncIterator[Staff]:
    async with people_of(town.books.database, town.community, town.ids, NOW) as people:
        yield people.sign_in
    town.books.database.close()


async def test_from_what_is_due_to_the_closed_books(town: Splits, person: Staff) -> None:
    coop, maria = person("Coop", Role.COMMUNITY_MANAGER), person("Maria", Role.COMMUNITY_MANAGER)
    assert 'href="/splits"' in await coop.page("/payouts")
    page, before = await coop.page("/splits"), town.owed()
    key, day = re.search(r'name="key" value="([^"]+)"', page), re.search(r'name="execution_day" value="([^"]+)"', page)
    assert key is not None
    assert day is not None
    fields = {"key": key[1], "collector": "Coop", "execution_day": day[1]}
    assert (await coop.send("/splits", **fields))[0] == 303
    assert (await coop.send("/splits", **fields))[0] == 303
    assert "/splits/1/approve" not in await coop.page("/splits")
    assert (await coop.send("/splits/1/approve"))[0] == 403
    assert (await coop.send("/splits/1/csv"))[0] == 409
    assert (await maria.send("/splits/1/approve"))[0] == 303
    status, file = await coop.send("/splits/1/csv")
    assert (status, file) == (200, town.file(Format.CSV))
    assert (await coop.send("/splits/1/json"))[1] == town.file(Format.JSON)
    assert (await coop.send("/splits/1/sent"))[0] == 422  # without the box
    assert (await coop.send("/splits/1/sent", sure="yes"))[0] == 303
    status, text = await maria.hand_in("/split-answers", {"file": b"payment,outcome\nx,paid\n"})
    assert (status, b"Line 2" in text) == (422, True), text
    payment = re.search(rb"[0-9a-f]{32}", file)
    assert payment is not None
    answer = b"payment,outcome\n" + payment[0] + b",paid\n"
    assert (await maria.hand_in("/split-answers", {"file": answer}))[0] == 303
    assert "done" in await maria.page("/splits")
    assert town.owed() == {name: nano % CENT for name, nano in before.items()}
    assert "Paid to you by the payment provider" in await person("Bank", Role.FINANCIER).page("/statements/2026-12")
    assert "Charged by the payment provider" in await person("Anna", Role.USER).page("/statements/2026-12")


async def test_documents_of_who_was_paid_are_written_by_clicking(town: Splits, person: Staff) -> None:
    coop, bank = person("Coop", Role.COMMUNITY_MANAGER), person("Bank", Role.FINANCIER)
    town.to_the_provider()
    assert "/splits/1/documents" not in await coop.page("/splits")
    town.tell(Outcome.PAID)
    assert "/splits/1/documents" in await coop.page("/splits")
    status, says = await coop.send("/splits/1/documents", sure="yes")
    assert (status, b"write a setup" in says) == (409, True), says
    Office(town.world, SETUP)
    assert (await bank.send("/splits/1/documents", sure="yes"))[0] == 403
    assert (await coop.send("/splits/1/documents"))[0] == 422  # without the box
    for _ in range(2):
        assert (await coop.send("/splits/1/documents", sure="yes"))[0] == 303
        page = await coop.page("/documents?of=split+run+1")
        assert "Documents of split run 1" in page
        assert [page.count(f'href="/documents/LH-S{n}-2026-0001.pdf"') for n in (1, 2, 3)] == [1, 1, 1]
        assert 'href="/documents/LH-S4-2026-0001.pdf"' not in page, "the collector's own share needs none"
    assert 'href="/documents"' in page
    assert "No document yet." in await coop.page("/documents?of=split+run+2")
    assert (await coop.get("/documents?of=everything"))[0] == 422


async def test_a_payer_is_told_that_nothing_has_to_be_done(town: Splits, person: Staff) -> None:
    anna = person("Anna", Role.USER)
    page = await anna.page("/statements")
    assert "a payment provider charges this for Coop" in page
    assert "3.05" in page
    assert "To pay to" not in page
    assert "My direct debits" not in page
    town.to_the_provider()
    town.tell(Outcome.PAID)
    assert "payment provider" not in await anna.page("/statements")


async def test_an_account_is_kept_and_what_is_open_is_told_by_hand(town: Splits, person: Staff) -> None:
    town.to_the_provider()
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    assert (await maria.send("/split-accounts", party="Ben", account="acct_bank"))[0] == 422
    assert (await maria.send("/split-accounts", party="Ben", account=" cus_ben "))[0] == 303
    assert "cus_ben" in await maria.page("/splits")
    assert (await maria.send("/splits/1/outcome", outcome="returned", sure="yes"))[0] == 422
    assert (await maria.send("/splits/1/outcome", outcome="refused", sure="yes"))[0] == 303
    assert "refused" in await maria.page("/splits")


async def test_the_same_over_http(town: Splits) -> None:
    clock, database = StillClock(NOW), town.books.database
    pages = Pages(clock, is_demo=False)
    routes = (split_routes(database, clock),)
    setup = Setup(database, clock, Hub(database, pages, clock), pages, domain_routes=routes)
    async with TestClient(
        TestServer(web_application(setup, build_table(setup))), cookie_jar=DummyCookieJar()
    ) as client:

        async def call(name: str, role: Role, method: str, path: str, **more: object) -> tuple[int, bytes]:
            row = new_session(town.community, town.ids[name], role, real_utc_ms())
            database.write_now(store_session, row)
            heads = {"Cookie": f"{COOKIE}={row.secret.hex()}", "X-CSRF-Token": row.csrf.hex()}
            heads |= more.pop("headers", {})  # type: ignore[arg-type,operator]
            async with client.request(method, path, headers=heads, **more) as answer:  # type: ignore[arg-type]
                return answer.status, await answer.read()

        office = Role.COMMUNITY_MANAGER
        accounts = "/v1/communities/lindenhof/split-accounts"
        status, text = await call("Maria", office, "GET", accounts)
        assert (status, text.count(b'"account"')) == (200, len(ACCOUNTS))
        status, text = await call("Maria", office, "POST", accounts, json={"party": "Nobody", "account": "x"})
        assert (status, b"Nobody" in text) == (422, True)
        ask = {"key": "november", "execution_day": "2026-12-03"}
        assert (await call("Coop", office, "POST", RUNS, json=ask))[0] == 200
        assert (await call("Coop", office, "POST", f"{RUNS}/1/approve"))[0] == 403
        assert (await call("Maria", office, "POST", f"{RUNS}/1/approve"))[0] == 200
        assert (await call("Coop", office, "POST", f"{RUNS}/1/csv"))[1] == town.file(Format.CSV)
        assert (await call("Coop", office, "POST", f"{RUNS}/1/json"))[1] == town.file(Format.JSON)
        assert (await call("Coop", office, "POST", f"{RUNS}/1/sent"))[0] == 200
        told = {"outcome": "paid", "payment": "zz"}
        assert (await call("Coop", office, "POST", f"{RUNS}/1/outcome", json=told))[0] == 404
        csv = {"Content-Type": "text/csv"}
        bad = await call("Coop", office, "POST", f"{RUNS[:-5]}-answers", data=b"x", headers=csv)
        assert (bad[0], b"line 1" in bad[1]) == (422, True)
        status, text = await call("Coop", office, "POST", f"{RUNS}/1/outcome", json={"outcome": "paid"})
        assert (status, b'"settled"' in text) == (200, True)
        assert (await call("Maria", office, "GET", RUNS))[0] == 200
        assert (await call("Coop", office, "POST", f"{RUNS}/1/cancel"))[0] == 409
    database.close()
