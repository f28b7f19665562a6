"""The treasurer's page without JavaScript: propose, release, file, statement in, assign; each step by a form."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from sqlalchemy import Connection
from support.bank import BankTown
from support.books import T0
from support.payouts import DAY, EURO, IBANS, open_payouts
from support.people import Person, people_of
from tallystick_cloud import schema
from tallystick_cloud.bank.xml import FILE_BYTES_MAX
from tallystick_cloud.http.authz import Role
from tallystick_sim.bank import SimBank

Client = TestClient[web.Request, web.Application]
STRANGER_IBAN = "FR7630006000011234567890189"


@pytest.fixture
def town(tmp_path: Path) -> BankTown:
    made = open_payouts(f"sqlite:///{tmp_path / 'cloud.db'}")
    made.earn({"Bank": 40 * EURO, "Fund": 2 * EURO + 1})
    return BankTown(made, SimBank(IBANS["Coop"], 100_000))


class Treasurer(Person):
    """Somebody at the page of payouts."""

    async def payouts(self) -> str:
        return await self.page("/payouts")

    async def statement(self, data: bytes, csrf: str | None = None) -> tuple[int, str]:
        """Hand in a file from the bank."""
        fields = {} if csrf is None else {"csrf": csrf}
        status, answer = await self.hand_in("/bank-files", {"file": data}, **fields)
        return status, answer.decode()

    async def begin(self, path: str, headers: dict[str, str]) -> int:
        """Announce a body and see what is said before it is sent."""
        reader, writer = await asyncio.open_connection(self.client.host, self.client.port)
        lines = [f"POST {path} HTTP/1.1", f"Host: {self.client.host}:{self.client.port}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **headers}.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status


Staff = Callable[[str, Role], Treasurer]


@pytest.fixture
async def person(town: BankTown) -> AsyncIterator[Staff]:
    books, ids = town.payouts.books, town.payouts.ids
    async with people_of(books.database, town.payouts.community, ids, T0) as people:
        yield lambda name, role: people.sign_in(name, role, Treasurer)
    books.database.close()


async def test_from_what_is_owed_to_the_closed_account(town: BankTown, person: Staff) -> None:
    coop, maria = person("Coop", Role.COMMUNITY_MANAGER), person("Maria", Role.COMMUNITY_MANAGER)
    page = await coop.payouts()
    key = re.search(r'name="key" value="([^"]+)"', page)
    day = re.search(r'name="execution_day" value="([^"]+)"', page)
    assert key is not None
    assert day is not None
    fields = {"key": key[1], "collector": "Coop", "execution_day": day[1]}
    assert (await coop.send("/payouts", **fields))[0] == 303
    assert (await coop.send("/payouts", **fields))[0] == 303
    assert "/payouts/1/approve" not in await coop.payouts()
    assert (await coop.send("/payouts/1/approve"))[0] == 403
    assert "/payouts/1/approve" in await maria.payouts()
    assert (await maria.send("/payouts/1/approve"))[0] == 303
    status, file = await coop.send("/payouts/1/file")
    assert status == 200
    town.bank.execute(file, DAY)
    town.bank.receive(1250, DAY, "F. Conti", STRANGER_IBAN, remittance="washing")
    assert (await maria.statement(town.bank.statement(DAY)))[0] == 303
    page = await maria.payouts()
    assert "done" in page
    assert "F. Conti, washing" in page
    entry = re.search(r"/bank-entries/([0-9a-f]+)/assign", page)
    assert entry is not None
    assert (await maria.send(f"/bank-entries/{entry[1]}/assign", party="Anna"))[0] == 303
    assert "/bank-entries/" not in await maria.payouts()
    town.check_closes()


async def test_an_auditor_sees_and_cannot_act(person: Staff, town: BankTown) -> None:
    town.payouts.books.database.write_now(grant, town.payouts.community, town.payouts.ids["Stranger"], "auditor")
    auditor = person("Stranger", Role.AUDITOR)
    page = await auditor.payouts()
    assert "Next run of Coop" in page
    assert "<form" not in page
    assert (await auditor.send("/payouts", key="k", collector="Coop", execution_day="2026-11-05"))[0] == 403


def grant(conn: Connection, community: str, party: bytes, role: str) -> None:
    row = {"community": community, "party": party, "role": role, "granted_ms": T0}
    conn.execute(schema.role_grant.insert(), row)


async def test_a_bad_file_changes_nothing_and_says_why(town: BankTown, person: Staff) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    before = town.payouts.books.dump()
    for data, words in (
        (b"", "was not chosen"),
        (b"PK\x03\x04", "is not XML at line 1"),
        (b"\xff\xfe<\0", "is not UTF-8"),
        (town.bank.statement(DAY).replace(b"1000.00", b"1000,00"), "expected an amount such as 12.50"),
    ):
        status, text = await maria.statement(data)
        assert (status, words in text) == (409 if data else 422, True), text
    assert town.payouts.books.dump() == before


async def test_the_form_of_another_site_and_a_giant_file_are_refused(person: Staff, town: BankTown) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    assert (await maria.statement(town.bank.statement(DAY), csrf="00" * 16))[0] == 403
    headers = {"Content-Length": str(FILE_BYTES_MAX + 1), "Content-Type": "multipart/form-data; boundary=b"}
    assert await maria.begin("/bank-files", headers) == 413


def overpaid(town: BankTown) -> None:
    """Anna owes EUR 42 and a bit; EUR 50 came from her, and her account is known."""
    town.bank.receive(5000, DAY, "Anna", STRANGER_IBAN, reference=town.reference("Anna"))
    town.statement()
    row = {"party": town.payouts.ids["Anna"], "iban": STRANGER_IBAN, "holder": "Anna", "valid_from_ms": T0}
    row["community"] = town.payouts.community
    town.payouts.books.database.write_now(lambda conn: conn.execute(schema.party_account.insert(), row))


async def step(manager: Staff) -> str:
    """What the month's page says about payers in credit; nothing where nobody is."""
    page = await manager.page("/month")
    return page.split("Payers to pay back")[1].split('"note">')[1].split("<")[0] if "Payers to" in page else ""


async def test_what_was_paid_too_much_goes_back_after_a_sure_click_and_a_second_person(
    town: BankTown, person: Staff
) -> None:
    overpaid(town)
    coop, maria, anna = (
        person("Coop", Role.COMMUNITY_MANAGER),
        person("Maria", Role.COMMUNITY_MANAGER),
        person("Anna", Role.USER),
    )
    page = await anna.page("/statements")
    assert "Paid too much to Coop" in page
    assert "To have it paid back instead, ask Coop." in page
    assert await step(maria) == "they paid more than they owe; left here, it pays for what they use next"
    page = await coop.payouts()
    form = page.split('action="/payouts/refunds"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="(key|collector|payer|execution_day)" value="([^"]+)"', form))
    assert fields["payer"] == "Anna"
    assert "EUR 7.99 goes back to Anna, account FR76 3000 6000 0112 3456 7890 189." in form
    assert (await coop.send("/payouts/refunds", **fields))[0] == 422  # not sure
    assert (await anna.send("/payouts/refunds", sure="yes", **fields))[0] == 403
    assert (await coop.send("/payouts/refunds", sure="yes", **fields))[0] == 303
    assert (await coop.send("/payouts/refunds", sure="yes", **fields))[0] == 303
    assert await step(maria) == "what can be paid back is on its way"
    page = await maria.payouts()
    assert "Washes, paid back" in page
    assert "A run of Coop is under way: send it or cancel it first." in page
    assert (await maria.send("/payouts/1/approve"))[0] == 303
    assert "EUR 7.99 goes back to your account ending in 0189 on" in await anna.page("/statements")
    status, file = await coop.send("/payouts/1/file")
    assert status == 200
    assert (await coop.send("/payouts/1/sent"))[0] == 303
    page = await anna.page("/statements")
    assert "EUR 7.99 is on its way to your account ending in 0189" in page
    assert "It is set off" not in page
    town.bank.execute(file, DAY)
    assert (await maria.statement(town.bank.statement(DAY)))[0] == 303
    assert "Paid too much" not in await maria.payouts()
    assert await step(maria) == ""
    assert "Paid too much" not in await anna.page("/statements")
    town.check_closes()


async def test_who_gave_no_iban_is_not_offered_and_is_told_what_to_do(town: BankTown, person: Staff) -> None:
    town.bank.receive(5000, DAY, "Anna", STRANGER_IBAN, reference=town.reference("Anna"))
    town.statement()
    page = await person("Coop", Role.COMMUNITY_MANAGER).payouts()
    assert "Washes: EUR 7.99" in re.sub(r"<[^>]+>", "", page)
    assert "no bank account is known" in page.split('id="credits"')[1]
    assert "/payouts/refunds" not in page
    assert "give Coop your IBAN" in await person("Anna", Role.USER).page("/statements")
