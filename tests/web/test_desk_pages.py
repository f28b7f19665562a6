"""What an office does with money that is not paid by transfer, by clicking in a real browser, in both sizes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from support.looks import amiss_as_it_stands, watched, write_long_names
from support.money_server import MoneyServer, money_server


@pytest.fixture(scope="module")
def desk() -> Iterator[MoneyServer]:
    with money_server("desk") as server:
        yield server


def test_money_that_cannot_be_paid_is_moved_and_given_back(browser: Browser, desk: MoneyServer) -> None:
    with watched(browser, desk, "manager") as (page, told):
        page.goto(f"{desk.url}/payouts")
        page.get_by_role("link", name="Unclaimed").click()
        expect(page.locator("main")).to_contain_text("There is no rule yet")
        page.get_by_text("Enter the rule").click()
        page.get_by_label("After how many days").fill("30")
        page.get_by_label("What decided it").fill("statute, article 12")
        page.get_by_label("This is what was decided").check()
        page.get_by_role("button", name="Keep the rule").click()
        due = page.get_by_role("region", name="Has waited long enough")
        expect(due.get_by_role("listitem")).to_contain_text("no bank account was known, for more than 30 days")
        due.get_by_label("Why").fill("three letters came back")
        due.get_by_label("It moves to the unclaimed account").check()
        due.get_by_role("button", name="Move it").click()
        waits = page.get_by_role("region", name="Waits for a claim")
        waits.locator("summary").click()
        expect(waits).to_contain_text("three letters came back")
        assert amiss_as_it_stands(page) == []
        waits.get_by_label("How Bank showed").fill("passport, seen at the office")
        waits.get_by_label("Account to pay it to").fill("AT611904300234573201")
        waits.get_by_label("Bank showed who it is.").check()
        waits.get_by_role("button", name="Give it back").click()
        claimed = page.get_by_role("region", name="Claimed and payable again")
        expect(claimed.get_by_role("listitem")).to_contain_text("passport, seen at the office")
        expect(page.locator("main")).to_contain_text("Nothing is unclaimed.")
    assert told == []


def test_what_was_paid_too_much_is_paid_back(browser: Browser, desk: MoneyServer) -> None:
    with watched(browser, desk, "manager") as (page, told):
        page.goto(f"{desk.url}/payouts")
        credit = page.get_by_role("region", name="Paid too much")
        expect(credit.get_by_role("listitem")).to_contain_text("Energy: EUR 45.00")
        credit.get_by_text("Pay back EUR 45.00").click()
        credit.get_by_label("EUR 45.00 goes back to Ben, account FR76").check()
        write_long_names(page)
        assert amiss_as_it_stands(page) == []
        page.reload()
        credit.get_by_text("Pay back EUR 45.00").click()
        credit.get_by_label("EUR 45.00 goes back to Ben, account FR76").check()
        credit.get_by_role("button", name="Propose this refund").click()
        run = page.locator("#run-1")
        expect(run).to_contain_text("Energy, paid back")
        expect(credit).to_contain_text("A run of Coop is under way")
        run.get_by_role("button", name="Cancel run 1").click()
        expect(page.locator("#run-1")).to_contain_text("cancelled")
    assert told == []


def test_a_payment_provider_is_instructed(browser: Browser, desk: MoneyServer) -> None:
    with watched(browser, desk, "manager") as (page, told):
        page.goto(f"{desk.url}/payouts")
        page.get_by_role("link", name="Payment provider").click()
        expect(page.locator(".headline .amount")).to_have_text("6.10")
        write_long_names(page)
        assert amiss_as_it_stands(page) == []
        page.get_by_role("button", name="Propose these instructions").click()
        run = page.locator("#run-1")
        expect(run.locator("summary").first).to_contain_text("waits for a second person")
        shares = run.get_by_role("list", name="Who gets the payment of Anna").get_by_role("listitem")
        expect(shares).to_have_count(4)
        expect(page.locator("main")).to_contain_text("Split run 1 of Coop is proposed; send it or cancel it first.")
        assert amiss_as_it_stands(page) == []
    assert told == []


def test_who_pays_ends_a_mandate(browser: Browser, desk: MoneyServer) -> None:
    with watched(browser, desk, "user") as (page, told):
        page.goto(f"{desk.url}/mandates")
        expect(page.locator(".facts")).to_contain_text("COOP-3")
        assert amiss_as_it_stands(page) == []
        page.get_by_label("I end mandate COOP-3").check()
        page.get_by_role("button", name="End the mandate").click()
        expect(page.locator("main")).not_to_contain_text("End this mandate")
        expect(page.locator(".rail [aria-current]")).to_have_attribute("aria-label", "Statements")
    assert told == []
