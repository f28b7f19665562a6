"""Every page, in every look: no accessibility violation, no sideways scroll, nothing refused by the policy, small."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from support.browser import CityServer
from support.looks import AXE, amiss_in_every_look, scrolls_sideways

PAGES = {
    "situation": "/situation",
    "all alarms": "/situation?alarms=all",
    "map by use": "/situation?map=use",
    "a day as table": "/situation?period=24h&chart=table",
    "gateways": "/gateways",
    "no gateway matches": "/gateways?q=nothing-like-this",
    "find": "/find?q=washing",
    "nothing found": "/find?q=zzz",
    "personas": "/demo",
    "sign in": "/sign-in",
    "not found": "/no-such-page",
}
ROOM_BYTES_MAX, PAGE_BYTES_MAX = 150_000, 90_000


@contextmanager
def opened(browser: Browser, city: CityServer, path: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", bypass_csp=True)
    city.sign_in(context)
    page = context.new_page()
    page.goto(city.url + path)
    yield page
    context.close()


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_axe_finds_nothing_and_nothing_scrolls_sideways(browser: Browser, city: CityServer, path: str) -> None:
    if not AXE.exists():
        pytest.fail("axe-core is missing: run `python cloud/hatch_build.py --check`")
    with opened(browser, city, path) as page:
        assert amiss_in_every_look(page) == []


@pytest.mark.parametrize("path", ["/situation", "/gateways", "/find?q=washing"])
def test_nothing_scrolls_sideways_at_twice_the_size(browser: Browser, city: CityServer, path: str) -> None:
    with opened(browser, city, path) as page:
        page.set_viewport_size({"width": 720, "height": 450})
        assert not scrolls_sideways(page)


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES.keys())
def test_policy_refuses_nothing_and_console_is_silent(browser: Browser, city: CityServer, path: str) -> None:
    context = browser.new_context()
    city.sign_in(context)
    page = context.new_page()
    words: list[str] = []
    page.on("console", lambda message: words.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: words.append(str(error)))
    answer = page.goto(city.url + path)
    page.wait_for_timeout(600)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert [one for one in words if "404" not in one] == []
    context.close()


@pytest.mark.parametrize(("path", "limit"), [("/situation", ROOM_BYTES_MAX), ("/gateways", PAGE_BYTES_MAX)])
def test_page_with_all_it_loads_stays_within_its_bytes(
    browser: Browser, city: CityServer, path: str, limit: int
) -> None:
    context = browser.new_context()
    city.sign_in(context)
    sizes: dict[str, int] = {}
    page = context.new_page()
    loader = page.context.new_cdp_session(page)
    loader.send("Network.enable")
    loader.send("Network.setCacheDisabled", {"cacheDisabled": True})
    names: dict[str, str] = {}
    loader.on("Network.responseReceived", lambda e: names.update({e["requestId"]: e["response"]["url"]}))
    loader.on(
        "Network.loadingFinished",
        lambda e: sizes.update({names.get(e["requestId"], "?"): int(e["encodedDataLength"])}),
    )
    page.goto(city.url + path, wait_until="load")
    loaded = page.evaluate("document.fonts.ready.then(() => performance.getEntriesByType('resource').map(e => e.name))")
    while {name for name in loaded if not name.endswith("/situation/live")} - sizes.keys():  # told later than it is
        page.wait_for_timeout(50)
    context.close()
    assert any(".js" in name for name in sizes)
    assert any(".woff2" in name for name in sizes)
    assert sum(sizes.values()) <= limit, json.dumps(sizes, indent=1)


def test_page_is_stable_while_it_loads(browser: Browser, city: CityServer) -> None:
    with opened(browser, city, "/situation") as page:
        page.wait_for_timeout(800)
        shift = page.evaluate(
            "new Promise(done => { let sum = 0; new PerformanceObserver(list => { for (const e of list.getEntries())"
            " sum += e.value; }).observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(sum), 200); })"
        )
        assert shift <= 0.05


def test_built_files_are_smaller_than_their_source() -> None:
    static = Path(__file__).parents[2] / "cloud" / "tallystick_cloud" / "static"
    for packed in static.glob("*.gz"):
        assert gzip.decompress(packed.read_bytes()) == packed.with_suffix("").read_bytes()
