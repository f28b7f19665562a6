"""Uses that come after their period is settled: they and what they change are in the next one, and it verifies."""

import random

import pytest
from support import orders
from support.books import DAY, HOUR
from support.settled import World
from tallystick_cloud.parties.store import ids_by_name
from tallystick_cloud.settlement import store
from tallystick_cloud.settlement.model import TreeKey
from tallystick_protocol.settled_use import Use

FIRST = orders.CLOSE_MS - 1
SECOND = FIRST + DAY
THIRD = SECOND + DAY
PARTIES = ("Bank", "Coop", "Fund", "Repairer", "Anna", "Ben")


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_late_gateway_corrects_what_was_settled(seed: int) -> None:
    """Three gateways, tiers, caps, a minimum and a loan that all of them share; one or all come late."""
    books, sent = orders.world(seed)
    world = World(books, sent[0][0], ids=books.database.read_now(ids_by_name, books.community))
    rng = random.Random(seed)
    late = [rng.randrange(5) for _ in sent]
    for (gateway, uploads), held in zip(sent, late, strict=True):
        for upload in uploads[: 4 - held]:
            books.send(gateway, upload, FIRST + 2)
    world.close(FIRST, FIRST + HOUR)
    for (gateway, uploads), held in zip(sent, late, strict=True):
        for upload in uploads[4 - held :]:
            books.send(gateway, upload, FIRST + DAY // 2)
    world.close(SECOND, SECOND + HOUR)
    world.close(THIRD, THIRD + HOUR)
    assert corrections(world)
    for at_ms in (FIRST, SECOND, THIRD):
        for name in PARTIES:
            report = world.verify(world.evidence(name, at_ms, now_ms=THIRD + HOUR), name)
            assert report.ok, f"seed {seed}, {name}, {at_ms}: {report.verdict}"
    assert books.audit() == []
    books.database.close()


def corrections(world: World) -> list[Use]:
    found = []
    for stored in world.books.database.read_now(store.of_community, world.community):
        for row in world.books.database.read_now(store.leaves, stored.h, TreeKey.USES):
            use = Use.decode(row.data or b"")
            if use.replaces is not None:
                found.append(use)
    return found
