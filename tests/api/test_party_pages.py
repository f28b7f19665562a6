"""People and organisations on pages without JavaScript: who is seen how, who joins, whose money goes where."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.payouts import EURO, IBANS, Payouts, open_payouts
from support.people import Person, Shelf, people_of
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties import pages
from tallystick_cloud.parties.store import accounts, names_by_id, roles, with_key

NOW = 1_800_000_000_000
IBAN = "IT60 X054 2811 1010 0000 0123 456"
Staff = Callable[[str, Role], Person]


@pytest.fixture
def town() -> Payouts:
    made = open_payouts()
    made.earn({"Ben": 5 * EURO, "Repairer": 3 * EURO})
    return made


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def person(town: Payouts, shelf: Shelf) -> AsyncIterator[Staff]:
    books = town.books
    async with people_of(books.database, town.community, town.ids, NOW, books.aggregator, shelf) as people:
        yield people.sign_in
    books.database.close()


def rows(page: str) -> dict[str, str]:
    """name -> the text of the line."""
    found = re.findall(r"<tr><th.*?<a[^>]*>(.*?)</a>(.*?)</tr>", page, re.DOTALL)
    return {name: " ".join(re.sub("<.*?>", " ", text).split()) for name, text in found}


def pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


async def test_everybody_is_listed_with_masked_accounts_and_a_look_leaves_a_row(town: Payouts, person: Staff) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    page = await maria.page("/parties")
    assert "IT...3456" in rows(page)["Repairer"]
    assert "EUR 3.00" in rows(page)["Repairer"]
    assert "none, and money is owed" in rows(page)["Ben"]
    for iban in IBANS.values():
        assert iban not in page
    assert set(rows(await maria.page("/parties?q=REP"))) == {"Repairer"}
    assert "Nobody has that name." in await maria.page("/parties?q=zzz")
    one = await maria.page(f"/parties/{town.ids['Repairer'].hex()}")
    assert "kept by this server, which signs for it" in one
    assert IBANS["Repairer"] not in one
    status, text = await maria.get("/parties.csv?q=rep")
    assert (status, text.decode("utf-8-sig").splitlines()[1:]) == (
        200, ["Repairer,Person,Servicer,IT...3456,yes,2,EUR 3.00,"],
    )  # fmt: skip
    seen = [
        (row["resource"], row["on_behalf"])
        for row in town.books.rows(schema.access)
        if row["actor"] == town.ids["Maria"]
    ]
    lists = [("list of parties", None)] * 3
    assert seen == [*lists, ("record of a party", town.ids["Repairer"]), ("list of parties", None)]


async def test_long_lists_are_read_page_by_page(person: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SHOWN", 4)
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    whole: list[str] = []
    path = "/parties"
    while path:
        page = await maria.page(path)
        assert len(rows(page)) <= 4
        whole += rows(page)
        found = re.search(r'href="(/parties\?[^"]*after=[^"]*)"', page)
        path = "" if found is None else found[1].replace("&amp;", "&")
    status, text = await maria.get("/parties.csv")
    assert status == 200
    assert whole == [line.split(",")[0] for line in text.decode().splitlines()[1:]]


async def test_somebody_joins_with_a_key_of_the_server_or_an_own(town: Payouts, person: Staff, shelf: Shelf) -> None:
    maria, database = person("Maria", Role.COMMUNITY_MANAGER), town.books.database
    lena = {"name": "Lena Koch", "form": "person", "role": "user", "iban": IBAN, "sure": "yes"}
    before = town.books.dump()
    for wrong in (
        {"sure": ""},
        {"name": " "},
        {"iban": "IT61" + IBAN[4:]},
        {"role": "king"},
        {"name": "Ben"},
        {"form": "x"},
    ):
        status, text = await maria.hand_in("/parties", {"key": b""}, **{**lena, **wrong})
        assert status in (409, 422), wrong
    status, text = await maria.hand_in("/parties", {"key": b"no key"}, **lena)
    assert status == 422
    assert b"is not a public key in PEM" in text
    assert town.books.dump() == before, "nothing is stored of what is refused"
    assert shelf.kept == {}
    assert (await maria.hand_in("/parties", {"key": b""}, **lena))[0] == 303
    own = {**lena, "name": "Berger & Co", "form": "organisation", "role": "", "iban": ""}
    assert (await maria.hand_in("/parties", {"key": pem()}, **own))[0] == 303
    ids = {name: one for one, name in database.read_now(names_by_id, town.community).items()}
    assert set(shelf.kept) == {ids["Lena Koch"]}, "a key that is the party's own never comes here"
    assert {ids["Lena Koch"], ids["Berger & Co"]} <= database.read_now(with_key, town.community)
    assert database.read_now(accounts, town.community)[ids["Lena Koch"]] == (IBAN.replace(" ", ""), "Lena Koch")
    page = await maria.page(f"/parties/{ids['Berger & Co'].hex()}")
    assert "kept by the party" in page
    assert "Money for them goes nowhere yet." in page


async def test_an_account_changes_with_a_yes_and_its_row(town: Payouts, person: Staff) -> None:
    maria, database = person("Maria", Role.COMMUNITY_MANAGER), town.books.database
    path = f"/parties/{town.ids['Repairer'].hex()}/account"
    before = town.books.dump()
    assert (await maria.send(path, iban=IBAN))[0] == 422, "not without the box"
    assert (await maria.send(path, iban="DE00", sure="yes"))[0] == 422
    assert (await maria.send(path, holder="Berger", sure="yes"))[0] == 422
    assert (await maria.send(f"/parties/{bytes(16).hex()}/account", iban=IBAN, sure="yes"))[0] == 404
    assert town.books.dump() == before
    assert (await maria.send(path, iban=IBAN, holder="Berger", sure="yes"))[0] == 303
    assert (await maria.send(path, iban=IBAN, holder="Berger", sure="yes"))[0] == 303
    repairer = town.ids["Repairer"]
    assert database.read_now(accounts, town.community)[repairer] == (IBAN.replace(" ", ""), "Berger")
    page = await maria.page(f"/parties/{repairer.hex()}")
    assert "Earlier accounts: 1" in page
    changes = [row for row in town.books.rows(schema.access) if row["resource"] == "bank account of a party"]
    assert [(row["actor"], row["on_behalf"]) for row in changes] == [(town.ids["Maria"], repairer)], (
        "one change, one row"
    )
    assert (await maria.send(path, sure="yes"))[0] == 303
    assert repairer not in database.read_now(accounts, town.community)


async def test_a_role_is_given_and_ended_but_never_the_last_manager(town: Payouts, person: Staff) -> None:
    maria, database = person("Maria", Role.COMMUNITY_MANAGER), town.books.database
    ben, path = town.ids["Ben"], f"/parties/{town.ids['Ben'].hex()}"
    assert (await maria.send(f"{path}/role", role="auditor"))[0] == 422, "not without the box"
    assert (await maria.send(f"{path}/role", role="king", sure="yes"))[0] == 422
    assert (await maria.send(f"{path}/role", role="auditor", sure="yes"))[0] == 303
    assert "auditor" in database.read_now(roles, town.community)[ben]
    auditor = person("Ben", Role.AUDITOR)
    page = await auditor.page("/parties")
    assert "Repairer" in rows(page)
    assert "Add somebody" not in page
    assert 'method="post"' not in await auditor.page(path)
    assert (await auditor.send(f"{path}/role", role="community_manager", sure="yes"))[0] == 403
    assert (await maria.send(f"{path}/role-end", role="auditor", sure="yes"))[0] == 303
    assert "Earlier roles: 1" in await maria.page(path)
    assert (await auditor.get("/parties"))[0] == 401, "whoever signed in with it is out"
    managers = [one for one, held in database.read_now(roles, town.community).items() if "community_manager" in held]
    ends = [(await maria.send(f"/parties/{one.hex()}/role-end", role="community_manager", sure="yes"))[0]
            for one in sorted(managers, key=lambda one: one == town.ids["Maria"])]  # fmt: skip
    assert ends == [303] * (len(managers) - 1) + [409]


async def test_nobody_of_another_community_or_without_the_office_is_let_in(town: Payouts, person: Staff) -> None:
    for name, role in (("Ben", Role.USER), ("Repairer", Role.SERVICER)):
        for path in ("/parties", "/parties.csv", f"/parties/{town.ids['Ben'].hex()}"):
            assert (await person(name, role).get(path))[0] in (401, 403), (name, path)
    assert (await person("Maria", Role.COMMUNITY_MANAGER).get(f"/parties/{bytes(16).hex()}"))[0] == 404
