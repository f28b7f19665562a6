"""What disputes said about an erased person's uses is gone; amounts, times, signed decisions and proofs stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import postgres
from support.disputes import NOW, begun, ended, open_disputed, washes
from support.settled import AFTER_DECEMBER, DECEMBER, World
from tallystick_cloud import schema
from tallystick_cloud.disputes.forget import Forgotten, forget
from tallystick_cloud.settlement.erase import erase_payer, would_erase


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "sqlite":
        yield open_disputed()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        found = open_disputed(url)
        yield found
        found.books.database.close()


def words(world: World) -> dict[bytes, list[object]]:
    names = ("why", "shown", "decision", "decision_shown")
    return {bytes(row["use_id"]): [row[name] for name in names] for row in world.books.rows(schema.dispute)}  # type: ignore[call-overload]


def test_words_of_decided_disputes_go_and_those_of_an_open_one_wait(world: World) -> None:
    first, second, third = washes(world)
    for use in (first, second, third):
        begun(world, use, "Anna" if use != second else "Repairer")
    ended(world, first, is_right=True)
    ended(world, second, is_right=False)
    balances = world.books.rows(schema.balance)
    database, anna = world.books.database, world.ids["Anna"]
    would = database.write_now(would_erase, world.community, anna, NOW)
    assert (would.disputes, would.disputes_open) == (2, 1)
    assert words(world)[first][0] == "the drum did not turn", "a look erases nothing"
    gone = database.write_now(erase_payer, world.community, anna, NOW)
    assert (gone.disputes, gone.disputes_open) == (2, 1)
    said = words(world)
    assert said[first] == said[second] == ["", None, "", None]
    assert said[third] == ["the drum did not turn", b"a photograph", None, None]
    assert [row["why"] for row in world.books.rows(schema.reversal)] == [""]
    assert world.books.rows(schema.balance) == balances
    ended(world, third, is_right=False)
    again = database.write_now(forget, world.community, anna)
    assert (again, words(world)[third]) == (Forgotten(1, 0, 0), ["", None, "", None])
    assert database.write_now(forget, world.community, anna) == Forgotten(0, 0, 0)
    world.close(DECEMBER, AFTER_DECEMBER)  # signs the decision, whose reason is gone
    assert world.verify(world.evidence("Bank", DECEMBER), "Bank").ok
    assert world.books.audit() == []


def test_what_a_party_said_of_another_s_use_goes_with_the_party(world: World) -> None:
    use = washes(world)[0]
    begun(world, use, "Repairer")
    ended(world, use, is_right=True)
    gone = world.books.database.write_now(forget, world.community, world.ids["Repairer"])
    assert gone == Forgotten(1, 0, 0)
    assert words(world)[use] == ["", None, "the log shows it", None], "the decision is about Anna's use"
    assert [row["why"] for row in world.books.rows(schema.reversal)] == ["the log shows it"]
