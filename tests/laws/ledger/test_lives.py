"""Whole lives of contracts and of people in them: who comes and goes, what begins and ends, what every file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection
from support.books import BY_VOLUME, DAY, ENERGY, HOUR, STEEP, T0, TOWN, WASHES
from support.disputes import begun, ended
from support.disputes import washes as event_uses
from support.late_versions import agreed, begins, moves_in, proposed, washes
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.closing.service import close_month, settling
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.http.month import Span
from tallystick_cloud.payouts.model import Facts, Held, Owed, Reason, plan
from tallystick_cloud.payouts.store import owed, terms
from tallystick_cloud.settlement.erase import erase_payer
from tallystick_cloud.settlement.payable import unsettled_fees
from tallystick_cloud.settlement.service import close as settle
from tallystick_protocol.money.contract import ContractState, Mode, RatingPeriod
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED

EURO = 10**9
LATER = T0 + 200 * DAY
STANDING = BY_VOLUME.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.20\n')


def opened(washes: str, url: str = "sqlite://") -> World:
    return open_world(url, contracts={"washes.toml": washes, "energy.toml": ENERGY})


def check(world: World, moments: Sequence[int], payers: Sequence[str] = ("Anna",)) -> None:
    """Every file verifies, and so do the books."""
    verdicts = {"Bank": VALID, "Coop": VALID} | dict.fromkeys(payers, VALID_SPLIT_AS_COMMITTED)
    for at_ms in moments:
        for name, verdict in verdicts.items():
            report = world.verify(world.evidence(name, at_ms, now_ms=LATER), name)
            assert report.verdict == verdict, (name, (at_ms - T0) // DAY, report.verdict)
    assert world.books.audit() == []


def fees(world: World, name: str, form: str) -> list[tuple[int, int]]:
    """(day on which it ended, fee) of each, in order; day 0 ends with November's first midnight."""
    rows = [row for row in world.books.rows(schema.standing) if row["form"] == form and row["payer"] == world.ids[name]]
    return sorted(((row["end_ms"] - T0) // DAY, row["fee"]) for row in rows)  # type: ignore[operator, misc]


# ------------------------------------------------------------ who comes, who goes


def test_who_moves_in_after_the_first_month_can_verify_the_second(either_url: str) -> None:
    """The file shows the first settlement whole, which has no statement of somebody who was not there."""
    world = opened(WASHES, either_url)
    moves_in(world, "Ben", 30, T0 + 4 * DAY)
    world.wash(T0 + 10 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 40 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    check(world, (NOVEMBER, DECEMBER), ("Anna", "Ben"))
    world.books.database.close()


def test_a_use_that_ran_when_its_user_moved_out_has_its_rebate(either_url: str) -> None:
    """It ended in December, whose version has another user; late uses of both come after the months were closed."""
    world = opened(STANDING, either_url)
    moves_in(world, "Ben", 30, T0 + 4 * DAY)
    for start_ms in (T0 + 10 * DAY, T0 + 30 * DAY - HOUR // 4):
        world.wash(start_ms)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    for day in (40, 41, 42):
        world.wash(T0 + day * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert fees(world, "Anna", "rebate") == [(30, 0), (61, 0)]
    assert fees(world, "Ben", "rebate") == [(61, -EURO * 8 // 10)]  # 1.50 + 1.50 + 1.10, all three at 1.10
    for day in (9, 39):
        world.wash(T0 + day * DAY, now_ms=T0 + 63 * DAY)
    january = T0 + 70 * DAY
    world.close(january, T0 + 93 * DAY)
    assert fees(world, "Ben", "standing-charge") == [(61, 6_200_000_000), (92, 6_200_000_000)]
    check(world, (NOVEMBER, DECEMBER, january), ("Anna", "Ben"))
    world.books.database.close()


def test_who_is_erased_before_the_month_is_closed_has_its_rebate(either_url: str) -> None:
    """Its contract no longer says who it was, but what was used stands: three washes at 1.10."""
    world = opened(BY_VOLUME, either_url)
    for day in (10, 11, 12):
        world.wash(T0 + day * DAY)
    world.books.run(erase_payer, world.community, world.ids["Anna"], T0 + 20 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert fees(world, "Anna", "rebate") == [(30, -800_000_000)]
    check(world, (NOVEMBER, DECEMBER), ())
    world.books.database.close()


def test_who_is_erased_after_they_used_something_owes_the_standing_charge(either_url: str) -> None:
    """And in December, of which nothing says that they were a user, none; everybody's file verifies."""
    standing = BY_VOLUME.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.20\n')
    world = opened(standing, either_url)
    world.wash(T0 + 10 * DAY)
    world.books.run(erase_payer, world.community, world.ids["Anna"], T0 + 20 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert fees(world, "Anna", "standing-charge") == [(30, 6_200_000_000)]
    check(world, (NOVEMBER, DECEMBER), ())
    world.books.database.close()


# ------------------------------------------------------------ versions and periods


def test_no_version_begins_in_a_month_that_is_closed() -> None:
    """Not even where nothing was used since: what is signed of the month names the versions that held in it."""
    world = opened(WASHES)
    world.wash(T0 + 10 * DAY)
    dearer = {"tariff": replace(washes(world)[1].tariff, standing_charge=Exact.of("9.00"))}
    waits = proposed(world, begins(world, *washes(world), 20, **dearer), T0 + 15 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    before = world.books.dump()
    _, made = washes(world)
    with pytest.raises(ContractRefused, match="is 2026-11-21 00:00, and it is closed until 2026-12-01 00:00"):
        agreed(world, begins(world, waits, made, 20, version=3, **dearer), T0 + 33 * DAY)
    assert world.books.dump() == before
    agreed(world, begins(world, waits, made, 30, version=3, **dearer), T0 + 33 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert fees(world, "Anna", "standing-charge") == [(61, 9 * EURO)]
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()


@pytest.mark.parametrize(
    ("change", "day"),
    [
        (RatingPeriod.DAY, 10),
        (RatingPeriod.WEEK, 30),
        (RatingPeriod.QUARTER, 30),
        (RatingPeriod.YEAR, 30),
        ("zone", 30),
    ],
)
def test_other_rating_periods_do_not_begin_in_the_middle_of_one(change: RatingPeriod | str, day: int) -> None:
    """2026-11-30 is a Monday: a week would have begun in November."""
    world = opened(STANDING)
    first, made = washes(world)
    other = {"zone": "Europe/Rome"} if change == "zone" else {"terms": replace(made.terms, rating_period=change)}
    with pytest.raises(ContractRefused, match="change it where one ends and another one begins"):
        proposed(world, begins(world, first, made, day, **other), T0 + 4 * DAY)
    world.books.database.close()


def test_nor_do_they_end_in_the_middle_of_one() -> None:
    """After a version for a while the one before it holds again."""
    world = opened(STANDING)
    first, made = washes(world)
    other = {"terms": replace(made.terms, rating_period=RatingPeriod.DAY)}
    a_while = begins(world, first, made, 30, effective_to_ms=T0 + 40 * DAY, **other)
    with pytest.raises(ContractRefused, match="has one from 2026-12-01 00:00 on"):
        proposed(world, a_while, T0 + 4 * DAY)
    proposed(world, begins(world, first, made, 30, effective_to_ms=T0 + 61 * DAY, **other), T0 + 4 * DAY)
    world.books.database.close()


@pytest.mark.parametrize(
    ("change", "ends"), [(RatingPeriod.DAY, [30, 61, 62, 63]), (RatingPeriod.QUARTER, [30, 61, 151])]
)
def test_other_rating_periods_begin_where_both_do(change: RatingPeriod, ends: list[int]) -> None:
    """From January on; each day stands in one period, and each period has its charge once."""
    world = opened(STANDING)
    first, made = washes(world)
    agreed(world, begins(world, first, made, 61, terms=replace(made.terms, rating_period=change)), T0 + 4 * DAY)
    for start_ms in (T0 + 5 * DAY, T0 + 61 * DAY - HOUR // 4, T0 + 62 * DAY):
        world.wash(start_ms)
    moments = [T0 + (end - 1) * DAY for end in ends]
    for at_ms in moments:
        world.close(at_ms, at_ms + 120 * DAY)
    assert fees(world, "Anna", "standing-charge") == [(end, 6_200_000_000) for end in ends]
    check(world, moments)
    world.books.database.close()


@pytest.mark.parametrize("is_known_first", [True, False])
def test_a_month_before_a_contract_was_agreed_is_closed_where_it_priced_something(
    is_known_first: bool, either_url: str
) -> None:
    """Agreed on 1 November, from October on: three washes of October at 1.10, a minimum of 4.00, a standing charge."""
    made = STEEP.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.20\n')
    world = opened(made, either_url)
    washed = [T0 - day * DAY for day in (10, 9, 8)]
    for start_ms in washed if is_known_first else ():
        world.wash(start_ms, now_ms=T0 + DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    for start_ms in () if is_known_first else washed:
        world.wash(start_ms, now_ms=T0 + 33 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert fees(world, "Anna", "rebate") == [(0, -800_000_000), (30, 0), (61, 0)]
    assert fees(world, "Anna", "minimum") == [(0, 700_000_000), (30, 4 * EURO), (61, 4 * EURO)]
    assert fees(world, "Anna", "standing-charge") == [(end, 6_200_000_000) for end in (0, 30, 61)]
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()


@pytest.mark.parametrize("live_from", [15, None])
def test_a_payer_can_verify_what_a_contract_in_shadow_charges_at_a_months_end(
    live_from: int | None, either_url: str
) -> None:
    """Minimum, rebate and standing charge; in shadow all the time, or until the fifteenth day."""
    made = STEEP.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.00\n').replace('"live"', '"shadow"')
    shadow = TOWN.replace('file = "washes.toml"\nstate = "live"', 'file = "washes.toml"\nstate = "shadow"')
    world = open_world(either_url, town=shadow, contracts={"washes.toml": made, "energy.toml": ENERGY})
    if live_from is not None:
        agreed(world, begins(world, *washes(world), live_from, state=ContractState.LIVE), T0 + 4 * DAY)
    for day in (3, 4, 5, 16, 17, 18):
        world.wash(T0 + day * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.close(DECEMBER, AFTER_DECEMBER)
    if live_from is None:
        assert fees(world, "Anna", "rebate") == [(30, -EURO), (61, 0)]  # 7.30 under a cap of 7.00, all six at 1.00
        assert fees(world, "Anna", "standing-charge") == [(30, 6 * EURO), (61, 6 * EURO)]
    else:
        assert fees(world, "Anna", "rebate") == [(30, -800_000_000), (30, -800_000_000), (61, 0)]
        assert fees(world, "Anna", "standing-charge") == [(30, 3 * EURO), (30, 3 * EURO), (61, 6 * EURO)]
        assert fees(world, "Anna", "minimum") == [(30, 700_000_000), (61, 4 * EURO)]
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()


# ------------------------------------------------------------ contracts that end

BY_DATE = STEEP.replace("effective_from = 2026-10-01", "effective_from = 2026-10-01\neffective_to = 2026-12-01")


def page(world: World, month: str, now_ms: int) -> list[str]:
    """Close what a month's page says is due; the names of the contracts."""
    closed = world.books.run(close_month, world.office, Span.of(month, now_ms, "UTC"), now_ms)
    return sorted(one.contract for one in closed)  # type: ignore[attr-defined]


def unsettled(world: World) -> int:
    """Nano of all fees that stand in no settlement."""
    found = world.books.database.read_now(unsettled_fees, world.community)
    return sum((found or {}).values())


@pytest.mark.parametrize("is_by_date", [False, True])
def test_what_comes_after_the_last_month_of_a_contract_is_settled_once(is_by_date: bool, either_url: str) -> None:
    """A use that ran when it ended, and a late one; there was no month on whose page they could be closed."""
    world = opened(BY_DATE if is_by_date else STEEP, either_url)
    if not is_by_date:
        agreed(world, begins(world, *washes(world), 30, state=ContractState.ENDED), T0 + 4 * DAY)
    for start_ms in (T0 + 5 * DAY, T0 + 6 * DAY, T0 + 30 * DAY - HOUR // 4):
        world.wash(start_ms, now_ms=start_ms + 2 * HOUR)
    assert page(world, "2026-11", AFTER_NOVEMBER) == ["Energy", "Washes"]
    assert unsettled(world) == 1_500_000_000  # the one that ran: the first of December
    world.wash(T0 + 7 * DAY, now_ms=T0 + 34 * DAY)
    assert unsettled(world) == 1_500_000_000 + 1_100_000_000
    assert page(world, "2026-12", AFTER_DECEMBER) == ["Energy", "Washes"]
    assert unsettled(world) == 0
    assert fees(world, "Anna", "rebate")[0] == (30, -800_000_000)
    assert fees(world, "Anna", "minimum") == [(30, 700_000_000)]  # three at 1.10 are 3.30 of 4.00
    january = T0 + 93 * DAY
    assert page(world, "2027-01", january) == ["Energy"]
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()


def test_a_use_of_a_contract_that_has_ended_is_reversed_and_settled() -> None:
    """Without a settlement nobody could issue the credit note."""
    world = opened(BY_DATE)
    for day in (27, 28, 29):
        world.wash(T0 + day * DAY)
    page(world, "2026-11", AFTER_NOVEMBER)
    use = event_uses(world)[0]
    begun(world, use)
    ended(world, use, is_right=True, name="Ben")
    assert page(world, "2026-12", AFTER_DECEMBER) == ["Energy", "Washes"]
    last = Span.of("2027-01", T0 + 93 * DAY, "UTC")
    held = world.books.database.read_now(settling, world.community, last, T0 + 93 * DAY)
    assert [one.name for one in held] == ["Energy"]
    assert fees(world, "Anna", "event")[0] == (27, 0)
    assert fees(world, "Anna", "minimum") == [(30, EURO)]  # two at 1.50 are 3.00 of 4.00
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()


def test_all_contracts_are_settled_by_the_command_also_those_that_have_ended() -> None:
    """One that runs on is left out; one that has ended is no reason to leave others out."""
    world = opened(BY_DATE.replace('rating_period = "month"', 'rating_period = "day"'))
    world.wash(T0 + 5 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 29 * DAY, now_ms=T0 + 34 * DAY)
    closed = world.books.run(settle, world.office, DECEMBER, AFTER_DECEMBER)
    assert sorted(one.contract for one in closed) == ["Energy", "Washes"]  # type: ignore[attr-defined]
    assert unsettled(world) == 0
    check(world, (NOVEMBER,))
    world.books.database.close()


@pytest.mark.parametrize("ends", ["2026-12-01", "2026-11-16"])
def test_the_last_version_of_a_contract_that_ended_gives_the_minimum(ends: str) -> None:
    """docs/adr/0201: of the last version in force in the period, and whole."""
    world = opened(BY_DATE.replace("effective_to = 2026-12-01", f"effective_to = {ends}"))
    world.wash(T0 + 5 * DAY)
    page(world, "2026-11", AFTER_NOVEMBER)
    assert fees(world, "Anna", "minimum") == [(30, 2_500_000_000)]
    page(world, "2026-12", AFTER_DECEMBER)
    assert fees(world, "Anna", "minimum") == [(30, 2_500_000_000)]
    check(world, (NOVEMBER,))
    world.books.database.close()


def kept(world: World, name: str, now_ms: int) -> list[Reason]:
    """Why a party is not paid what its accounts hold."""

    def read(conn: Connection) -> list[Reason]:
        names = dict.fromkeys(world.ids.values(), "somebody")
        facts = Facts(terms(conn, world.community, now_ms), names, {})
        rows: list[Owed] = [one for one in owed(conn, world.community) if one.party == world.ids[name]]
        return [one.reason for one in plan(rows, facts, b"").held if isinstance(one, Held)]

    return world.books.database.read_now(read)


def test_what_is_below_the_threshold_is_paid_once_a_contract_has_ended() -> None:
    """By its date as by a version that ends it, and not before."""
    world = opened(BY_DATE)
    world.wash(T0 + 5 * DAY)
    assert kept(world, "Repairer", T0 + 30 * DAY - 1) == [Reason.BELOW_THRESHOLD]  # 0.15 of 10.00
    assert kept(world, "Repairer", T0 + 30 * DAY) == [Reason.NO_ACCOUNT]
    world.books.database.close()


# ------------------------------------------------------------ who collects


def test_what_the_collector_owed_is_paid_although_everybody_pays_directly_since(either_url: str) -> None:
    """Nobody could pay it: a contract whose mode is direct was left out of every payout run, with all of its past."""
    world = opened(WASHES, either_url)
    agreed(world, begins(world, *washes(world), 30, mode=Mode.DIRECT), T0 + 4 * DAY)
    world.wash(T0 + 10 * DAY)
    assert kept(world, "Repairer", T0 + 30 * DAY - 1) == [Reason.BELOW_THRESHOLD]
    assert kept(world, "Repairer", T0 + 30 * DAY) == [Reason.NO_ACCOUNT]  # nothing comes on top of it
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 40 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert sorted(kept(world, "Repairer", AFTER_DECEMBER)) == [Reason.NO_ACCOUNT, Reason.OWN]
    check(world, (NOVEMBER, DECEMBER))
    world.books.database.close()
