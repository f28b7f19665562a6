"""Whole lives of an energy community: who comes and goes, versions that change its terms, late and corrected data."""

import pytest
from support.pool_lives import DORA, EVERYBODY, agree, everybody, file_of, move, owed
from support.pools import GRID, MICRO, POOL, PRICES, TAIL, Community, open_community, proof_of, toml
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.pools import service, store
from tallystick_cloud.pools.errors import PoolRefused
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_protocol.codes import LineKind
from tallystick_protocol.ids import sha256

PARTS = (("home-1", "500000"), ("shop-1", "300000"), ("home-2", "200000"))
DAYS = 24 * 3_600_000
WHOLE = 1_105_000 * MICRO
YEAR = POOL.replace('series = "NORD"', 'series = "NORD"\ntrue_up = "year"\nadvance = "80 %"')
ABOVE = '[pool.above]\nportion = "55 %"\nto = "Social fund"\n'
ONLY_PARTIES = '[[split]]\nto = { "Social fund" = 20, "CER" = 3, "Software" = 2 }\n'


def since(day: str, text: str) -> str:
    return text.replace("effective_from = 2026-01-01", f"effective_from = {day}")


def month(cer: Community, name: str, grid: str = GRID) -> None:
    """The worked hour in another month, closed."""
    cer.upload(grid.replace("2026-01", name))
    cer.prices(PRICES.replace("2026-01", name))
    cer.close(name)


def new_year(cer: Community) -> None:
    cer.now_ms += 400 * DAYS


def test_who_leaves_and_who_comes_has_a_file_of_every_month() -> None:
    cer = open_community(text=toml(more={"home-2": "to = 2026-02-01\n", "shop-1": "from = 2026-02-01\n"}))
    month(cer, "2026-01", GRID.replace("shop-1,2026-01-01T00:00,,4100\n", ""))
    assert everybody(cer, "2026-01")["Bakery"] == 0  # not there yet
    left = owed(cer, "Carla")
    assert left == 4_400 * 130_000 * 30 * 19 // (100 * 44)
    move(cer, "Carla", Account.PAYABLE, left // 10**7 * 10**7, "payout-sent")
    month(cer, "2026-02", GRID.replace("home-2,2026-01-01T00:00,,1900\n", ""))
    assert everybody(cer, "2026-02")["Carla"] == left % 10**7
    (paid,) = file_of(cer, "Carla", "2026-02").statement.statement.lines  # type: ignore[union-attr]
    assert (paid.kind, paid.amount) == (LineKind.PAYOUT, -(left // 10**7 * 10**7))
    cer.books.database.close()


def test_who_moved_out_checks_the_month_after_and_the_years_true_up() -> None:
    """The close names the version that the leaver is not in; the leaver's policy has to know it."""
    cer = open_community(text=toml(YEAR), more=DORA)
    names = (*EVERYBODY, "Dora")
    month(cer, "2026-01")
    on_account = owed(cer, "Carla")
    agree(cer, since("2026-02-01", toml(YEAR).replace("Carla", "Dora")))
    month(cer, "2026-02")
    found = everybody(cer, "2026-02", names)
    assert found["Carla"] == found["Dora"] == on_account == 59_280 * MICRO
    new_year(cer)
    cer.close("2026")
    found = everybody(cer, "2026", names)
    assert found["Carla"] == found["Dora"] == 74_100 * MICRO
    cer.books.database.close()


def test_who_moved_in_after_a_month_that_is_closed_again_is_told_so() -> None:
    cer = open_community(more=DORA)
    month(cer, "2026-01")
    agree(cer, since("2026-02-01", toml().replace("Carla", "Dora")))
    month(cer, "2026-02")
    cer.upload(GRID.replace(",1900", ",1800"), "corrected")
    cer.close("2026-01")
    with pytest.raises(NotFound, match="in no closed interval of this time"):
        file_of(cer, "Dora", "2026-01")
    month(cer, "2026-03")
    assert None not in everybody(cer, "2026-03", (*EVERYBODY, "Dora")).values()
    cer.books.database.close()


def test_a_year_that_is_not_closed_has_no_file_although_its_first_month_has_one() -> None:
    """Asked for 2026 the office got the file of January under that name, and the page said the year was closed."""
    cer = open_community(text=toml(YEAR))
    month(cer, "2026-01")
    assert proof_of(cer, "Anna", "2026-01")[0].statement is not None
    with pytest.raises(NotFound, match="none holds all of this time yet"):
        proof_of(cer, "Anna", "2026")
    chain, year = cer.versions()[0].chain, service.moment_span(cer.versions()[0].contract, "2026")
    assert cer.books.database.read_now(store.newest_close, chain, year) is None


def test_a_price_is_of_the_series_that_held_then() -> None:
    cer = open_community()
    month(cer, "2026-01")
    agree(cer, since("2026-02-01", toml(POOL.replace("NORD", "SUD"))))
    with pytest.raises(PoolRefused, match="but NORD and SUD"):
        cer.prices("start,price\n2026-01-01T00:00,100\n2026-02-01T00:00,170\n")
    cer.prices("start,price\n2026-01-31T23:00,100\n")  # late, of the series before
    cer.upload(GRID.replace("2026-01", "2026-02"))
    cer.prices("start,price\n2026-02-01T00:00,170\n")
    assert cer.close("2026-01").again
    cer.close("2026-02")
    assert owed(cer, "GSE") == -WHOLE - 8_500 * 100_000
    assert None not in everybody(cer, "2026-02").values()
    cer.books.database.close()


@pytest.mark.parametrize("first", [YEAR, YEAR + ABOVE])
def test_a_threshold_counts_where_the_contract_has_one(first: str) -> None:
    """Of 8,500 Wh in a month with it 7,150 are below; in a month without it nothing is above, and counts in neither."""
    cer = open_community(text=toml(first))
    month(cer, "2026-01")
    agree(cer, since("2026-02-01", toml(YEAR if first != YEAR else YEAR + ABOVE)))
    month(cer, "2026-02")
    new_year(cer)
    closed = cer.close("2026")
    assert sorted(one.above_wh for one in closed.worked.intervals) == [0, 1_350]
    above = 1_350 * 130_000
    assert everybody(cer, "2026")["Social fund"] == above + (2 * WHOLE - above) * 20 // 100
    cer.books.database.close()


def test_a_year_that_is_trued_up_from_february_on_closes_january_with_it() -> None:
    cer = open_community()
    month(cer, "2026-01")
    agree(cer, since("2026-02-01", toml(YEAR)))
    month(cer, "2026-02")
    new_year(cer)
    cer.upload(GRID.replace(",5000,", ",300,"), "corrected")
    cer.close("2026")
    assert everybody(cer, "2026")["GSE"] == -WHOLE - 8_300 * 130_000
    stands = cer.balances()
    with pytest.raises(PoolRefused, match="trued up"):
        cer.close("2026-01")
    assert cer.balances() == stands
    assert cer.close("2026").again
    cer.books.database.close()


def test_a_year_without_true_up_after_one_with_it_counts_the_threshold_by_the_month() -> None:
    cer = open_community(text=toml(YEAR + ABOVE))
    month(cer, "2026-01")
    new_year(cer)
    cer.close("2026")
    before = owed(cer, "Social fund")
    agree(cer, since("2027-01-01", toml(POOL + ABOVE)))
    month(cer, "2027-01")
    above = 1_350 * 130_000
    assert everybody(cer, "2027-01")["Social fund"] == before + above + (WHOLE - above) * 20 // 100
    with pytest.raises(PoolRefused, match="is not a month"):
        cer.close("2027")
    cer.books.database.close()


def test_a_corrected_price_is_posted_also_where_no_member_has_a_part() -> None:
    cer = open_community(text=toml(split=ONLY_PARTIES))
    month(cer, "2026-01")
    cer.prices(PRICES.replace(",100", ",170"), "the series was corrected")
    assert cer.close().posted
    assert everybody(cer, "2026-01")["GSE"] == -8_500 * 100_000
    assert cer.close().again
    cer.books.database.close()


def test_a_pool_that_ends_can_be_checked_by_everybody() -> None:
    cer = open_community()
    ended = since("2026-01-15", toml()).replace('state = "live"', 'state = "ended"')
    agree(cer, ended)
    month(cer, "2026-01")
    assert everybody(cer, "2026-01")["GSE"] == -WHOLE
    cer.upload(GRID.replace(",5000,", ",300,"), "corrected after the end")
    cer.close()
    assert everybody(cer, "2026-01")["GSE"] == -8_300 * 130_000
    cer.books.database.close()


def test_coefficients_of_two_years_are_two_files() -> None:
    pool = 'plants = "pro-rata"\nconsumers = "coefficients"\npayer = "consumers"\nper = "kWh"\n'
    rows = "".join(f"{name};{hour:04d};0,{part}\n" for name, part in PARTS for hour in range(1, 8761))
    text = f'[pool]\n{pool}coefficients = "{sha256(rows.encode()).hex()}"\n[[pool.class]]\nname = "sun"\nprice = 0.09\n'
    cer = open_community(text=toml(text))
    assert cer.coefficients(rows).new == 3 * 8760
    assert cer.coefficients(rows).known == 3 * 8760
    with pytest.raises(PoolRefused, match="was taken in for 2026"):
        cer.coefficients(rows, 2027)
    cer.books.database.close()


def test_two_erased_members_are_two_heads_when_a_year_is_trued_up() -> None:
    """Of EUR 0.9945 for five members alike each has a fifth, whoever is still known; as one head they had a quarter."""
    split = '[[split]]\ngroup = "members"\nportion = "90 %"\n\n[[split]]\nto = "CER"\n'
    cer = open_community(text=toml(YEAR, split=split))
    month(cer, "2026-01")
    for name in ("Anna", "Carla"):
        party = cer.books.database.read_now(ids_by_name, "cer")[name]
        cer.books.database.write_now(erase_payer, "cer", party, cer.now_ms)
    new_year(cer)
    cer.close("2026")
    left = tuple(name for name in EVERYBODY if name not in ("Anna", "Carla"))
    found = everybody(cer, "2026", left)
    fifth = WHOLE * 9 // 10 // 5
    assert [found[name] for name in ("School", "Farm", "Bakery")] == [fifth] * 3
    assert [owed(cer, name) for name in ("Anna", "Carla")] == [fifth * 4 // 5] * 2
    assert cer.balances()["suspense", "CER"] == -2 * (fifth - fifth * 4 // 5)
    cer.books.database.close()


def test_from_february_on_the_grid_tells_quarters_of_an_hour() -> None:
    """One community for both; a late row of January is still an hour, and a row beside the hour's edge is none."""
    cer = open_community()
    month(cer, "2026-01")
    agree(cer, since("2026-02-01", toml(tail=TAIL.replace('"1 h"', '"15 min"'))))
    first, *rows = GRID.replace("2026-01", "2026-02").splitlines()
    quarters = [row.replace("T00:00", f"T00:{minute:02d}") for row in rows for minute in (0, 15, 30, 45)]
    month(cer, "2026-02", "\n".join([first, *quarters]))
    assert everybody(cer, "2026-02")["GSE"] == -5 * WHOLE
    with pytest.raises(BadInput, match="not on an edge of 60 minutes"):
        cer.upload(GRID.replace("T00:00", "T00:15"))
    cer.upload(GRID.replace(",5000,", ",300,"), "corrected")
    cer.close("2026-01")
    assert everybody(cer, "2026-01")["GSE"] == -4 * WHOLE - 8_300 * 130_000
    cer.books.database.close()


@pytest.mark.parametrize(
    ("rating", "name", "days"), [("quarter", "2026-Q1", 90), ("week", "2026-W01", 7), ("day", "2026-01-01", 1)]
)
def test_every_rating_period_has_a_name_to_close_it_by(rating: str, name: str, days: int) -> None:
    cer = open_community(text=toml(tail=TAIL.replace('"month"', f'"{rating}"')))
    cer.upload()
    cer.prices()
    worked = cer.close(name).worked
    hours = len(worked.intervals) + len(worked.opens)
    before = 3 * 24 if rating == "week" else 0  # Monday is 29 December, and the contract begins on Thursday
    clocks = 1 if rating == "quarter" else 0  # 29 March
    assert hours == days * 24 - before - clocks
    assert everybody(cer, name)["GSE"] == -WHOLE
    cer.books.database.close()


@pytest.mark.parametrize("name", ["2026-Q5", "2026-Q0", "2026-W54", "2026-13", "2026-Q1-01", "Q1", "2026-W", "x"])
def test_a_name_of_no_period_is_refused(name: str) -> None:
    cer = open_community()
    with pytest.raises(BadInput, match="write YYYY"):
        cer.close(name)
    cer.books.database.close()
