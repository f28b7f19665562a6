"""When a loan ends: right on even weeks, silent where nothing can be known, and honest about its spread."""

import random
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from support.books import ENERGY, HOUR, T0, WASHES, open_books
from support.uploads import SimGateway, wash
from tallystick_cloud import schema
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Span
from tallystick_cloud.owner.model import Loan
from tallystick_cloud.owner.payoff import WEEK_MS, WEEKS, Payoff, looked_at, predicted
from tallystick_cloud.owner.service import home
from tallystick_cloud.owner.view import loan_view
from tallystick_cloud.uses.model import Reader

NOW = 1_800_000_000_000
EURO = 10**9


def paid_by_week(weekly: list[int]) -> list[int]:
    """The counter at the moments looked at, after weeks like these; earlier ones are 0."""
    values = [0]
    for amount in weekly:
        values.append(values[-1] + amount)
    return ([0] * (WEEKS + 1) + values)[-(WEEKS + 1) :]


def test_the_moments_are_weeks_that_end_now() -> None:
    moments = looked_at(NOW)
    assert (len(moments), moments[-1]) == (WEEKS + 1, NOW)
    assert {after - before for before, after in pairwise(moments)} == {WEEK_MS}


def test_even_weeks_give_the_day_without_spread() -> None:
    found = predicted(paid_by_week([10 * EURO] * WEEKS), 200 * EURO, NOW)
    assert found == Payoff(*[NOW + 7 * WEEK_MS] * 3)


def test_weeks_before_the_first_repayment_do_not_count() -> None:
    """The loan began six weeks ago; its first week is not whole, so five are known."""
    found = predicted(paid_by_week([3 * EURO] + [10 * EURO] * 5), 103 * EURO, NOW)
    assert found == Payoff(*[NOW + 5 * WEEK_MS] * 3)


@pytest.mark.parametrize(
    ("weekly", "cap"),
    [
        ([10 * EURO] * 4, 100 * EURO),  # three whole weeks
        ([10 * EURO] * WEEKS, 130 * EURO),  # repaid
        ([EURO] + [0] * (WEEKS - 1), 100 * EURO),  # nothing comes any more
        ([1] * WEEKS, 100 * EURO),  # later than anybody knows
        ([0] * 11 + [40 * EURO, 0], 4_000 * EURO),  # too few weeks
        ([EURO] + [0, 90 * EURO] * 6, 640 * EURO),  # so uneven that it may be next week
    ],
)
def test_where_nothing_can_be_said_nothing_is(weekly: list[int], cap: int) -> None:
    assert predicted(paid_by_week(weekly), cap, NOW) is None


def test_nine_of_ten_simulated_loans_end_between_the_two_moments() -> None:
    """Washes come at random, each repays its own amount; the prediction after a quarter against what then happens."""
    draw = random.Random("payoff")
    hits, told = 0, 0
    for _ in range(600):
        busy, cap = draw.uniform(5, 30), draw.randint(400, 2_000) * EURO // 2
        weeks = [week(draw, busy) for _ in range(WEEKS)]
        repaid = sum(weeks)
        found = predicted(paid_by_week(weeks), cap, NOW)
        if found is None:
            continue
        told += 1
        end = 0
        while repaid < cap:
            repaid += week(draw, busy)
            end += 1
        hits += found.low_ms <= NOW + end * WEEK_MS and NOW + (end - 1) * WEEK_MS <= found.high_ms
    assert told > 300
    assert 0.86 <= hits / told <= 0.97


def week(draw: random.Random, busy: float) -> int:
    """Repaid by the washes of one week."""
    left, amount = 1.0, 0
    while (left := left - draw.expovariate(busy)) > 0:
        amount += draw.choice((30, 60, 85)) * EURO // 100
    return amount


def test_a_lender_reads_it_from_the_books() -> None:
    """Ten weeks of one wash each, (1.85 - 0.15) * 40 % = 0.68 of 10.00; then 5 weeks more are needed."""
    books = open_books(contracts={"washes.toml": WASHES.replace("cap = 2.50", "cap = 10.00"), "energy.toml": ENERGY})
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    for at in range(10):
        start = T0 + at * WEEK_MS
        books.seal_and_send(gateway, wash(2, 1 + 3 * at, 1 + at, 1 + at, start, start + HOUR), start + HOUR)
    now = T0 + 9 * WEEK_MS + 2 * HOUR
    bank = next(bytes(row["id"]) for row in books.rows(schema.party) if row["name"] == "Bank")
    found = books.run(lambda conn: home(conn, Reader("lindenhof", bank, False, "test", now), Span.of(None, now, "UTC")))
    loan = next(one for one in found.loans if one.contract == "Washes")
    books.database.close()
    assert (loan.repaid, loan.left) == (6_800_000_000, 3_200_000_000)
    likely = now + round(3.2 / 0.68 * WEEK_MS)
    assert loan.payoff == Payoff(likely, likely, likely)
    words = loan_view(loan, "EUR", Wording("en", ZoneInfo("UTC"))).says
    assert words == "at the pace of the last weeks it is repaid about 5 Feb 2027"


def test_a_spread_is_told_with_its_days() -> None:
    loan = Loan(b"", "Washes", "loan", 1, 2, Payoff(NOW, NOW + WEEK_MS, NOW + 2 * WEEK_MS))
    words = loan_view(loan, "EUR", Wording("en", ZoneInfo("UTC"))).says
    assert words.endswith("is repaid about 22 Jan 2027, most likely between 15 Jan 2027 and 29 Jan 2027")
