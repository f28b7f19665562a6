"""Pages of money, contracts, gateways and claims, in every look and as people use them, over closed months."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect
from support.looks import (
    AXE,
    RULES,
    SIZES,
    amiss_as_it_stands,
    amiss_in_one_visit,
    scrolls_sideways,
    violations,
    watched,
)
from support.money_server import PERSONAS, MoneyServer, money_server

PAGE_BYTES_MAX = 90_000
PAGES = {
    "earnings": ("repairer", "/owner"),
    "earnings of the lender": ("lender", "/owner?period=2026-11"),
    "earnings in own books": ("owner", "/owner"),
    "no earnings in that month": ("repairer", "/owner?period=2025-01"),
    "my uses": ("user", "/uses?period=2026-11"),
    "no use": ("user", "/uses?period=2025-01"),
    "one use": ("repairer", "first use"),
    "own use": ("user", "first use"),
    "statements": ("repairer", "/statements"),
    "open statement": ("user", "/statements/2027-01"),
    "signed statement": ("repairer", "/statements/2026-12"),
    "statement with a minimum": ("owner", "/statements/2026-11"),
    "no statement": ("lender", "/statements/2025-01"),
    "contracts": ("user", "/contracts"),
    "contract": ("lender", "first contract"),
    "gateway": ("installer", "first gateway"),
    "gateway for an auditor": ("auditor", "first gateway"),
    "claims": ("installer", "/claims"),
    "payouts": ("manager", "/payouts"),
    "payouts for an auditor": ("auditor", "/payouts"),
    "documents": ("manager", "/documents"),
}
OFFICE = {
    "a dispute to decide": ("manager", "first dispute"),
    "a use to dispute": ("user", "first form"),
    "direct debits": ("manager", "/debits"),
}
FIRST = {
    "first dispute": ("/disputes", ".pile a"),
    "first form": ("/uses?period=2027-01", ".lines-table tr:nth-child(3) a"),  # the newest two are disputed already
    "first use": ("/statements/2026-11", ".account a[href^='/uses/']"),
    "first contract": ("/contracts", ".cards a:has-text('Washes')"),
    "first gateway": ("/gateways", "tbody a[href^='/gateways/']"),
}


@pytest.fixture(scope="module")
def money() -> Iterator[MoneyServer]:
    with money_server() as server:
        yield server


@contextmanager
def opened(browser: Browser, money: MoneyServer, persona: str, path: str, **more: object) -> Iterator[Page]:
    """The page of a persona; a path that begins with `first` is found by its link."""
    context = browser.new_context(bypass_csp=True, **{"viewport": {"width": 1440, "height": 900}, **more})  # type: ignore[arg-type]
    money.sign_in(context, persona)
    page = context.new_page()
    if path in FIRST:
        place, link = FIRST[path]
        page.goto(money.url + place)
        path = str(page.locator(link).first.get_attribute("href"))
        path = path.replace("/uses/", "/disputes/") if place.startswith("/uses") else path
    answer = page.goto(money.url + path)
    assert answer is not None
    assert answer.status == 200, path
    yield page
    context.close()


@pytest.mark.parametrize(("persona", "path"), (PAGES | OFFICE).values(), ids=PAGES | OFFICE)
def test_a_page_is_well_in_one_visit(browser: Browser, money: MoneyServer, persona: str, path: str) -> None:
    if path in FIRST:
        with opened(browser, money, persona, path) as page:
            path = page.url.removeprefix(money.url)
    assert amiss_in_one_visit(browser, money, persona, path) == []


@pytest.mark.parametrize(
    ("persona", "path", "says"),
    [
        ("manager", "/disputes", "The drum did not turn"),
        ("manager", "/month", "of 11 steps done, 4 wait for you"),
        ("manager", "/parties", "none, and money is owed"),
        ("user", "/mandates", "Nothing is collected from your account."),
        ("auditor", "/public/lindenhof", "fewer than 3 people: not shown"),
    ],
)
def test_a_page_of_one_list_is_well(browser: Browser, money: MoneyServer, persona: str, path: str, says: str) -> None:
    with watched(browser, money, persona) as (page, told):
        page.goto(money.url + path)
        expect(page.locator("main")).to_contain_text(says)
        assert amiss_as_it_stands(page) == []
    assert told == []


def test_what_everybody_may_see_adds_up_by_role(browser: Browser, money: MoneyServer) -> None:
    page = browser.new_page()
    page.goto(f"{money.url}/public/lindenhof")
    washer = page.get_by_role("region", name="Washing machine left")
    heads = ["Month", "Uses", "Revenue", "Financier", "Fund", "Owner", "Servicer"]
    assert washer.locator("thead th").all_inner_texts() == heads
    for row in washer.locator("tbody tr").all():
        revenue, *shares = [Decimal(cell) for cell in row.locator("td .amount").all_inner_texts()]
        assert sum(shares) == revenue > 0
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_policy_refuses_nothing_and_the_page_is_small(browser: Browser, money: MoneyServer, name: str) -> None:
    context = browser.new_context()
    money.sign_in(context, PAGES[name][0])
    page = context.new_page()
    words: list[str] = []
    sizes: list[int] = []
    page.on("console", lambda message: words.append(message.text) if message.type in ("error", "warning") else None)
    loader = context.new_cdp_session(page)
    loader.send("Network.enable")
    loader.on("Network.loadingFinished", lambda e: sizes.append(int(e["encodedDataLength"])))
    path = PAGES[name][1]
    if path in FIRST:
        page.goto(money.url + FIRST[path][0])
        path = str(page.locator(FIRST[path][1]).first.get_attribute("href"))
        sizes.clear()
    loader.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(money.url + path, wait_until="networkidle")
    assert words == []
    assert 0 < sum(sizes) <= PAGE_BYTES_MAX
    context.close()


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_link_of_the_rail_opens_for_its_persona(browser: Browser, money: MoneyServer, persona: str) -> None:
    with opened(browser, money, persona, "/") as page:
        links = page.locator(".rail a").evaluate_all("all => all.map(one => one.href)")
        assert links
        for link in links:
            assert page.request.get(link).status == 200, link


@pytest.mark.parametrize(("persona", "first"), [("owner", "/owner"), ("lender", "/owner"), ("repairer", "/owner"),
                                                ("user", "/uses"), ("installer", "/situation")])  # fmt: skip
def test_a_persona_lands_on_its_own_page(browser: Browser, money: MoneyServer, persona: str, first: str) -> None:
    page = browser.new_page()
    page.goto(f"{money.url}/demo/{persona}")
    assert page.url == money.url + first
    page.close()


def amounts(page: Page, selector: str) -> list[Decimal]:
    """What is written in some places, as numbers."""
    texts = page.locator(selector).all_inner_texts()
    return [Decimal(re.sub(r"[^0-9.\-]", "", one.replace("\u2212", "-"))) for one in texts]


@pytest.mark.parametrize("persona", ["owner", "lender", "repairer"])
@pytest.mark.parametrize("period", ["2026-11", "2026-12", "2027-01"])
def test_what_is_shown_adds_up(browser: Browser, money: MoneyServer, persona: str, period: str) -> None:
    with opened(browser, money, persona, f"/owner?period={period}") as page:
        opening, earned, paid, to_come = amounts(page, ".sum dd .amount")
        steps = amounts(page, ".moneyline .value")
        assert opening + earned - paid == to_come
        assert sum(steps[:3]) == to_come
        assert steps[3] == paid
        if earned:
            bars = amounts(page, ".bars .n")
            assert sum(bars[:-1]) == bars[-1] == earned


def test_the_parts_of_a_split_are_the_price(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "repairer", "first use") as page:
        parts = amounts(page, ".splitwide .n")
        (price,) = amounts(page, ".headline .amount")
        assert sum(parts[:-1]) == parts[-1] == price
        widths = page.locator(".splitwide .bar rect").evaluate_all("all => all.map(one => +one.getAttribute('width'))")
        assert 985 <= sum(widths) <= 1000


@pytest.mark.parametrize("persona", ["owner", "lender", "repairer", "user"])
@pytest.mark.parametrize("period", ["2026-11", "2026-12", "2027-01"])
def test_a_statement_adds_up_and_its_file_has_its_rows(
    browser: Browser, money: MoneyServer, persona: str, period: str
) -> None:
    with opened(browser, money, persona, f"/statements/{period}") as page:
        opening, moved, closing = amounts(page, ".sum dd .amount")
        assert opening + moved == closing
        lines = amounts(page, ".account tbody td:nth-child(4) .amount")
        assert sum(lines) == moved
        shown = [
            [cell.strip() for cell in row]
            for row in page.locator(".account tbody tr").evaluate_all(
                "rows => rows.map(row => [row.cells[2].innerText, row.cells[3].innerText, row.cells[4].innerText])"
            )
        ]
        answer = page.request.get(f"{money.url}/statements/{period}.csv")
        rows = list(csv.DictReader(io.StringIO(answer.text().removeprefix("\ufeff"))))
        assert [[row["reference"], number(row["amount"]), number(row["balance"])] for row in rows] == [
            [ref, number(amount), number(balance)] for ref, amount, balance in shown
        ]
        if shown:
            says = page.locator(".hero .chip").inner_text()
            assert says == ("open, not final" if period == "2027-01" else "signed, final")


def number(text: str) -> Decimal | None:
    found = text.replace("\u2212", "-").replace("+", "").replace(",", "")
    return Decimal(found) if found else None


def test_the_list_of_uses_and_its_file_have_the_same_rows(browser: Browser, money: MoneyServer) -> None:
    for query in ("period=2026-11", "period=2026-12&asset=washer", "period=2026-11&day=2026-11-02"):
        with opened(browser, money, "user", f"/uses?{query}") as page:
            links = page.locator(".lines-table a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
            file = page.locator("a[download]").get_attribute("href")
            text = page.request.get(f"{money.url}{file}").text().removeprefix("\ufeff")
            rows = list(csv.DictReader(io.StringIO(text)))
            assert [f"/uses/{row['use']}" for row in rows] == links
            assert links
            assert sum(Decimal(row["amount"]) for row in rows) == -amounts(page, ".headline .amount")[0]


def test_from_any_euro_to_its_reading_in_four_clicks(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "lender", "/owner?period=2026-11") as page:
        clicks = 0
        line = page.locator(".lines-table a", has_text="Flat").first
        line.click()
        clicks += 1
        page.wait_for_url("**/uses?**")
        page.locator(".lines-table a").first.click()
        clicks += 1
        page.wait_for_url(re.compile("/uses/[0-9a-f]{64}$"))
        check = page.locator(".checks > li", has_text="Metered is what is billed")
        check.locator("summary").click()
        clicks += 1
        expect(check.locator(".facts")).to_contain_text("Total at its start and end")
        expect(page.locator("#h-proof + .chip")).to_contain_text("everything fits")
        assert clicks <= 4


def test_every_number_of_a_page_is_of_its_month(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "repairer", "/owner?period=2026-11") as page:
        whens = page.locator(".lines-table time").evaluate_all("all => all.map(one => one.getAttribute('datetime'))")
        assert whens
        assert all(one.startswith("2026-11") for one in whens)
        assert page.locator("a[href^='/statements/']").first.get_attribute("href") == "/statements/2026-11"
        page.get_by_label("Month after").click()
        page.wait_for_url("**/owner?period=2026-12")
    with opened(browser, money, "repairer", "/owner") as page:
        expect(page.get_by_label("Month after")).to_have_count(0)


def test_nobody_reads_who_paid_or_another_s_use(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "repairer", "first use") as page:
        assert "Anna" not in page.content()
        path = page.url
    with opened(browser, money, "user", "/uses") as page:
        assert page.request.get(path).status == 200, "Anna pays it"
        assert page.request.get(f"{money.url}/uses/{'0' * 64}").status == 404


def test_an_alarm_says_its_meaning_and_three_steps(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "installer", "first gateway") as page:
        alarms = page.locator(".remedies > li")
        assert alarms.count() >= 3
        expect(alarms.first).to_contain_text("Meter began anew")
        for index in range(alarms.count()):
            expect(alarms.nth(index)).to_contain_text("Means")
            assert alarms.nth(index).locator(".steps li").count() == 3
    with opened(browser, money, "auditor", "first gateway") as page:
        assert page.locator(".remedies form").count() == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_claim_is_shown_once_as_groups_code_and_file(browser: Browser, money: MoneyServer, size: str) -> None:
    more = {"viewport": SIZES[size], "java_script_enabled": True}
    with opened(browser, money, "installer", "/claims", **more) as page:
        page.get_by_role("button", name="Make a claim").first.click()
        expect(page.locator(".groups li")).to_have_count(9)
        groups = [one[-4:] for one in page.locator(".groups li").all_inner_texts()]
        assert page.locator(".qrbox svg path").count() >= 1
        assert "-".join(groups) in page.locator("pre").text_content()  # type: ignore[operator]
        page.add_script_tag(path=str(AXE))
        assert violations(page, {"type": "tag", "values": RULES}) == []
        assert not scrolls_sideways(page)
        page.goto(f"{money.url}/claims")
        assert groups[0] not in page.content() or groups[1] not in page.content()
        expect(page.locator("main")).to_contain_text("a new claim lets another one in")


def test_the_keyboard_goes_where_the_rail_goes(browser: Browser, money: MoneyServer) -> None:
    with opened(browser, money, "repairer", "/owner") as page:
        for key, path in (("t", "/statements"), ("c", "/contracts"), ("e", "/owner"), ("s", "/situation")):
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(f"**{path}")
    with opened(browser, money, "user", "/uses") as page:
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_timeout(300)
        assert page.url.endswith("/uses"), "who may not see the situation room is not sent there"
