"""Direct debits on pages without JavaScript: mandates kept and ended, a collection from proposal to return."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from support.books import DAY as DAY_MS
from support.books import T0
from support.debits import ANNA, BEN, CREDITOR_ID, DebitTown, open_debit_town
from support.people import People, people_of
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role

KEEP = {
    "payer": "Ben", "collector": "Coop", "iban": BEN, "reference": "M-Ben", "creditor_id": CREDITOR_ID,
    "signed": "2026-10-01",
}  # fmt: skip


@pytest.fixture
def town() -> DebitTown:
    """Anna and Ben owe; Anna signed a mandate."""
    return open_debit_town(owed={"Anna": 1234, "Ben": 999}, signed=("Anna",))


@pytest.fixture(scope="module")
def untouched() -> DebitTown:
    """For tests that leave it as it was."""
    return open_debit_town(owed={"Anna": 1234})


@pytest.fixture
async def people(town: DebitTown) -> AsyncIterator[People]:
    payouts = town.payouts
    async with people_of(payouts.books.database, payouts.community, payouts.ids, T0) as found:
        yield found
    payouts.books.database.close()


def proposal(page: str) -> dict[str, str]:
    """What the form of the page would send."""
    found = {
        name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("key", "collector", "collection_day")
    }
    return {name: one[1] for name, one in found.items() if one is not None}


async def test_a_collection_from_the_proposal_to_what_came_back(town: DebitTown, people: People) -> None:
    coop, maria = people.sign_in("Coop", Role.COMMUNITY_MANAGER), people.sign_in("Maria", Role.COMMUNITY_MANAGER)
    anna = people.sign_in("Anna", Role.USER)
    assert "EUR 12.34 is due, no day is set yet" in await anna.page("/mandates")
    page = await coop.page("/debits")
    assert "from one account" in page
    assert "no mandate: pays by transfer" in page
    fields = proposal(page)
    assert (await coop.send("/debits", **fields))[0] == 303
    assert (await coop.send("/debits", **fields))[0] == 303, "the same page twice is one run"
    assert len(town.payouts.books.rows(schema.debit_run)) == 1
    assert "/debits/1/approve" not in await coop.page("/debits")
    assert (await coop.send("/debits/1/approve"))[0] == 403
    assert (await maria.send("/debits/1/approve"))[0] == 303
    assert "EUR 12.34 on Mon 16 Nov" in await anna.page("/mandates")
    status, file = await coop.send("/debits/1/file")
    assert (status, file) == (200, town.debit_file())
    assert (await coop.send("/debits/1/sent"))[0] == 422, "nothing is marked without the box ticked"
    assert (await coop.send("/debits/1/sent", sure="yes"))[0] == 303
    day = town.debits().stored.collection_day
    town.bank.execute(file, day)
    town.statement(day)
    town.bank.send_back(town.debits().debits[0].end_to_end, day + timedelta(days=3), "AM04")
    town.statement(day + timedelta(days=3))
    page = await coop.page("/debits")
    assert "not enough money on the account (AM04)" in page.split('id="h-back"')[1].split("</section>")[0]
    assert "came back" in await anna.page("/mandates")
    assert "first time" in page
    assert (await coop.send("/debits", **{**fields, "collector": "Nobody"}))[0] == 422


async def test_the_rest_of_a_run_is_refused_only_after_a_yes(town: DebitTown, people: People) -> None:
    town.written()
    town.sent(1)
    coop = people.sign_in("Coop", Role.COMMUNITY_MANAGER)
    assert "/debits/1/reject" in await coop.page("/debits")
    assert (await coop.send("/debits/1/reject"))[0] == 422
    assert town.debits().debits[0].outcome is None
    assert (await coop.send("/debits/1/reject", sure="yes"))[0] == 303
    page = await coop.page("/debits")
    assert "refused by the bank" in page
    assert "said by hand" in page
    assert town.due("Anna") == 12_340_000_000


async def test_a_run_is_cancelled_before_the_bank_has_it_and_not_after(town: DebitTown, people: People) -> None:
    town.collect()
    coop = people.sign_in("Coop", Role.COMMUNITY_MANAGER)
    assert (await coop.send("/debits/1/cancel"))[0] == 303
    assert "cancelled" in await coop.page("/debits")
    town.written("two", number=2)
    town.sent(2)
    assert (await coop.send("/debits/2/cancel"))[0] == 409


async def test_a_mandate_is_kept_and_ended_by_the_office_or_by_its_payer(town: DebitTown, people: People) -> None:
    maria = people.sign_in("Maria", Role.COMMUNITY_MANAGER)
    anna, ben = people.sign_in("Anna", Role.USER), people.sign_in("Ben", Role.USER)
    assert "Nothing is collected from your account" in await ben.page("/mandates")
    assert (await maria.send("/mandates", **KEEP))[0] == 303
    assert (await maria.send("/mandates", **KEEP))[0] == 303, "the same again is the same"
    page = await ben.page("/mandates")
    assert f"ending in {BEN[-4:]}" in page
    assert BEN not in page.replace(" ", "")
    office = await maria.page("/debits")
    assert BEN in office.replace(" ", "")
    (own,) = re.findall("/mandates/([0-9a-f]{64})/revoke", page)
    assert (await anna.send(f"/mandates/{own}/revoke", sure="yes"))[0] == 404, "another's mandate is not there for her"
    assert (await ben.send(f"/mandates/{own}/revoke"))[0] == 422
    assert all(row["revoked_ms"] is None for row in town.payouts.books.rows(schema.mandate))
    assert (await ben.send(f"/mandates/{own}/revoke", sure="yes"))[0] == 303
    assert "ended" in await ben.page("/mandates")
    assert "nothing is collected under it" in await maria.page("/debits")
    (hers,) = re.findall("/mandates/([0-9a-f]{64})/revoke", await anna.page("/mandates"))
    assert (await maria.send(f"/mandates/{hers}/revoke", sure="yes"))[0] == 303


BAD = {
    "iban": ("DE68210501700012345679", b"iban"),
    "creditor_id": ("DE99ZZZ09999999999", b"wrong check digits"),
    "signed": ("2027-01-01", b"yet to come"),
    "payer": ("Nobody", b"payer"),
    "reference": ("  ", b"reference"),
}


@pytest.mark.parametrize("field", BAD)
async def test_a_bad_mandate_is_refused_with_its_field_and_nothing_is_kept(untouched: DebitTown, field: str) -> None:
    payouts = untouched.payouts
    before = payouts.books.rows(schema.mandate)
    value, words = BAD[field]
    async with people_of(payouts.books.database, payouts.community, payouts.ids, T0) as people:
        maria = people.sign_in("Maria", Role.COMMUNITY_MANAGER)
        status, answer = await maria.send("/mandates", **{**KEEP, field: value})
    assert status == 422
    assert words in answer.lower()
    assert payouts.books.rows(schema.mandate) == before


async def test_an_office_with_nothing_due_says_so(town: DebitTown, people: People) -> None:
    coop = people.sign_in("Coop", Role.COMMUNITY_MANAGER)
    town.owe("Anna", -12_340_000_000)
    town.owe("Ben", -9_990_000_000)
    page = await coop.page("/debits")
    assert "Nobody owes anything now" in page
    assert "No collection yet" in page
    assert ANNA in page.replace(" ", "")
    late = T0 + 1130 * DAY_MS
    async with people_of(people.database, people.community, people.ids, late) as later:
        assert "unused for 36 months" in await later.sign_in("Coop", Role.COMMUNITY_MANAGER).page("/debits")
