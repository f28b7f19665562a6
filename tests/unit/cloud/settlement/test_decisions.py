"""What stays open stands in every settlement until it is billed or a person decides, and evidence shows both."""

from collections.abc import Iterator

import pytest
from support.books import DAY, HOUR, T0
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from support.uploads import event, money
from tallystick_cloud.errors import NotFound
from tallystick_cloud.settlement import report, store
from tallystick_cloud.settlement.decisions import Decision, decide
from tallystick_cloud.settlement.errors import SettlementRefused
from tallystick_protocol.codes import EventCode, Reason, ResolutionAction

PARTIES = ("Bank", "Coop", "Repairer", "Anna")


@pytest.fixture
def world() -> Iterator[World]:
    """Use 2 was lost with a batch, and three counts after use 4 came without their events."""
    made = open_world()
    for number, total in ((1, 1), (3, 3), (4, 4), (5, 8)):
        begin = T0 + number * DAY
        parts = [
            money(
                2,
                events=[
                    event(number * 2, begin, EventCode.USE_STARTED, use=number),
                    event(number * 2 + 1, begin + HOUR, EventCode.USE_ENDED, use=number, total=total, programme="60"),
                ],
            )
        ]
        made.books.seal_and_send(made.gateway, parts, begin + HOUR)
    made.events, made.uses = 12, 5
    made.close(NOVEMBER, AFTER_NOVEMBER)
    yield made
    made.books.database.close()


def opens(world: World) -> list[report.StandsOpen]:
    last = world.books.database.read_now(store.of_community, world.community)
    return [found for one in last[:2] for found in world.books.database.read_now(report.opens, one)]


def decision(one: report.StandsOpen, action: ResolutionAction, world: World, **more: str) -> Decision:
    return Decision(one.chain, one.channel_hash, one.span.id, action, "agreed in the yard", world.ids["Coop"], **more)


def say(world: World, asked: Decision, now_ms: int = AFTER_NOVEMBER + DAY) -> None:
    world.books.database.write_now(decide, world.office, asked, now_ms)


def check(world: World, at_ms: int, now_ms: int = AFTER_DECEMBER) -> None:
    for name in PARTIES:
        made = world.evidence(name, at_ms, now_ms=now_ms)
        assert world.verify(made, name).ok, (name, world.verify(made, name).verdict)


def test_what_is_missing_stands_open_and_stays(world: World) -> None:
    first, second = opens(world)
    assert (first.asset, first.span.reason) == ("washer", Reason.USE_UNEXPLAINED)
    assert (first.span.from_total, first.span.to_total, first.span.from_use, first.span.to_use) == (1, 2, 1, 2)
    assert (second.span.from_total, second.span.to_total, second.span.from_use, second.span.to_use) == (4, 7, 4, 4)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert [one.span for one in opens(world)] == [first.span, second.span]
    check(world, NOVEMBER)
    check(world, DECEMBER)


def test_waived_and_billed_spans_are_closed_by_the_next_settlement(world: World) -> None:
    first, second = opens(world)
    say(world, decision(first, ResolutionAction.BILL, world, programme="60"))
    say(world, decision(second, ResolutionAction.WAIVE, world), AFTER_NOVEMBER + 2 * DAY)
    world.close(DECEMBER, AFTER_DECEMBER)
    assert opens(world) == []
    check(world, DECEMBER)
    later = 31 * DAY
    world.close(DECEMBER + later, AFTER_DECEMBER + later)
    check(world, DECEMBER + later, AFTER_DECEMBER + later)
    assert world.books.audit() == []


def test_a_decision_is_made_once_and_about_something(world: World) -> None:
    first, second = opens(world)
    say(world, decision(second, ResolutionAction.WAIVE, world))
    before = world.books.dump()
    with pytest.raises(SettlementRefused, match="decided already"):
        say(world, decision(second, ResolutionAction.WAIVE, world))
    with pytest.raises(NotFound, match="does not stand open"):
        say(world, Decision(first.chain, first.channel_hash, 9, ResolutionAction.WAIVE, "why", world.ids["Coop"]))
    with pytest.raises(SettlementRefused, match="has no price"):
        say(world, decision(first, ResolutionAction.BILL, world, programme="95"))
    assert world.books.dump() == before


def test_counts_without_a_number_cannot_be_billed(world: World) -> None:
    _, second = opens(world)
    before = world.books.dump()
    with pytest.raises(SettlementRefused, match="waive it instead"):
        say(world, decision(second, ResolutionAction.BILL, world, programme="60"))
    assert world.books.dump() == before
