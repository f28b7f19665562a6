"""From the grid's file to payable shares: uploaded, closed, corrected, trued up; nothing is posted twice."""

from collections.abc import Iterator

import pytest
from support.pools import GRID, MICRO, POOL, T0, Community, open_community, toml
from tallystick_cloud import schema
from tallystick_cloud.pools.errors import PoolRefused
from tallystick_cloud.settlement.payable import settled_lines

WORKED_HOUR = {
    ("receivable", "GSE"): 1_105_000 * MICRO,
    ("payable", "School"): -468_000 * MICRO,
    ("payable", "Farm"): -29_250 * MICRO,
    ("payable", "Anna"): -97_500 * MICRO,
    ("payable", "Bakery"): -159_900 * MICRO,
    ("payable", "Carla"): -74_100 * MICRO,
    ("fund", "Social fund"): -221_000 * MICRO,
    ("payable", "CER"): -33_150 * MICRO,
    ("payable", "Software"): -22_100 * MICRO,
}
DOUBLED = POOL + '\n[[pool.class]]\nname = "double"\nprice = 260\n'


@pytest.fixture
def cer() -> Iterator[Community]:
    found = open_community()
    yield found
    found.books.database.close()


def test_the_worked_hour_from_csv_to_balances(cer: Community) -> None:
    taken = cer.upload()
    assert (taken.new, taken.known, taken.corrected) == (5, 0, 0)
    cer.prices()
    closed = cer.close()
    assert (len(closed.worked.intervals), len(closed.worked.opens)) == (1, 31 * 24 - 1)
    assert cer.balances() == WORKED_HOUR
    assert cer.books.audit() == []
    (journal,) = cer.books.rows(schema.journal)
    assert (journal["cause"], journal["metered_from_ms"]) == ("pool-close", T0)


def test_what_a_pool_closed_may_be_paid_out(cer: Community) -> None:
    cer.upload()
    cer.prices()
    cer.close()
    payable = cer.books.database.read_now(settled_lines, "cer")
    assert payable is not None
    assert sum(payable.values()) == 1_105_000 * MICRO


def test_closing_twice_changes_nothing(cer: Community) -> None:
    cer.upload()
    cer.prices()
    cer.close()
    before = cer.books.dump()
    again = cer.close()
    assert (again.again, again.posted) == (True, {})
    assert cer.books.dump() == before


def test_the_same_file_again_changes_nothing(cer: Community) -> None:
    cer.upload()
    before = cer.books.dump()
    assert cer.upload().known == 5
    assert cer.books.dump() == before


def test_another_value_is_refused_or_a_correction_with_its_reason(cer: Community) -> None:
    cer.upload()
    cer.prices()
    cer.close()
    other = GRID.replace("plant-2,2026-01-01T00:00,5000", "plant-2,2026-01-01T00:00,300")
    before = cer.books.dump()
    with pytest.raises(PoolRefused, match="line 3 says 300, 5000 is stored"):
        cer.upload(other)
    assert cer.books.dump() == before
    assert cer.upload(other, "the distributor corrected it").corrected == 1
    closed = cer.close()
    assert sum(closed.posted.values()) == 0
    assert cer.balances()["receivable", "GSE"] == 8_300 * 130_000
    assert [row["cause"] for row in cer.books.rows(schema.journal)] == ["pool-close", "pool-correction"]
    assert cer.books.audit() == []
    cer.upload(GRID, "the distributor was right before")
    cer.close()
    assert cer.balances() == WORKED_HOUR


def test_an_hour_without_all_its_meters_stays_open_and_says_why(cer: Community) -> None:
    cer.prices()
    cer.upload(GRID.replace("home-2,2026-01-01T00:00,,1900\n", ""))
    with pytest.raises(PoolRefused, match="home-2 has no withdrawn energy"):
        cer.close()
    assert cer.balances() == {}
    cer.upload()
    cer.close()
    assert cer.balances() == WORKED_HOUR


def test_a_shadow_pool_is_shown_and_posts_nothing() -> None:
    cer = open_community(state="shadow")
    cer.upload()
    cer.prices()
    closed = cer.close()
    assert closed.worked.intervals[0].worth.fee == 1_105_000 * MICRO
    assert (closed.posted, cer.balances()) == ({}, {})
    cer.books.database.close()


def test_advance_and_true_up_of_a_year() -> None:
    cer = open_community(
        text=toml(POOL.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "80 %"'))
    )
    cer.upload()
    cer.prices()
    assert cer.close("2026-01").kind == "account"
    assert cer.balances()["receivable", "GSE"] == 884_000 * MICRO
    cer.now_ms += 2 * 24 * 3_600_000
    assert cer.close("2026").kind == "final"
    assert cer.balances() == WORKED_HOUR
    assert [row["cause"] for row in cer.books.rows(schema.journal)] == ["pool-close", "pool-true-up"]
    with pytest.raises(PoolRefused, match="trued up"):
        cer.close("2026-01")
    cer.books.database.close()
