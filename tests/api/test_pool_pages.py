"""An energy community on pages: what was shared, whose it is, where its worth goes; nobody reads another's hours."""

import csv
import io
import re
from collections.abc import AsyncIterator

import pytest
from support.people import People, Person, people_of
from support.pools import ABOVE, HOUR, T0, USERS, Community, open_community, open_sunny, sunny_day, toml
from tallystick_cloud import schema
from tallystick_cloud.http.authz import Role
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.pools import pages, shares

STRANGER = '[[party]]\nname = "Stranger"\nroles = ["user"]\nkey = "hosted"\n'


@pytest.fixture(scope="module")
def cer() -> Community:
    """A day of the grid's file, its last hours missing."""
    return open_sunny()


@pytest.fixture
async def people(cer: Community) -> AsyncIterator[People]:
    database = cer.books.database
    async with people_of(database, "cer", database.read_now(ids_by_name, "cer"), cer.now_ms) as found:
        yield found


def chain(cer: Community) -> str:
    return cer.versions()[0].chain.hex()


def office(people: People) -> Person:
    return people.sign_in("CER", Role.COMMUNITY_MANAGER)


def number(text: str) -> int:
    """An amount or energy as it is written, in nano or in millionths of a Wh."""
    plain = re.sub(r"<[^>]+>", "", text).replace(",", "").replace("\u2212", "-")
    whole, _, rest = plain.partition(".")
    return int(whole + f"{rest:0<9}")


def amounts(page: str, heading: str) -> list[int]:
    """The amounts in the panel of a heading."""
    panel = page.split(f'id="{heading}"')[1].split("</section>")[0]
    return [number(one) for one in re.findall(r'<span class="amount">(.*?)</span>', panel)]


async def test_the_office_sees_every_member_and_all_the_worth(cer: Community, people: People) -> None:
    answer = await office(people).get("/pools")
    assert answer[0] == 200, "the only pool opens at once"
    page = await office(people).page(f"/pools/{chain(cer)}")
    assert "Shared energy, 2 Jan 2026" in page, "without a day it is the last one that a file speaks of"
    for name in (*USERS, "Social fund"):
        assert name in page
    parts = amounts(page, "h-where")
    worked = cer.look("2026-01-02")
    assert sum(parts[:-1]) == parts[-1] == shares.sums(worked.intervals).worth
    assert sum(amounts(page, "h-members")) == sum(one.got for one in shares.members(worked.intervals))
    assert "Level 0 for 22 of 22 intervals" in page
    assert "Nobody signed it" in page
    assert "Plant-1 has no injected energy" in page
    assert page.count("open: something is missing") == 2
    assert f"/pools/{chain(cer)}/data" in page


async def test_a_member_sees_the_own_numbers_and_the_others_as_one(cer: Community, people: People) -> None:
    anna = people.sign_in("Anna", Role.USER)
    page = await anna.page(f"/pools/{chain(cer)}")
    assert "Yours of it" in page
    for other in ("Bakery", "Carla", "School", "Farm"):
        assert other not in page, other
    assert "The other members" in page
    own = next(one for one in shares.members(cer.look("2026-01-02").intervals) if one.party == people.ids["Anna"])
    assert amounts(page, "h-members")[0] == own.got
    rows = [row for row in cer.books.rows(schema.access) if row["actor"] == people.ids["Anna"]]
    assert {(row["resource"], row["basis"], row["row_count"]) for row in rows} == {
        ("hours of a pool", "party to the split", 22)
    }


async def test_a_party_without_a_meter_reads_how_many_members_there_are(people: People, cer: Community) -> None:
    page = await people.sign_in("GSE", Role.USER).page(f"/pools/{chain(cer)}")
    assert '<dt>Members</dt><dd class="value num">5</dd>' in page
    assert "School" not in page


async def test_the_contract_of_a_pool_has_its_page_and_leads_to_what_is_shared(cer: Community, people: People) -> None:
    for person in (office(people), people.sign_in("Anna", Role.USER)):
        assert f'href="/pools/{chain(cer)}"' in await person.page("/contracts")
        page = await person.page(f"/contracts/{chain(cer)}")
        assert f'href="/pools/{chain(cer)}"' in page
        parts = amounts(page, "h-name")
        assert sum(parts[:-1]) == parts[-1] == 130 * 10**9, "of EUR 130 for a MWh, the best class"
        assert "producers" in page


async def test_one_interval_is_shown_closely(cer: Community, people: People) -> None:
    at = T0 + 36 * HOUR
    page = await office(people).page(f"/pools/{chain(cer)}?period=2026-01-02&at={at}")
    assert "12:00 to 13:00, 2 Jan 2026" in page
    noon = next(one for one in cer.look("2026-01-02").intervals if one.start_ms == at)
    panel = page.split('id="h-interval"')[1].split("</section>")[0]
    took = [number(one) for one in re.findall(r">([0-9.]+) of [0-9.]+ kWh", panel)]
    assert sum(took[:2]) == sum(took[2:]) == noon.sharing.shared * 1_000_000
    assert noon.sharing.shared == 6600


async def test_the_threshold_counts_over_the_month_and_says_where_its_money_goes(
    cer: Community, people: People
) -> None:
    day = await office(people).page(f"/pools/{chain(cer)}?period=2026-01-02")
    assert "What is shared above 55 % of what was injected goes to Social fund." in day
    assert "It is counted over the period that the contract closes by" in day
    month = await office(people).page(f"/pools/{chain(cer)}?period=2026-01")
    sums = shares.sums(cer.look("2026-01").intervals)
    assert sums.above_wh == sums.shared - sums.injected * 55 // 100 > 0
    assert f"In this period {sums.above_wh / 1000:.3f} kWh were above it" in month
    assert sums.above in amounts(month, "h-where")
    assert cer.balances()["fund", "Social fund"] == -sum(
        nano
        for to, nano in shares.destinations(cer.look("2026-01").intervals).items()
        if to.party == people.ids["Social fund"]
    ), "what the page says is what was booked"
    assert "closed 1 Jan 2027" in month
    year = await office(people).page(f"/pools/{chain(cer)}?period=2026")
    assert "January 2026" in year


async def test_the_file_has_the_rows_of_the_table(cer: Community, people: People) -> None:
    for period, rows in (("2026-01-02", 24), ("2026-01", 31)):
        page = await office(people).page(f"/pools/{chain(cer)}?period={period}")
        status, data = await office(people).get(f"/pools/{chain(cer)}/energy.csv?period={period}")
        found = list(csv.DictReader(io.StringIO(data.decode().removeprefix("\ufeff"))))
        assert (status, len(found)) == (200, rows)
        table = page.split('id="h-table"')[1]
        shown = [number(one) for one in re.findall(r'data-label="Shared, kWh">([0-9.,]+)<', table)]
        assert [int(row["shared_wh"]) * 1_000_000 for row in found if row["shared_wh"]] == shown
        assert sum(shown) == shares.sums(cer.look(period).intervals).shared * 1_000_000
    anna = people.sign_in("Anna", Role.USER)
    assert (await anna.get(f"/pools/{'0' * 64}/energy.csv"))[0] == 404


async def test_a_period_without_a_contract_a_wrong_one_and_one_too_large(
    cer: Community, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"/pools/{chain(cer)}?period="
    assert "No contract was in force in this period" in await office(people).page(base + "2025-12-31")
    for wrong in ("2026-02-30", "2026-13", "yesterday"):
        assert (await office(people).get(base + wrong))[0] == 422, wrong
    monkeypatch.setattr(pages, "ROWS_MAX", 100)
    status, answer = await office(people).get(base + "2026-01-02")
    assert status == 422
    assert b"too many for a page" in answer


async def test_who_is_not_in_it_finds_no_pool() -> None:
    cer = open_community(text=toml(ABOVE), more=STRANGER)
    cer.upload(sunny_day())
    database = cer.books.database
    async with people_of(database, "cer", database.read_now(ids_by_name, "cer"), cer.now_ms) as people:
        stranger = people.sign_in("Stranger", Role.USER)
        assert "You are in no energy community here" in await stranger.page("/pools")
        assert (await stranger.get(f"/pools/{chain(cer)}"))[0] == 404
        page = await office(people).page(f"/pools/{chain(cer)}")
        assert "The series NORD has no price" in page
        assert "No interval of this period is complete" in page
    database.close()


async def test_a_year_that_is_trued_up_says_so_and_consumers_can_be_the_ones_who_pay() -> None:
    text = toml(ABOVE.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "90 %"'))
    cer = open_sunny_with(text.replace('payer = "GSE"', 'payer = "consumers"'))
    database = cer.books.database
    async with people_of(database, "cer", database.read_now(ids_by_name, "cer"), cer.now_ms) as people:
        page = await office(people).page(f"/pools/{chain(cer)}?period=2026-01-02")
        assert "Each period is paid on account" in page
        assert "It is counted over a year" in page
        members = shares.members(cer.look("2026-01-02").intervals)
        assert sum(one.charged for one in members) == shares.sums(cer.look("2026-01-02").intervals).worth
        assert sum(amounts(page, "h-members")) == sum(one.got - one.charged for one in members)
    database.close()


def open_sunny_with(text: str) -> Community:
    cer = open_community(text=text)
    cer.upload(sunny_day())
    cer.prices("start,price\n" + "".join(f"2026-01-02T{hour:02d}:00,{100 + hour}\n" for hour in range(24)))
    return cer
