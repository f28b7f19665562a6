"""A dispute that an earlier version upheld by a journal alone comes to the same books as one that is upheld today."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.books import DAY, T0
from support.disputes import NOW, begun, ended, open_disputed, upheld_as_before, washes
from support.settled import AFTER_DECEMBER, DECEMBER, World
from tallystick_cloud import schema
from tallystick_cloud.disputes.renew import old_ones, renew
from tallystick_cloud.errors import Conflict, NotFound

LATER = T0 + 34 * DAY


@pytest.fixture
def worlds(either_url: str) -> Iterator[tuple[World, World]]:
    """One in which the first wash was disputed by an earlier version, one by this one."""
    old, new = open_disputed(either_url), open_disputed()
    for world in (old, new):
        begun(world, washes(world)[0])
    old.books.database.write_now(upheld_as_before, old.community, washes(old)[0], old.ids["Maria"], NOW)
    ended(new, washes(new)[0], is_right=True)
    for world in (old, new):
        for day in (31, 32):  # the loan comes to its cap
            world.wash(T0 + day * DAY, "60")
    yield old, new
    for world in (old, new):
        world.books.database.close()


def balances(world: World) -> list[tuple[str, str, int]]:
    """(party, account, nano) of what is not zero; ids differ between worlds, names do not."""
    names = {party: name for name, party in world.ids.items()}
    return sorted(
        (names[bytes(row["party"])], str(row["account"]), int(row["amount"]))  # type: ignore[call-overload]
        for row in world.books.rows(schema.balance)
        if row["amount"]
    )


def closings(world: World, number: int) -> list[tuple[str, int]]:
    """(party, closing) of all statements of a settlement's number."""
    names = {party: name for name, party in world.ids.items()}
    newest = [row for row in world.books.rows(schema.settlement) if row["number"] == number]
    hashes = {bytes(row["h"]) for row in newest}  # type: ignore[call-overload]
    return sorted(
        (names[bytes(row["party"])], int(row["closing"]))  # type: ignore[call-overload]
        for row in world.books.rows(schema.statement)
        if bytes(row["settlement"]) in hashes  # type: ignore[call-overload]
    )


def test_books_counters_statements_and_evidence_are_those_of_today_s_rule(worlds: tuple[World, World]) -> None:
    old, new = worlds
    use = washes(old)[0]
    assert balances(old) != balances(new), "the use is still in the counter of the loan"
    (row,) = old.books.database.read_now(old_ones, old.community)
    assert bytes(row.use_id) == use
    old.books.database.write_now(renew, old.community, use, LATER)
    assert old.books.database.read_now(old_ones, old.community) == []
    assert balances(old) == balances(new)
    with pytest.raises(Conflict, match="is reversed already"):
        old.books.database.write_now(renew, old.community, use, LATER)
    for world in worlds:
        world.close(DECEMBER, AFTER_DECEMBER)
        assert world.books.audit() == []
    assert closings(old, 2) == closings(new, 2)
    for name in ("Bank", "Anna"):
        assert old.verify(old.evidence(name, DECEMBER, None), name).ok


def test_a_line_that_a_statement_has_is_taken_back_by_a_line_of_the_next(worlds: tuple[World, World]) -> None:
    old, new = worlds
    for world in worlds:
        world.close(DECEMBER, AFTER_DECEMBER)
    assert closings(old, 2) != closings(new, 2)
    january, after = AFTER_DECEMBER + DAY, AFTER_DECEMBER + 31 * DAY
    old.books.database.write_now(renew, old.community, washes(old)[0], january)
    for world in worlds:
        world.close(january, after)
        assert world.books.audit() == []
    assert closings(old, 3) == closings(new, 3)
    for name in ("Bank", "Anna"):
        assert old.verify(old.evidence(name, january, now_ms=after), name).ok


def test_what_was_never_old_is_refused(worlds: tuple[World, World]) -> None:
    _, new = worlds
    first, second, *_ = washes(new)
    before = new.books.dump()
    with pytest.raises(Conflict, match="present rule already"):
        new.books.database.write_now(renew, new.community, first, LATER)
    with pytest.raises(NotFound):
        new.books.database.write_now(renew, new.community, second, LATER)
    assert new.books.database.read_now(old_ones, new.community) == []
    assert new.books.dump() == before
