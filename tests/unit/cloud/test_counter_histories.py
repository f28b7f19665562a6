"""Where a loan stood at the end of each week, as a lender's home asks for all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, event
from support.books import DAY, ENERGY, HOUR, STEEP, T0, place
from support.money_world import BOTH, on_both
from support.settled import World, open_world
from tallystick_cloud import schema
from tallystick_cloud.contracts.store import book
from tallystick_cloud.ledger.counters import Counted, histories, value_at, values_now
from tallystick_cloud.ledger.model import FAR_MS
from tallystick_cloud.ledger.reversal import reverse
from tallystick_protocol.ids import H32
from tallystick_protocol.money.plan import counter_key

WEEKS = [T0 - DAY, *(T0 + n * DAY + 12 * HOUR for n in range(0, 12, 2)), T0 + 30 * DAY]


@pytest.fixture(params=BOTH)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from on_both(request, _played)


def _played(url: str) -> World:
    """Washes and energy over ten days; the one of the fourth day is known late, the last one was reversed."""
    world = open_world(url, contracts={"washes.toml": STEEP.replace("cap = 2.50", "cap = 9"), "energy.toml": ENERGY})
    for day in (0, 1, 3, 6, 8, 10):
        world.wash(T0 + day * DAY + 9 * HOUR, now_ms=T0 + 9 * DAY if day == 3 else None)
    world.meter([(T0 + step * HOUR, 1000 + step * 70) for step in range(40)])
    last = max((row for row in world.books.rows(schema.use) if row["form"] == "event"), key=place)
    world.books.run(reverse, world.community, last["use_id"], "it never ran", T0 + 11 * DAY)
    return world


def counters(world: World) -> list[Counted]:
    """Of both loans, and of one that nothing has counted in."""
    found: dict[bytes, Counted] = {}
    for one in world.books.database.read_now(book, world.community).versions:
        key = counter_key(H32(one.chain), "split", "loan", None, None)
        found[one.chain] = Counted(one.chain, {one.h: one.contract}, key, one.contract.effective_from_ms)
    some = next(iter(found.values()))
    return [*found.values(), Counted(some.chain, some.contracts, H32(bytes(32)), some.from_ms)]


def plainly(world: World, counter: Counted, moment: int, known_ms: int) -> int:
    """By walking all uses."""
    rows = [row for row in world.books.rows(schema.standing) if row["chain"] == counter.chain]
    value = 0
    for row in sorted(rows, key=place):
        if int(row["end_ms"]) <= moment and int(row["recorded_ms"]) < known_ms:  # type: ignore[call-overload]
            found = counter.after(type("Row", (), row)) if row["counters"] else None
            value = value if found is None else found
    return value


@pytest.mark.parametrize("known_ms", [FAR_MS, T0 + 9 * DAY, T0 + 7 * DAY])
def test_each_stood_where_its_last_use_left_it(world: World, known_ms: int) -> None:
    mine = counters(world)
    found = world.books.database.read_now(histories, mine, WEEKS, known_ms)
    assert found == [[plainly(world, one, moment, known_ms) for moment in WEEKS] for one in mine]
    assert found[0][-1] > 0
    assert found[1][-1] > 0
    assert found[2] == [0] * len(WEEKS)


def test_nothing_is_looked_for_before_a_counter_can_have_begun(world: World) -> None:
    """A cap of a period, or of a step that a later version brought: the uses before it do not count, however many."""
    asked = [0]

    def count(*_: object) -> None:
        asked[0] += 1

    washes = next(one for one in counters(world) if "Washes" in {c.name for c in one.contracts.values()})
    late = replace(washes, from_ms=T0 + 60 * DAY)
    event.listen(world.books.database.engine, "before_cursor_execute", count)
    found = world.books.database.read_now(histories, [late], WEEKS)
    event.remove(world.books.database.engine, "before_cursor_execute", count)
    assert found == [[0] * len(WEEKS)]
    assert asked[0] <= 2 + 3 * len(WEEKS)


def test_now_is_where_the_row_stands_and_a_moment_of_the_past_what_was_known(world: World) -> None:
    mine = counters(world)
    read = world.books.database.read_now
    assert read(values_now, mine) == [values[-1] for values in read(histories, mine, WEEKS)]
    washes = next(one for one in mine if "Washes" in {c.name for c in one.contracts.values()})
    assert read(value_at, washes, T0 + 5 * DAY) == plainly(world, washes, T0 + 5 * DAY, T0 + 5 * DAY)
    assert read(value_at, washes, T0 - DAY) == 0


def test_many_loans_take_no_more_statements_than_one(world: World) -> None:
    asked = [0]

    def count(*_: object) -> None:
        asked[0] += 1

    def run(conn: Connection, some: list[Counted]) -> int:
        asked[0] = 0
        histories(conn, some, WEEKS[2:5])  # what ended last then counts: nothing is looked for one by one
        return asked[0]

    mine = counters(world)
    event.listen(world.books.database.engine, "before_cursor_execute", count)
    one, all_of_them = (world.books.database.read_now(run, some) for some in (mine[:1], mine))
    event.remove(world.books.database.engine, "before_cursor_execute", count)
    assert one == all_of_them <= 2 + 3 * 3  # SQLite counts its BEGIN
