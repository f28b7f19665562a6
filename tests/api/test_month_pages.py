"""The month of a manager without JavaScript: what waits and where it is done, what is decided and closed from it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import date

import pytest
from support.books import DAY, ENERGY, T0, WASHES, open_books
from support.invoices import open_office
from support.money_world import town
from support.month import NOW, open_month
from support.people import Person, people_of
from support.settled import AFTER_NOVEMBER, NOVEMBER, World, open_world
from tallystick_cloud.closing.model import (
    Banking,
    Billing,
    Facts,
    Proposed,
    Running,
    Settling,
    State,
    Step,
    last_working_day,
    next_bills,
    tasks,
)
from tallystick_cloud.http.authz import Role
from tallystick_cloud.invoices.store import waiting_buyers
from tallystick_cloud.parties.store import ids_by_name

Staff = Callable[[str, Role], Person]
NO_RUN = Running(0, 0, 0)


@pytest.fixture
def world() -> World:
    return open_month()


@pytest.fixture
async def person(world: World) -> AsyncIterator[Staff]:
    office = world.books.aggregator
    async with people_of(world.books.database, world.community, world.ids, NOW, office) as people:
        yield people.sign_in
    world.books.database.close()


def steps(page: str) -> dict[str, tuple[str, str]]:
    """title -> (state, count); a step that is done has none."""
    found = re.findall(r'<li class="(\w+)">.*?<b>(.*?)</b>.*?<span class="much n">(.*?)</span>', page, re.DOTALL)
    return {title: (state, re.sub("<.*", "", count)) for state, title, count in found}


def form_of(page: str, path: str, nth: int = 0) -> dict[str, str]:
    """The hidden fields of a form, without its token."""
    form = re.findall(rf'<form[^>]*action="{path}">(.*?)</form>', page, re.DOTALL)[nth]
    return {
        name: value for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form) if name != "csrf"
    }


async def test_a_month_from_what_waits_to_its_close(world: World, person: Staff) -> None:
    maria = person("Maria", Role.COMMUNITY_MANAGER)
    page = await maria.page("/month")
    assert "December 2026" in page, "the last month is not closed, so it is shown before the running one"
    assert steps(page) == {
        "Readings set aside": ("waits", "1"),
        "Uses that the last close left open": ("waits", "2"),
        "Disputes": ("waits", "1"),
        "Contracts to be agreed": ("done", ""),
        "Contracts to settle": ("waits", "2"),
        "Bank statements to take": ("waits", "1"),
        "Bank entries without an owner": ("done", ""),
        "Payouts": ("done", ""),
        "Money to move to unclaimed": ("done", ""),
    }
    assert "Energy; Washes" in page
    assert "Coop: never yet" in page
    assert page.count('value="bill"') == 1, "counts without a number cannot be billed"
    before = world.books.dump()
    assert (await maria.send("/month/retry"))[0] == 303
    assert world.books.dump() == before, "it cannot be read now either"
    opened = form_of(page, "/month/decide")
    said = {**opened, "action": "bill", "why": "seen on the display", "programme": "60"}
    assert (await maria.send("/month/decide", **said))[0] == 422, "not without the box"
    assert (await maria.send("/month/decide", **{**said, "why": " "}, sure="yes"))[0] == 422
    assert (await maria.send("/month/decide", **{**said, "open_id": "77"}, sure="yes"))[0] == 404
    assert (await maria.send("/month/close", period="2026-12"))[0] == 422
    assert world.books.dump() == before
    assert (await maria.send("/month/decide", **said, sure="yes"))[0] == 303
    assert (await maria.send("/month/decide", **said, sure="yes"))[0] == 409, "it is decided once"
    assert steps(await maria.page("/month"))["Uses that the last close left open"] == ("waits", "1")
    assert (await maria.send("/month/close", period="2026-12", sure="yes"))[0] == 303
    page = await maria.page("/month?period=2026-12")
    assert steps(page)["Contracts to settle"] == ("done", "")
    assert "settlement 2, 3 Jan 2027" in page
    assert "/month/close" not in page
    closed = world.books.dump()
    assert (await maria.send("/month/close", period="2026-12", sure="yes"))[0] == 303
    assert (await maria.send("/month/close", period="2027-01", sure="yes"))[0] == 303
    assert world.books.dump() == closed, "what is closed stays, and what is not over is not closed"
    assert steps(await maria.page("/month?period=2027-06"))["Bank statements to take"] == ("later", "1")
    running = await maria.page("/month")
    assert "January 2027" in running
    assert steps(running)["Contracts to settle"] == ("later", "2")
    assert world.books.audit() == []


async def test_an_auditor_reads_and_nobody_else_does(person: Staff) -> None:
    ada = person("Ada", Role.AUDITOR)
    page = await ada.page("/month")
    links = set(re.findall(r'href="(/[^"#]*)', page))
    assert len(links) > 8
    for link in links:
        assert (await ada.get(link))[0] != 403, link
    assert steps(page)["Disputes"] == ("waits", "1")
    assert "<form" not in page
    for path in ("/month/close", "/month/retry", "/month/decide"):
        assert (await ada.send(path, period="2026-12", sure="yes"))[0] == 403
    for name, role in (("Anna", Role.USER), ("Coop", Role.OWNER), ("Newcomer", Role.SERVICER)):
        assert (await person(name, role).get("/month"))[0] == 403, name


async def test_a_contract_whose_year_runs_keeps_no_month_of_others_open() -> None:
    yearly = WASHES.replace('rating_period = "month"', 'rating_period = "year"')
    world = open_world(town=town(), contracts={"washes.toml": yearly, "energy.toml": ENERGY})
    async with people_of(
        world.books.database, world.community, world.ids, AFTER_NOVEMBER, world.books.aggregator
    ) as people:
        maria = people.sign_in("Maria", Role.COMMUNITY_MANAGER)
        assert steps(await maria.page("/month"))["Contracts to settle"] == ("waits", "1")
        assert (await maria.send("/month/close", period="2026-11", sure="yes"))[0] == 303
        page = await maria.page("/month?period=2026-11")
    assert steps(page)["Contracts to settle"] == ("later", "1")
    closed = world.books.dump()
    assert [one.again for one in world.close(NOVEMBER, AFTER_NOVEMBER)] == [True], "as the command does"
    assert world.books.dump() == closed
    assert re.search(r"Energy.*settlement 1, 1 Dec 2026.*Washes.*its period ends with 31 Dec 2026", page, re.DOTALL)
    world.books.database.close()


async def test_a_new_community_is_told_how_to_begin() -> None:
    books = open_books(town=town().split("[[contract]]")[0], contracts={})
    ids = books.database.read_now(ids_by_name, books.community)
    async with people_of(books.database, books.community, ids, AFTER_NOVEMBER) as people:
        page = await people.sign_in("Maria", Role.COMMUNITY_MANAGER).page("/month")
    assert "Nothing is used here yet." in page
    assert steps(page) == {}
    books.database.close()


def test_payers_wait_for_a_document_until_their_month_is_issued() -> None:
    office = open_office()
    database, coop = office.database, office.world.ids["Coop"]

    def waiting(to_ms: int, issuer: bytes = coop) -> int:
        return database.read_now(waiting_buyers, office.community, issuer, to_ms)

    november, december = T0 + 30 * DAY, T0 + 61 * DAY
    assert (waiting(november), waiting(december)) == (2, 2), "Anna and Ben"
    office.issue("2026-11")
    assert (waiting(november), waiting(december)) == (0, 2)
    office.issue("2026-12")
    assert waiting(december) == 0
    assert waiting(december, office.world.ids["Bank"]) == 0, "it collects under no contract"


def facts(**other: object) -> Facts:
    """A community in which nothing waits."""
    plain = {
        "is_over": True, "last_day": date(2026, 11, 30), "set_aside": 0, "left_open": 0, "disputes": 0, "proposed": (),
        "bills": None, "settling": (), "pools": (), "documents": None, "debits": None, "banking": (), "suspense": 0,
        "payouts": NO_RUN, "credits": None, "unclaimed": 0, "is_new": False,
    }  # fmt: skip
    return Facts(**{**plain, **other})  # type: ignore[arg-type]


def state_of(step: Step, found: Facts) -> tuple[State, int] | None:
    return next(((one.state, one.count) for one in tasks(found) if one.step is step), None)


@pytest.mark.parametrize(
    ("step", "more", "expected"),
    [
        (Step.SET_ASIDE, {"set_aside": 2}, (State.WAITS, 2)),
        (Step.LEFT_OPEN, {"left_open": 1}, (State.WAITS, 1)),
        (Step.DISPUTES, {"disputes": 4}, (State.WAITS, 4)),
        (Step.SIGNATURES, {"proposed": (Proposed(b"", "Washes", ("Anna",)),)}, (State.WAITS, 1)),
        (Step.BILLS, {}, None),
        (Step.BILLS, {"bills": ()}, (State.DONE, 0)),
        (Step.BILLS, {"bills": (Billing("Roof", date(2026, 1, 1), date(2026, 1, 31)),)}, (State.WAITS, 1)),
        (Step.SETTLE, {"settling": (Settling(b"", "A", 0, 9, True, (1, 9)),)}, (State.DONE, 1)),
        (Step.SETTLE, {"settling": (Settling(b"", "A", 0, 9, True, None),)}, (State.WAITS, 1)),
        (Step.SETTLE, {"settling": (Settling(b"", "A", 0, 9, False, None),)}, (State.LATER, 1)),
        (Step.POOLS, {"pools": (Settling(b"", "P", 0, 9, True, None),)}, (State.WAITS, 1)),
        (Step.DOCUMENTS, {}, None),
        (Step.DOCUMENTS, {"documents": 0}, (State.DONE, 0)),
        (Step.DEBITS, {"debits": Running(1, 2, 3)}, (State.WAITS, 6)),
        (Step.DEBITS, {"debits": NO_RUN}, (State.DONE, 0)),
        (Step.BANK_FILES, {"banking": (Banking("Coop", date(2026, 11, 30)),)}, (State.DONE, 1)),
        (Step.BANK_FILES, {"banking": (Banking("Coop", date(2026, 11, 29)),)}, (State.WAITS, 1)),
        (Step.BANK_FILES, {"banking": (Banking("Coop", None),), "is_over": False}, (State.LATER, 1)),
        (Step.SUSPENSE, {"suspense": 1, "banking": (Banking("Coop", None),)}, (State.WAITS, 1)),
        (Step.PAYOUTS, {"payouts": Running(0, 1, 0)}, (State.WAITS, 1)),
        (Step.CREDITS, {}, None),
        (Step.CREDITS, {"credits": 0}, (State.DONE, 0)),
        (Step.CREDITS, {"credits": 2}, (State.WAITS, 2)),
        (Step.UNCLAIMED, {"unclaimed": 3}, (State.WAITS, 3)),
    ],
)
def test_a_step_waits_while_something_of_it_does(
    step: Step, more: dict[str, object], expected: tuple[State, int] | None
) -> None:
    assert state_of(step, facts(**more)) == expected


def test_a_bill_is_due_when_the_days_after_the_last_one_are_over() -> None:
    january, february = (date(2026, 1, 1), date(2026, 1, 31)), (date(2026, 2, 1), date(2026, 2, 28))
    monthly = [("Water", *january), ("Water", *february)]
    assert next_bills(monthly, date(2026, 3, 30)) == []
    assert next_bills(monthly, date(2026, 3, 31)) == [Billing("Water", date(2026, 3, 1), date(2026, 3, 31))]
    yearly = [("Roof", date(2024, 1, 1), date(2024, 12, 31))]
    assert next_bills(yearly, date(2026, 1, 5)) == [Billing("Roof", date(2025, 1, 1), date(2025, 12, 31))]
    ten_days = [("Fair", date(2026, 5, 4), date(2026, 5, 13))]
    assert next_bills(ten_days, date(2026, 5, 23)) == [Billing("Fair", date(2026, 5, 14), date(2026, 5, 23))]


def test_a_bank_tells_of_the_last_working_day() -> None:
    assert last_working_day(date(2026, 10, 31)) == date(2026, 10, 30), "a Saturday"
    assert last_working_day(date(2026, 5, 31)) == date(2026, 5, 29), "a Sunday"
    assert last_working_day(date(2026, 11, 30)) == date(2026, 11, 30)
