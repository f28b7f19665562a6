"""What everybody sees of an asset: nothing until it is decided, no names, no running month, no month of few people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer
from support import postgres
from support.books import DAY, HOUR, T0, Books, open_books
from support.money_server import setup_of
from support.money_world import NOW, open_money
from support.uploads import SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.app import build_table, web_application
from tallystick_cloud.assets.ledger import AssetLedger, Claim, MonthOfAsset
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.public import service
from tallystick_cloud.public.model import PublicSlice, Rule, Shows, asset_of

ALL = [one.value for one in Shows]
DECEMBER_5 = T0 + 34 * DAY


def month(text: str, payers: int) -> MonthOfAsset:
    return MonthOfAsset(text, 7, payers, 10**9, {"Bank": 4 * 10**8, "Coop": 5 * 10**8, "Kofler": 10**8})


def ledger(*payers: int) -> AssetLedger:
    months = tuple(month(f"2026-{at + 1:02d}", n) for at, n in enumerate(payers))
    claims = (Claim("Washes", "loan", ("Bank",), "lifetime", 2_500, 10_000),)
    return AssetLedger("washer", "Washer", "x", "Coop", "EUR", 0, months, claims, ("Washes",), 0, 0)


def rule(*shows: Shows, payers_min: int = 3) -> Rule:
    return Rule("washer", frozenset(shows), payers_min, "statute", 0)


ROLES = {"Bank": "financier", "Coop": "owner"}


def test_shares_go_by_role_and_only_what_the_rule_shows_is_there() -> None:
    found = asset_of(ledger(3), rule(*Shows), ROLES)
    (seen,) = found.months
    assert (seen.uses, seen.revenue_nano) == (7, "1000000000")
    assert seen.shares_nano == {"financier": "400000000", "owner": "500000000", "party": "100000000"}
    assert [(one.role, one.per, one.percent) for one in found.claims or ()] == [("financier", "lifetime", 25)]
    (bare,) = asset_of(ledger(3), rule(Shows.USES), ROLES).months
    assert (bare.uses, bare.revenue_nano, bare.shares_nano) == (7, None, None)


def test_a_month_of_few_people_tells_nothing_and_hides_the_claims_too() -> None:
    found = asset_of(ledger(3, 2), rule(*Shows), ROLES)
    assert [one.is_hidden for one in found.months] == [False, True]
    hidden = found.months[1]
    assert (hidden.uses, hidden.revenue_nano, hidden.shares_nano) == (None, None, None)
    assert found.claims is None  # what a claim took since would tell the month


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Washes in November and one in December."""
    with ExitStack() as stack:
        url = "sqlite://"
        if request.param == "postgresql":
            url = stack.enter_context(postgres.database(request.getfixturevalue("postgres_server")))
        found = open_books(url)
        stack.callback(found.database.close)
        washed(found)
        yield found


def washed(books: Books) -> None:
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    for at, day in enumerate((0, 5, 31)):
        start = T0 + day * DAY
        books.seal_and_send(gateway, wash(2, 1 + 3 * at, 1 + at, 1 + at, start, start + HOUR), start + HOUR)


def publish(books: Books, now_ms: int = DECEMBER_5) -> PublicSlice:
    wanted = books.database.read_now(service.edition, "lindenhof", now_ms)
    return books.database.write_now(service.publish, wanted, now_ms)


def decide(books: Books, asset: str = "washer", shows: list[str] = ALL, payers_min: int = 3, why: str = "x") -> None:
    by = next(row["id"] for row in books.rows(schema.party) if row["name"] == "Coop")
    books.database.write_now(service.decide, "lindenhof", asset, shows, payers_min, why, by, T0)  # type: ignore[arg-type]


def test_nothing_is_published_until_it_is_decided_and_whole_months_alone(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    for community in ("lindenhof", "nowhere"):  # off looks as what does not exist
        with pytest.raises(NotFound, match=f"{community} publishes nothing here"):
            books.database.read_now(service.edition, community, DECEMBER_5)
    decide(books)
    (asset,) = publish(books).assets
    assert [(one.month, one.is_hidden) for one in asset.months] == [("2026-11", True)]  # Anna washes alone
    monkeypatch.setattr("tallystick_cloud.public.service.PAYERS_MIN", 1)
    decide(books, payers_min=1)
    found = publish(books)
    (asset,) = found.assets
    assert found.as_of_ms == T0 + 30 * DAY - 1
    assert [(one.month, one.uses, one.revenue_nano) for one in asset.months] == [("2026-11", 2, "3700000000")]
    said = repr(found)
    assert not any(str(row["name"]) in said for row in books.rows(schema.party))
    written = books.rows(schema.access)
    assert [(row["resource"], row["actor"], row["row_count"]) for row in written] == [
        ("public slice", None, 0),
        ("public slice", None, 2),
    ]
    books.database.write_now(service.withdraw, "lindenhof", "washer")
    with pytest.raises(NotFound, match="publishes nothing here"):
        publish(books)
    with pytest.raises(NotFound, match="nothing of 'washer' is published"):
        books.database.write_now(service.withdraw, "lindenhof", "washer")


def test_rules_that_nobody_can_mean_are_refused_and_leave_everything_as_it_was() -> None:
    books = open_books()
    before = books.dump()
    with pytest.raises(NotFound, match="'wahser' is not an asset of lindenhof"):
        decide(books, "wahser")
    for shows in ([], ["uses", "names"]):
        with pytest.raises(BadInput, match=r"--shows: is .*; write some of uses,revenue,shares,claims"):
            decide(books, shows=shows)
    with pytest.raises(BadInput, match="--payers-min: is 2; of fewer than 3 each knows the others' part"):
        decide(books, payers_min=2)
    with pytest.raises(BadInput, match="--decision: must have 1 to 1000 characters"):
        decide(books, why=" ")
    assert books.dump() == before
    books.database.close()


async def test_anybody_reads_page_and_data_and_the_books_are_asked_once() -> None:
    world = open_money()
    setup = setup_of(world, now_ms=NOW)
    server = TestServer(web_application(setup, build_table(setup)))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        data, page = f"/v1/communities/{world.community}/public", f"/public/{world.community}"
        for path in (data, page, data.replace(world.community, "nowhere")):
            assert (await client.get(path)).status == 404
        by = world.ids["Coop"]
        world.books.database.write_now(service.decide, world.community, "washer", ALL, 3, "statute", by, NOW)
        before = len(world.books.rows(schema.access))
        for _ in range(3):
            answer = await client.get(data)
            assert answer.status == 200
            found = json.loads(await answer.text())
        assert found["assets"][0]["months"][0]["is_hidden"]
        answer = await client.get(page)
        text = await answer.text()
        assert answer.status == 200
        assert "fewer than 3 people: not shown" in text
        assert not any(name in text for name in world.ids)
        assert len(world.books.rows(schema.access)) == before + 1
    world.books.database.close()
