"""Pages of an energy community and of shared bills in a real browser: every look, and the same without script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.looks import amiss_as_it_stands, amiss_in_one_visit, watched
from support.money_server import STAIRS, MoneyServer, money_server
from support.pools import sunny_day

PAGES = {
    "a pool for its office": ("manager", "/pools"),
    "a bill": ("manager", ".pile a"),
}


@pytest.fixture(scope="module")
def street() -> Iterator[MoneyServer]:
    with money_server("pool") as server:
        yield server


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_members_is_well_in_one_visit(browser: Browser, street: MoneyServer, name: str) -> None:
    persona, path = PAGES[name]
    if not path.startswith("/"):
        page = browser.new_page()
        page.goto(f"{street.url}/demo/{persona}")
        page.goto(f"{street.url}/bills")
        path = str(page.locator(path).first.get_attribute("href"))
        page.close()
    assert amiss_in_one_visit(browser, street, persona, path) == []


def test_a_file_is_taken_in_and_its_month_closed(browser: Browser, street: MoneyServer) -> None:
    with watched(browser, street, "manager") as (page, told):
        page.goto(f"{street.url}/pools")
        page.get_by_role("link", name="Data of the grid").first.click()
        page.get_by_label("File (CSV)").set_input_files(
            {"name": "day.csv", "mimeType": "text/csv", "buffer": sunny_day().encode()}
        )
        page.get_by_label("Name to find it by").fill("2 January, whole")
        page.get_by_role("button", name="Look at it").click()
        facts = page.locator(".stateline dd")
        expect(facts).to_have_text(["10", "110", "0"])
        assert amiss_as_it_stands(page) == []
        page.get_by_role("button", name="Store it").click()
        expect(page.get_by_role("list", name="Files that were taken in")).to_contain_text("2 January, whole")
        assert amiss_as_it_stands(page) == []
        page.get_by_role("link", name="What was shared").click()
        page.get_by_role("link", name="Month", exact=True).click()
        page.get_by_role("link", name="Close it").click()
        expect(page.locator("main")).to_contain_text("not closed with these data")
        assert amiss_as_it_stands(page) == []
        page.get_by_label("Post and sign").check()
        page.get_by_role("button", name="Close January 2026").click()
        expect(page.locator(".hero .chip")).to_contain_text("closed 2 Mar 2026")
        expect(page.locator(".rail > [aria-current]")).to_have_attribute("aria-label", "Contracts")
    assert told == []


def test_a_bill_is_seen_and_then_posted(browser: Browser, street: MoneyServer) -> None:
    with watched(browser, street, "manager") as (page, told):
        page.goto(f"{street.url}/bills")
        assert amiss_as_it_stands(page) == []
        text = STAIRS.replace('id = "stairs 2025"', 'id = "roof 2025"')
        page.get_by_label("File of the cost pool").set_input_files(
            {"name": "roof.toml", "mimeType": "text/plain", "buffer": text.encode()}
        )
        page.get_by_role("button", name="See who would pay what").click()
        expect(page.locator(".shares tbody tr")).to_have_count(4)
        assert amiss_as_it_stands(page) == []
        page.get_by_role("button", name="Post it").click()
        expect(page.locator("main")).to_contain_text("roof 2025")
        expect(page.locator(".hero .chip")).to_contain_text("posted")
    assert told == []
