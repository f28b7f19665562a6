"""Closing a period closes those before it that nobody closed: a month that was forgotten, the weeks of a month."""

from __future__ import annotations

import pytest
from support.books import DAY, ENERGY, HOUR, T0, WASHES
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.closing.service import close_month, close_or_tell
from tallystick_cloud.errors import Conflict
from tallystick_cloud.http.month import Span
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED

LEAST = WASHES.replace('per = "cycle"\n', 'per = "cycle"\nminimum = 3.00\nstanding_charge = 6.20\n')
WEEKLY = LEAST.replace('rating_period = "month"', 'rating_period = "week"')


def ends_and_fees(world: World, form: str) -> list[tuple[int, int]]:
    """(day of November's count on which it ended, fee) of each of Anna's washes' closings, in order."""
    rows = [
        row for row in world.books.rows(schema.standing) if row["form"] == form and row["payer"] == world.ids["Anna"]
    ]
    return sorted(((row["end_ms"] - T0) // DAY, row["fee"]) for row in rows)  # type: ignore[operator, misc]


def check(world: World, at_ms: int) -> None:
    for name, verdict in {"Anna": VALID_SPLIT_AS_COMMITTED, "Bank": VALID, "Coop": VALID}.items():
        report = world.verify(world.evidence(name, at_ms, now_ms=AFTER_DECEMBER + 20 * DAY), name)
        assert report.verdict == verdict, (name, report.verdict)
    assert world.books.audit() == []


def test_a_month_that_nobody_closed_owes_its_minimum_when_the_next_one_is_closed(either_url: str) -> None:
    world = open_world(either_url, contracts={"washes.toml": LEAST, "energy.toml": ENERGY})
    world.wash(T0 + 40 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert ends_and_fees(world, "minimum") == [(30, 3_000_000_000), (61, 1_150_000_000)]
    assert ends_and_fees(world, "standing-charge") == [(30, 6_200_000_000), (61, 6_200_000_000)]
    check(world, DECEMBER)
    world.books.database.close()


def test_every_week_of_a_month_owes_its_minimum(either_url: str) -> None:
    """2026-11-01 is a Sunday; the week of the 30th ends with 6 December, and only then can November be closed."""
    world = open_world(either_url, contracts={"washes.toml": WEEKLY, "energy.toml": ENERGY})
    world.wash(T0 + 10 * DAY + 9 * HOUR)
    now_ms = T0 + 36 * DAY + HOUR
    month = Span.of("2026-11", now_ms, "UTC")
    world.books.run(close_month, world.office, month, now_ms)
    assert ends_and_fees(world, "minimum") == [
        (1, 3_000_000_000), (8, 3_000_000_000), (15, 1_150_000_000), (22, 3_000_000_000), (29, 3_000_000_000),
        (36, 3_000_000_000),
    ]  # fmt: skip
    check(world, NOVEMBER)
    before = world.books.rows(schema.use)
    world.books.run(close_month, world.office, month, now_ms)
    assert world.books.rows(schema.use) == before
    world.books.database.close()


def test_nothing_is_owed_for_months_before_a_contract_was_agreed(either_url: str) -> None:
    """It holds from October on, and came into force here with November."""
    world = open_world(either_url, contracts={"washes.toml": LEAST, "energy.toml": ENERGY})
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert [end for end, _ in ends_and_fees(world, "minimum")] == [30]
    world.books.database.close()


def test_a_month_before_the_contract_was_agreed_is_closed_when_something_was_used_in_it(either_url: str) -> None:
    """The gateway was offline while the parties agreed; what it tells is priced by it from its beginning on."""
    world = open_world(either_url, contracts={"washes.toml": LEAST, "energy.toml": ENERGY})
    world.wash(T0 - 10 * DAY, now_ms=T0 + 2 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert ends_and_fees(world, "minimum") == [(0, 1_150_000_000), (30, 3_000_000_000)]
    assert ends_and_fees(world, "standing-charge") == [(0, 6_200_000_000), (30, 6_200_000_000)]
    check(world, NOVEMBER)
    world.wash(T0 - 9 * DAY, now_ms=T0 + 33 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert [fee for end, fee in ends_and_fees(world, "minimum") if end == 0] == [0], "3.70 by now"
    check(world, DECEMBER)
    world.books.database.close()


@pytest.mark.parametrize("again", [1, 2])
def test_closing_each_month_in_turn_is_the_same_as_closing_the_last(either_url: str, again: int) -> None:
    """But for when it was known: sums and fees are alike."""
    worlds = []
    for months in ((NOVEMBER, AFTER_NOVEMBER), (DECEMBER, AFTER_DECEMBER)), ((DECEMBER, AFTER_DECEMBER),):
        world = open_world(
            either_url if not worlds else "sqlite://", contracts={"washes.toml": LEAST, "energy.toml": ENERGY}
        )
        world.wash(T0 + 3 * DAY)
        for _ in range(again):
            for month, now_ms in months:
                world.close(month, now_ms)
        worlds.append(world)
    for form in ("minimum", "standing-charge"):
        assert ends_and_fees(worlds[0], form) == ends_and_fees(worlds[1], form)
    for world in worlds:
        world.books.database.close()


def test_a_contract_that_begins_late_in_a_month_is_closed_with_it(either_url: str) -> None:
    """It owes eleven days of its standing charge, and its minimum whole; in the middle of the month it did not hold."""
    late = LEAST.replace("effective_from = 2026-10-01", "effective_from = 2026-11-20")
    world = open_world(either_url, contracts={"washes.toml": late, "energy.toml": ENERGY})
    world.wash(T0 + 22 * DAY)
    month = Span.of("2026-11", AFTER_NOVEMBER, "UTC")
    closed = world.books.run(close_or_tell, world.office, month, AFTER_NOVEMBER)
    assert len(closed) == 2
    assert ends_and_fees(world, "minimum") == [(30, 1_150_000_000)]
    assert ends_and_fees(world, "standing-charge") == [(30, 6_200_000_000 - 6_200_000_000 * 19 // 30)]
    check(world, NOVEMBER)
    again = world.books.run(close_or_tell, world.office, month, AFTER_NOVEMBER)
    assert [(one.settlement.h, one.again) for one in again] == [(one.settlement.h, True) for one in closed]
    later = Span.of("2026-12", AFTER_NOVEMBER, "UTC")
    with pytest.raises(Conflict, match="close it when it is over"):
        world.books.run(close_or_tell, world.office, later, AFTER_NOVEMBER)
    world.books.database.close()
