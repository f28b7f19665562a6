"""Uses that come after their period is settled: they and what they change are in the next one, and it verifies."""

import pytest
from support import orders
from support.books import DAY, HOUR
from support.settled import World
from support.uploads import SimGateway
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement import store
from tallystick_cloud.settlement.model import TreeKey
from tallystick_protocol.settled_use import Use

FIRST = orders.CLOSE_MS - 1
SECOND = FIRST + DAY
THIRD = SECOND + DAY
PARTIES = ("Bank", "Coop", "Fund", "Repairer", "Anna", "Ben")


@pytest.mark.parametrize(("seed", "late"), [(1, (0, 1, 0)), (2, (2, 0, 3)), (4, (0, 1, 4))])
def test_a_late_gateway_corrects_what_was_settled(seed: int, late: tuple[int, ...]) -> None:
    """Three gateways, tiers, caps, a minimum and a loan that all of them share; `late` uploads of the first four."""
    world, sent = orders_world(seed)
    for (gateway, uploads), held in zip(sent, late, strict=True):
        send(world, gateway, uploads[: 4 - held], FIRST + 2)
    world.close(FIRST, FIRST + HOUR)
    for (gateway, uploads), held in zip(sent, late, strict=True):
        send(world, gateway, uploads[4 - held :], FIRST + DAY // 2)
    world.close(SECOND, SECOND + HOUR)
    world.close(THIRD, THIRD + HOUR)
    assert corrections(world)
    check(world, seed)


def test_uses_that_come_two_periods_late_find_their_counters() -> None:
    """A counter is kept after its period for as long as uses of that period may come."""
    world, sent = orders_world(5)
    for gateway, uploads in sent[:2]:
        send(world, gateway, uploads, FIRST + 2)
    world.close(FIRST, FIRST + HOUR)
    world.close(SECOND, SECOND + HOUR)
    send(world, *sent[2], SECOND + DAY // 2)
    world.close(THIRD, THIRD + HOUR)
    assert corrections(world)
    check(world, 5)


def orders_world(seed: int) -> tuple[World, list[tuple[SimGateway, list[bytes]]]]:
    books, sent = orders.world(seed)
    return World(books, sent[0][0], ids=books.database.read_now(ids_by_name, books.community)), sent


def send(world: World, gateway: SimGateway, uploads: list[bytes], now_ms: int) -> None:
    for upload in uploads:
        world.books.send(gateway, upload, now_ms)


def check(world: World, seed: int) -> None:
    """Every party's file of every period verifies, and the books keep their laws."""
    for at_ms in (FIRST, SECOND, THIRD):
        for name in PARTIES:
            report = world.verify(world.evidence(name, at_ms, now_ms=THIRD + HOUR), name)
            assert report.ok, f"seed {seed}, {name}, {at_ms}: {report.verdict}"
    assert world.books.audit() == []
    world.books.database.close()


def corrections(world: World) -> list[Use]:
    found = []
    for stored in world.books.database.read_now(store.of_community, world.community):
        for row in world.books.database.read_now(store.leaves, stored.h, TreeKey.USES):
            use = Use.decode(row.data or b"")
            if use.replaces is not None:
                found.append(use)
    return found
