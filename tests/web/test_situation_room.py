"""The situation room as people use it: live, by keyboard, without JavaScript, and when the server is away."""

from __future__ import annotations

import csv
import io
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import CityServer, city_server

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
STEP_MS = 50


@pytest.fixture
def town() -> Iterator[CityServer]:
    with city_server("--gateways", "6", "--uses", "40") as server:
        yield server


def enter(browser: Browser, town: CityServer, path: str = "/situation", **options: object) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, **options).new_page()  # type: ignore[arg-type]
    page.goto(f"{town.url}/demo/operator")
    if path != "/situation":
        page.goto(town.url + path)
    return page


def standing(browser: Browser, town: CityServer) -> Page:
    """The operator's page, whose time stands still but for `clock.run_for`."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.clock.install(time=NOON)
    page.clock.pause_at(NOON + timedelta(hours=1))
    page.goto(f"{town.url}/demo/operator")
    return page


AS_IF_NOTHING_WAS_USED = """() => {
  document.getElementById("chart").classList.add("still");
  return getComputedStyle(document.querySelector(".plot .empty")).display;
}"""
"""In one go: the open page draws its chart anew, from what really was, whenever the server tells it something."""


def number(page: Page, key: str) -> int:
    return int(page.locator(f'[data-k="{key}"]').inner_text().replace(",", ""))


def test_a_use_reaches_the_open_page(browser: Browser, town: CityServer) -> None:
    page = enter(browser, town)
    expect(page.locator("#conn")).to_have_text("Live")
    before, fees = number(page, "uses"), page.locator('[data-k="fees"]').inner_text()
    assert page.evaluate(AS_IF_NOTHING_WAS_USED) != "none"
    town.say("use")
    expect(page.locator(".plot .empty")).to_be_hidden()
    expect(page.locator('[data-k="uses"]')).to_have_text(f"{before + 1}")
    expect(page.locator('[data-k="fees"]')).not_to_have_text(fees)
    page.context.close()


def test_a_new_alarm_appears_at_its_rank_and_is_announced_once(browser: Browser, town: CityServer) -> None:
    page = enter(browser, town)
    expect(page.locator("#conn")).to_have_text("Live")
    town.say("alarm")
    first = page.locator("#alarms > li").first
    expect(first).to_contain_text("Meter reports tampering")
    expect(page.locator("#say")).to_contain_text("Critical: Meter reports tampering")
    expect(first.get_by_role("button")).to_have_text("Take")
    page.context.close()


def test_a_gateway_that_enrols_appears_on_the_open_map(browser: Browser, town: CityServer) -> None:
    page = enter(browser, town)
    expect(page.locator("#conn")).to_have_text("Live")
    assert page.locator("#sites > g").count() == 6
    town.say("enrol")
    expect(page.locator("#sites > g")).to_have_count(7)
    expect(page.locator('[data-k="online"]')).to_have_text(re.compile(" of 7$"))
    page.context.close()


def test_take_keeps_the_focus_on_the_alarm_and_everybody_sees_who_has_it(browser: Browser, town: CityServer) -> None:
    page, other = enter(browser, town), enter(browser, town, "/situation?alarms=all")
    expect(page.locator("#conn")).to_have_text("Live")
    row = page.locator("#alarms > li").first
    name = row.get_attribute("id")
    row.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#{name} .who")).to_contain_text("City control room")
    assert page.evaluate("document.activeElement.closest('li')?.id") == name
    expect(other.locator(f"#{name} .who")).to_contain_text("City control room")
    page.context.close()
    other.context.close()


def test_an_alarm_that_somebody_else_took_is_refused_aloud(browser: Browser, town: CityServer) -> None:
    page = standing(browser, town)
    page.route("**/situation/live", lambda route: route.abort())
    page.reload()
    page.clock.run_for(500)  # what takes the forms over begins with a timer
    manager = browser.new_context().new_page()
    manager.goto(f"{town.url}/demo/manager")
    manager.goto(f"{town.url}/situation")
    manager.locator("#alarms > li").first.get_by_role("button").click()
    expect(manager.locator("#alarms > li").first.locator(".who")).to_contain_text("Giulia Ferrari")
    with page.expect_response(lambda answer: answer.request.method == "POST", timeout=60_000):
        page.locator("#alarms > li").first.get_by_role("button").click()
    said = page.locator("#say")
    while "taken by somebody else" not in said.inner_text():
        page.clock.run_for(STEP_MS)
    expect(page.locator("#alarms > li").first.get_by_role("button")).to_have_text("Take")
    page.clock.run_for(6_000)
    expect(page.locator("#conn")).to_have_text(re.compile("^No data"))
    expect(said).to_contain_text("taken by somebody else")  # and not yet that nothing arrives
    page.clock.run_for(2_500)
    expect(said).to_have_text("Connection lost; the numbers are old.")
    manager.context.close()
    page.context.close()


def test_everything_is_done_by_keyboard(browser: Browser, town: CityServer) -> None:
    page = enter(browser, town)
    page.keyboard.press("j")
    page.keyboard.press("j")
    rows = page.locator("#alarms > li")
    assert page.evaluate("document.activeElement.id") == rows.nth(1).get_attribute("id")
    page.keyboard.press("k")
    name = rows.nth(0).get_attribute("id")
    assert page.evaluate("document.activeElement.id") == name
    page.keyboard.press("t")
    expect(page.locator(f"#{name} .who")).to_contain_text("City control room")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("dryer")
    expect(page.locator("#found a").first).to_contain_text("Dryer")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/gateways/[0-9a-f]{32}$"))
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page).to_have_url(f"{town.url}/situation")
    page.context.close()


def test_page_and_take_work_without_javascript(browser: Browser, town: CityServer) -> None:
    page = enter(browser, town, java_script_enabled=False)
    assert page.locator("svg.city #sites > g").count() == 6
    expect(page.locator("#chart svg.lines")).to_be_visible()
    row = page.locator("#alarms > li").first
    name = row.get_attribute("id")
    row.get_by_role("button").click()
    assert page.url.startswith(f"{town.url}/situation")
    assert page.locator(f"#{name}").count() == 0
    page.get_by_role("navigation", name="Alarms shown").get_by_role("link", name="All").click()
    expect(page.locator(f"#{name} .who")).to_contain_text("City control room")
    page.locator("#search").fill("gw-002")
    page.locator("#search").press("Enter")
    expect(page.locator(".found-page")).to_contain_text("gw-002")
    page.context.close()


def test_a_silent_server_is_shown_within_five_seconds_and_old_numbers_stay(browser: Browser, town: CityServer) -> None:
    """The page's time is handed in, so that a busy machine makes no second longer."""
    page = standing(browser, town)
    uses = number(page, "uses") + 1
    town.say("use")
    while number(page, "uses") != uses:  # until the page has heard it; it draws a frame when its time goes on
        page.clock.run_for(STEP_MS)
    expect(page.locator("#conn")).to_have_text("Live")
    with page.expect_event("requestfinished", lambda ended: ended.url.endswith("/situation/live"), timeout=60_000):
        town.stop()  # what it had sent is heard before the page's time goes on
    page.clock.run_for(4_000)  # one sign of life may be missed
    expect(page.locator("#conn")).to_have_text("Live")
    page.clock.run_for(1_000)
    expect(page.locator("#conn")).to_have_text("No data for 5 s")
    assert number(page, "uses") == uses
    clock = page.locator("#clock-time").inner_text()
    page.clock.run_for(1_300)
    assert page.locator("#clock-time").inner_text() == clock, "a clock that runs on says the numbers are of now"
    page.context.close()


def test_clock_and_chart_are_in_the_city_zone_whatever_the_browser_is_in(browser: Browser, city: CityServer) -> None:
    page = enter(browser, city, timezone_id="America/New_York")
    expect(page.locator("#conn")).to_have_text("Live")
    stamp = page.locator("#clock").get_attribute("datetime") or ""
    assert stamp.endswith("+01:00")
    assert page.locator("#clock-time").inner_text()[:4] == stamp[11:15]
    plain = enter(browser, city, "/situation?chart=table", java_script_enabled=False)
    newest_hour = plain.locator("tbody th").first.inner_text()
    assert newest_hour[:2] == stamp[11:13]
    page.context.close()
    plain.context.close()


def test_hours_in_which_nothing_ran_are_gaps_not_zeros(browser: Browser, city: CityServer) -> None:
    page = enter(browser, city, "/situation?chart=line", java_script_enabled=False)
    line = page.locator("#chart path.uses").get_attribute("d") or ""
    assert line.count("M") >= 2
    page.context.close()


def test_parts_of_the_split_sum_to_the_fees_shown(browser: Browser, city: CityServer) -> None:
    page = enter(browser, city)
    cents = [round(float(text.replace(",", "")) * 100) for text in page.locator("#split .num").all_inner_texts()]
    fees = round(float(page.locator('[data-k="fees"]').inner_text().replace(",", "")) * 100)
    assert sum(cents) == fees
    page.context.close()


@pytest.mark.parametrize("chosen", ["unowned", "all"])
def test_the_file_has_exactly_the_rows_of_the_list(browser: Browser, city: CityServer, chosen: str) -> None:
    page = enter(browser, city, f"/situation?alarms={chosen}")
    shown = [one[3:] for one in page.locator("#alarms > li").evaluate_all("rows => rows.map(row => row.id)")]
    text = page.evaluate(f"fetch('/situation/alarms.csv?alarms={chosen}').then(answer => answer.text())")
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [row["id"] for row in rows] == shown
    assert len(rows) >= 5
    page.context.close()


def test_marks_of_gateways_stand_inside_the_map(browser: Browser, city: CityServer) -> None:
    page = enter(browser, city)
    outside = page.evaluate(
        "() => { const box = document.querySelector('.mapbox').getBoundingClientRect();"
        " return [...document.querySelectorAll('#sites use')].filter(use => { const b = use.getBoundingClientRect();"
        " return b.left < box.left || b.right > box.right || b.top < box.top || b.bottom > box.bottom; }).length; }"
    )
    assert outside == 0
    page.context.close()


def test_every_link_of_every_page_leads_somewhere(browser: Browser, city: CityServer) -> None:
    page = enter(browser, city)
    links: set[str] = set()
    for path in ("/situation", "/situation?alarms=all", "/gateways", "/find?q=a", "/demo", "/sign-in"):
        page.goto(city.url + path)
        links |= set(page.locator("a[href]").evaluate_all("all => all.map(one => one.href)"))
    assert any("/gateways#" in link for link in links)
    for link in sorted(links, key=lambda one: "/demo/" in one):  # those sign in as somebody else
        answer = page.request.get(link.split("#")[0])
        assert answer.status == 200, link
    page.context.close()


def test_an_empty_city_says_the_next_step(browser: Browser) -> None:
    with city_server("--gateways", "0", "--alarms", "0") as server:
        page = enter(browser, server)
        expect(page.locator(".mapbox .empty")).to_contain_text("tallystick site new")
        expect(page.locator(".plot .empty")).to_be_visible()
        expect(page.locator("#no-alarms")).to_contain_text("Nothing is waiting")
        expect(page.locator("#split")).to_contain_text("Nothing was charged")
        assert page.locator('[data-k="slowest-note"]').inner_text() == "no batch yet"
        page.context.close()


def test_a_foreign_host_name_is_not_answered(city: CityServer) -> None:
    request = urllib.request.Request(f"{city.url}/v1/health", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    assert refused.value.code == 421
    refused.value.close()
