"""Standing charges in the books: for every day in which a version stood, used or not, beside minimum and cap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.books import DAY, ENERGY, HOUR, T0, WASHES
from support.late_versions import OTHERS, begins, proposed, says_yes, washes
from support.money import CONTI, ELENA, HADDAD, contract, cycles
from support.money import T0 as JANUARY
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.period import standing_charges
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.calendar import Period, days_in, period_of
from tallystick_protocol.money.contract import AssetTerms, Contract, ContractState
from tallystick_protocol.money.numbers import Exact
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED

STANDING = WASHES.replace('per = "cycle"\n', 'per = "cycle"\nstanding_charge = 6.20\nminimum = 3.00\n')
"""Beside a minimum, which it does not count in."""


def charges(world: World) -> list[tuple[int, int, int]]:
    """(from day, to day, fee) of each, in the order of their days."""
    rows: list[dict[str, int]] = [row for row in world.books.rows(schema.standing) if row["form"] == "standing-charge"]  # type: ignore[misc]
    rows.sort(key=lambda row: (row["end_ms"], row["from_total"]))
    return [(row["from_total"], row["to_total"], row["fee"]) for row in rows]


def fees(world: World, form: str) -> list[int]:
    return sorted(int(row["fee"]) for row in world.books.rows(schema.standing) if row["form"] == form)  # type: ignore[call-overload]


def check(world: World) -> None:
    """Every file of both months verifies, and so do the books."""
    for name, verdict in {"Anna": VALID_SPLIT_AS_COMMITTED, "Bank": VALID, "Coop": VALID}.items():
        for month in (NOVEMBER, DECEMBER):
            assert world.verify(world.evidence(name, month), name).verdict == verdict, (name, month)
    assert world.books.audit() == []


def test_a_month_costs_its_standing_charge_used_or_not(either_url: str) -> None:
    """Two washes in November come to the minimum by themselves; in December only the minimum does."""
    world = open_world(either_url, contracts={"washes.toml": STANDING, "energy.toml": ENERGY})
    for day in (3, 4):
        world.wash(T0 + day * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert charges(world) == [(0, 30, 6_200_000_000), (0, 31, 6_200_000_000)]
    minimums = [fee for fee in fees(world, "minimum") if fee != 5_000_000_000]  # the energy contract's
    assert minimums == [0, 3_000_000_000]
    check(world)
    world.books.database.close()


def test_a_late_wash_moves_no_standing_charge_but_who_earns_of_it(either_url: str) -> None:
    """The loan takes 40 % of each charge until it is repaid: a late wash before it repays more of it."""
    world = open_world(either_url, contracts={"washes.toml": STANDING, "energy.toml": ENERGY})
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 3 * DAY + 9 * HOUR, now_ms=T0 + 32 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert [fee for _, _, fee in charges(world)] == [6_200_000_000] * 2
    row = next(row for row in world.books.rows(schema.standing) if row["form"] == "standing-charge")
    assert row["revision"] == 2, "the first charge's shares moved, its fee did not"
    check(world)
    world.books.database.close()


def test_two_versions_in_a_month_share_its_days(either_url: str) -> None:
    """From the eleventh on it is 9.00 a month: ten days of the old one and twenty of the new one."""
    world = open_world(either_url, contracts={"washes.toml": STANDING, "energy.toml": ENERGY})
    world.wash(T0 + 3 * DAY + 9 * HOUR)
    first, made = washes(world)
    dearer = replace(made.tariff, standing_charge=Exact.of("9.00"))
    h = proposed(world, begins(world, first, made, 10, tariff=dearer), T0 + 4 * DAY)
    assert [says_yes(world, h, name, T0 + 4 * DAY) for name in OTHERS][-1] == "live"
    world.wash(T0 + 12 * DAY + 9 * HOUR)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert charges(world) == [(0, 10, 2_066_666_666), (10, 30, 6_000_000_000), (0, 31, 9_000_000_000)]
    check(world)
    world.books.database.close()


def test_no_version_begins_in_a_month_that_is_closed(either_url: str) -> None:
    """Its charge of thirty days stands, and nobody used anything since the twentieth."""
    bare = STANDING.replace("minimum = 3.00\n", "")
    world = open_world(either_url, contracts={"washes.toml": bare, "energy.toml": ENERGY})
    world.close(NOVEMBER, AFTER_NOVEMBER)
    first, made = washes(world)
    with pytest.raises(ContractRefused, match="it is closed until 2026-12-01 00:00 by an earlier version"):
        proposed(world, begins(world, first, made, 20), AFTER_NOVEMBER + HOUR)
    proposed(world, begins(world, first, made, 30), AFTER_NOVEMBER + HOUR)
    world.books.database.close()


def version(number: int, one: Contract) -> Version:
    return Version(sha256(b"%d" % number), sha256(b"1"), one)


def spans(*versions: Version) -> list[tuple[bytes, tuple[int, int], Kind, bytes]]:
    """(payer, days, kind, version) of each charge of January."""
    found = standing_charges(versions, period_of(versions[0].contract, JANUARY))
    return [
        (one.usage.payer, (one.usage.from_total, one.usage.to_total), one.kind, one.contract)
        for one in sorted(found, key=lambda one: (one.usage.from_total, one.usage.payer))
    ]


FIRST = contract(replace(cycles(), standing_charge=Exact.of(31)))
MIDDLE = JANUARY + 10 * DAY


def test_who_moves_out_owes_the_days_until_then_and_who_moves_in_those_from_then_on() -> None:
    assets = (AssetTerms("meter", "energy", ELENA),)
    second = replace(FIRST, version=2, prev=sha256(b"1"), effective_from_ms=MIDDLE, assets=assets)
    one, two = version(1, FIRST), version(2, second)
    assert spans(one, two) == [
        *((payer, (0, 10), Kind.LIVE, one.h) for payer in sorted((CONTI, HADDAD))),
        (ELENA, (10, 31), Kind.LIVE, two.h),
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [(ContractState.PAUSED, None), (ContractState.ENDED, None), (ContractState.SHADOW, Kind.SHADOW)],
)
def test_days_in_which_a_contract_did_not_stand_cost_nothing(state: ContractState, expected: Kind | None) -> None:
    """One in shadow shows what they would cost."""
    second = replace(FIRST, version=2, prev=sha256(b"1"), effective_from_ms=MIDDLE, state=state)
    third = replace(FIRST, version=3, prev=sha256(b"2"), effective_from_ms=MIDDLE + 5 * DAY)
    found = spans(version(1, FIRST), version(2, second), version(3, third))
    mine = [(days, kind) for payer, days, kind, _ in found if payer == CONTI]
    shadow = [((10, 15), expected)] if expected else []
    assert mine == [((0, 10), Kind.LIVE), *shadow, ((15, 31), Kind.LIVE)]


def test_a_day_belongs_to_the_version_that_stands_at_its_end() -> None:
    """A version that begins in the afternoon has the whole day; one that is followed on the same day has none."""
    second = replace(FIRST, version=2, prev=sha256(b"1"), effective_from_ms=MIDDLE + 15 * HOUR)
    third = replace(FIRST, version=3, prev=sha256(b"2"), effective_from_ms=MIDDLE + 17 * HOUR)
    found = spans(version(1, FIRST), version(2, second), version(3, third))
    assert [(days, h) for payer, days, _, h in found if payer == CONTI] == [
        ((0, 10), version(1, FIRST).h),
        ((10, 31), version(3, third).h),
    ]


def test_a_version_that_another_one_does_not_follow_is_one_span() -> None:
    """One whose begin is that of the period, and one that begins after it, cut nothing."""
    later = replace(FIRST, version=2, prev=sha256(b"1"), effective_from_ms=JANUARY + 31 * DAY)
    assert {days for _, days, _, _ in spans(version(1, FIRST), version(2, later))} == {(0, 31)}


@pytest.mark.parametrize(("zone", "day", "days"), [("Europe/Rome", 80, 31), ("Europe/Rome", 300, 31), ("UTC", 40, 28)])
def test_a_day_of_23_or_25_hours_is_a_day(zone: str, day: int, days: int) -> None:
    one = replace(FIRST, zone=zone)
    period = period_of(one, JANUARY + day * DAY)
    offsets = offsets_of(zone)
    edges = [period.from_ms, *range(period.from_ms, period.to_ms, HOUR), period.to_ms]
    found = [days_in(period, edge, offsets) for edge in edges]
    assert found[0] == 0
    assert found[-1] == days
    assert found == sorted(found)
    assert {found.count(number) for number in range(1, days - 1)} <= {23, 24, 25}


def test_a_clock_that_went_back_over_midnight_counts_no_day_twice() -> None:
    """In Sao Paulo 2018-02-18 began twice: midnight became 23:00 of the day before."""
    offsets = offsets_of("America/Sao_Paulo")
    first, last = 1_517_450_400_000, 1_519_873_200_000  # February 2018 there
    period = Period(first, last)
    found = [days_in(period, edge, offsets) for edge in range(first, last + 1, HOUR)]
    assert (found[0], found[-1]) == (0, 28)
    assert max(found) == 28
