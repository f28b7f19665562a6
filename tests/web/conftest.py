"""One browser and one city for all tests of pages; tests that change the city start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.browser import CityServer, chromium, city_server

expect.set_options(timeout=60_000)  # ends a wait that is in vain; nothing is proved by being quicker than this


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone after each file: while Playwright runs, its loop owns this thread, and an asyncio test of another folder
    that came next in the same process could not run."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def city() -> Iterator[CityServer]:
    with city_server() as server:
        yield server
