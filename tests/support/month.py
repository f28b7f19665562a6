"""A month as a manager finds it: the one before left a use open, one part is set aside, a use is disputed."""

from __future__ import annotations

from support.books import DAY, HOUR, T0
from support.money_world import town
from support.settled import AFTER_NOVEMBER, NOVEMBER, World, open_world
from support.uploads import event, money, wash
from tallystick_cloud import schema
from tallystick_cloud.disputes import service as disputes
from tallystick_protocol.batch import SealedPart
from tallystick_protocol.codes import EventCode

NOW = T0 + 63 * DAY
"""3 January: December is over."""


def open_month(url: str = "sqlite://") -> World:
    """November is closed, with a use whose batch was lost and counts without a number; December is not."""
    world = open_world(url, town=town())
    for number, total in ((1, 1), (3, 3), (4, 4), (5, 8)):
        begin = T0 + number * DAY
        started = event(number * 2, begin, EventCode.USE_STARTED, use=number)
        ended = event(number * 2 + 1, begin + HOUR, EventCode.USE_ENDED, use=number, total=total, programme="60")
        world.books.seal_and_send(world.gateway, [money(2, events=[started, ended])], begin + HOUR)
    world.events, world.uses = 12, 8
    world.close(NOVEMBER, AFTER_NOVEMBER)
    for day in range(31, 34):
        world.wash(T0 + day * DAY + 9 * HOUR)
    broken = [SealedPart(bytes(16), b"\xa1\x00"), *wash(2, world.events + 1, 12, 12, NOW - DAY, NOW - DAY + HOUR)]
    world.books.send(world.gateway, world.gateway.seal(broken), NOW - DAY + HOUR)
    last = max(world.books.rows(schema.use), key=lambda row: int(row["end_ms"]))  # type: ignore[call-overload]
    said = disputes.Said(bytes(last["use_id"]), world.ids["Anna"], "It did not turn.")  # type: ignore[call-overload]
    world.books.database.write_now(disputes.open_dispute, world.community, said, NOW)
    return world
