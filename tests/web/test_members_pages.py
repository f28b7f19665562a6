"""Pages of an energy community and of shared bills in a real browser: every look, and the same without script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from support.looks import amiss_in_one_visit
from support.money_server import MoneyServer, money_server

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
