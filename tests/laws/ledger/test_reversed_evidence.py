"""Evidence of a reversed use says so and verifies: settled before or not, with later uses in its counters or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from support.books import DAY, ENERGY, HOUR, STEEP, T0, WASHES, place
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.disputes.service import Said, decide, open_dispute
from tallystick_cloud.ledger.reversal import reverse
from tallystick_cloud.settlement import reversals
from tallystick_protocol.codes import Scope
from tallystick_protocol.records import Reversal
from tallystick_protocol.verify import VALID, VALID_SPLIT_AS_COMMITTED, Report

NOW = AFTER_NOVEMBER + HOUR
Played = Callable[[World], int]
"""What happens until December is closed; how many uses are reversed in December's file, and shown there."""


def nth(world: World, form: str, number: int) -> bytes:
    rows = [row for row in world.books.rows(schema.use) if row["form"] == form]
    return sorted(rows, key=place)[number]["use_id"]  # type: ignore[return-value]


def gone(world: World, form: str, number: int, now_ms: int = NOW) -> None:
    world.books.run(reverse, world.community, nth(world, form, number), "it never ran", now_ms)


def washes(world: World, days: range) -> None:
    for day in days:
        world.wash(T0 + day * DAY + 9 * HOUR)


def the_first_of_many(world: World) -> int:
    """The loan's cap was met by the fourth wash: when the first one goes, its share goes to the fourth and fifth."""
    washes(world, range(5))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "event", 0)
    washes(world, range(31, 33))
    return 1


def the_last_one(world: World) -> int:
    """Nothing comes after it: its counters fall back to where the use before left them."""
    washes(world, range(3))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "event", 2)
    return 1


def the_last_two(world: World) -> int:
    washes(world, range(3))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "event", 1)
    gone(world, "event", 2)
    return 2


def the_only_one(world: World) -> int:
    washes(world, range(1))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "event", 0)
    return 1


def before_it_was_settled(world: World) -> int:
    washes(world, range(31, 34))
    gone(world, "event", 1, T0 + 35 * DAY)
    return 1


def a_late_one_comes_after(world: World) -> int:
    """The late wash is rated among what is left, and brings nothing back."""
    washes(world, range(1, 4))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "event", 1)
    world.wash(T0 + 9 * HOUR, now_ms=T0 + 32 * DAY)
    return 1


def the_late_one_itself(world: World) -> int:
    washes(world, range(1, 4))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.wash(T0 + 9 * HOUR, now_ms=T0 + 32 * DAY)
    gone(world, "event", 0, T0 + 33 * DAY)
    return 1


WASHED = (the_first_of_many, the_last_one, the_last_two, the_only_one, before_it_was_settled, a_late_one_comes_after,
          the_late_one_itself)  # fmt: skip


def check(world: World, shown: int, payer: str) -> None:
    """Audit and verifier agree; each file says how many uses are reversed. Closes the world."""
    assert world.books.audit() == []
    for name, verdict in {payer: VALID_SPLIT_AS_COMMITTED, "Bank": VALID, "Coop": VALID}.items():
        found = report(world, name)
        assert found.verdict == verdict, name
        assert next(one for one in found.checks if one.name == "reversals").figures == {"reversed": shown}
    world.books.database.close()


def report(world: World, name: str, scope: Scope | None = None) -> Report:
    return world.verify(world.evidence(name, DECEMBER, scope=scope), name)


@pytest.mark.parametrize("played", WASHED)
def test_a_reversed_wash_is_evidence_that_verifies(played: Played) -> None:
    world = open_world()
    shown = played(world)
    world.close(DECEMBER, AFTER_DECEMBER)
    check(world, shown, "Anna")


def test_a_decision_that_was_changed_or_is_not_logged_is_noticed() -> None:
    world = open_world()
    the_first_of_many(world)
    world.close(DECEMBER, AFTER_DECEMBER)
    world.sign(AFTER_DECEMBER)
    (row,) = world.books.rows(schema.reversal)
    other = world.books.rows(schema.settlement)[0]
    forged = bytearray(row["envelope"])  # type: ignore[arg-type]
    forged[-9] ^= 1

    def shown(envelope: object, leaf: object) -> str:
        changed = update(schema.reversal).values(envelope=envelope, leaf=leaf)
        world.books.run(lambda conn: conn.execute(changed))
        return report(world, "Bank").verdict

    assert shown(bytes(forged), row["leaf"]).startswith("reversal of use 1: has a signature that does not fit")
    assert "is reversed by a decision that is not in the file" in shown(other["envelope"], other["leaf"])
    assert shown(row["envelope"], row["leaf"]) == VALID
    world.books.database.close()


def test_a_host_that_brings_a_reversed_use_back_is_noticed() -> None:
    world = open_world()
    washes(world, range(3, 4))
    kept = world.books.rows(schema.counter)
    gone(world, "event", 0, T0 + 5 * DAY)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.books.run(lambda conn: conn.execute(update(schema.reversal).values(use_id=bytes(32))))
    world.books.run(lambda conn: conn.execute(delete(schema.rerating)))
    world.books.run(lambda conn: conn.execute(insert(schema.counter), kept))
    world.wash(T0 + 9 * HOUR, now_ms=T0 + 32 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    world.sign(AFTER_DECEMBER)
    assert "was reversed, and a later settlement brings it back" in report(world, "Bank").verdict
    assert "was reversed, and a later settlement brings it back" in report(world, "Anna").verdict
    world.books.database.close()


def meter(world: World) -> None:
    """Ben's flat in November, 0.7 kWh an hour: 27 kWh, of which 10 are in the dearer tier; and a little of December."""
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(40)])
    world.meter([(T0 + 30 * DAY + step * HOUR, 40_000 + step * 500) for step in range(-2, 3)])


def slices_of_both_tiers(world: World) -> int:
    meter(world)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "interval", 3)
    gone(world, "interval", 70)
    return 2


def a_slice_before_it_was_settled(world: World) -> int:
    meter(world)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    world.meter([(T0 + 40 * DAY + step * HOUR, 50_000 + step * 900) for step in range(30)])
    rows = [row for row in world.books.rows(schema.use) if row["form"] == "interval"]
    gone(world, "interval", len(rows) - 2, T0 + 45 * DAY)
    return 1


def the_minimum(world: World) -> int:
    world.meter([(T0, 1000), (T0 + HOUR, 1500)])
    world.meter([(T0 + 30 * DAY + step * HOUR, 2000) for step in range(-2, 3)])
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "minimum", 0)
    return 1


@pytest.mark.parametrize("played", [slices_of_both_tiers, a_slice_before_it_was_settled, the_minimum])
def test_reversed_slices_and_minimums_are_evidence_that_verifies(played: Played) -> None:
    world = open_world()
    shown = played(world)
    world.meter([(T0 + 61 * DAY + step * HOUR, 90_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    check(world, shown, "Ben")


def test_the_tier_of_a_payer_falls_back_when_the_last_wash_goes() -> None:
    """The quantity counter is the payer's own: nobody else moves it, and no wash comes after."""
    world = open_world(contracts={"washes.toml": STEEP, "energy.toml": ENERGY})
    shown = the_last_two(world)
    world.close(DECEMBER, AFTER_DECEMBER)
    check(world, shown, "Anna")


def test_a_slice_at_a_plain_price_is_left_out_of_the_sum_that_others_check() -> None:
    plain = "tiers = [{ up_to = 10, price = 0.30 }, { price = 0.20 }]"
    assert plain in ENERGY
    energy = ENERGY.replace(plain, "price = 0.30").replace("minimum = 5.00\n", "")
    world = open_world(contracts={"washes.toml": WASHES, "energy.toml": energy})
    meter(world)
    world.close(NOVEMBER, AFTER_NOVEMBER)
    gone(world, "interval", 3)
    world.meter([(T0 + 61 * DAY + step * HOUR, 90_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    check(world, 1, "Ben")


def test_a_dispute_that_takes_long_finds_the_counters_of_its_period() -> None:
    """Late uses come five days late at most, a use is disputed for thirty; this dispute is decided after two months."""
    steep = STEEP.replace("[terms]", "[terms]\nlate_days = 5")
    world = open_world(contracts={"washes.toml": steep, "energy.toml": ENERGY})
    washes(world, range(3))
    months = [T0 + days * DAY for days in (0, 30, 61, 92, 120)]
    world.close(months[0] + DAY, months[1] + HOUR)
    said = Said(nth(world, "event", 0), world.ids["Anna"], "it never ran")
    world.books.run(open_dispute, world.community, said, months[1] + HOUR)
    world.close(months[1] + DAY, months[2] + HOUR)
    world.close(months[2] + DAY, months[3] + HOUR)
    told = Said(said.use_id, world.ids["Ben"], "it never ran")
    world.books.run(lambda conn: decide(conn, world.community, told, is_right=True, now_ms=months[3] + DAY))
    world.close(months[3] + DAY, months[4] + HOUR)
    for name in ("Anna", "Bank", "Coop"):
        made = world.evidence(name, months[3] + DAY, now_ms=months[4] + HOUR)
        assert world.verify(made, name).verdict in (VALID, VALID_SPLIT_AS_COMMITTED), name
    world.books.database.close()


@pytest.mark.parametrize(
    ("played", "name", "says"),
    [
        (the_last_one, "Bank", "was reversed by a decision about other counts"),
        (slices_of_both_tiers, "Ben", "was reversed by a decision about other counts"),
        (slices_of_both_tiers, "Bank", "was reversed by decisions about more than it counted"),
    ],
)
def test_a_decision_about_other_counts_is_noticed(
    played: Played, name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def more(**said: Any) -> Reversal:
        return Reversal(**{**said, "to_total": said["to_total"] + 10**6})

    monkeypatch.setattr(reversals, "Reversal", more)
    world = open_world()
    played(world)
    world.meter([(T0 + 61 * DAY + step * HOUR, 90_000 + step * 500) for step in range(-2, 1)])
    world.close(DECEMBER, AFTER_DECEMBER)
    assert says in report(world, name).verdict
    world.books.database.close()
