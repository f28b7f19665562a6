"""What stands in no statement yet: new uses, and settled ones that were priced again since."""

from sqlalchemy import Connection
from support.books import DAY, HOUR, T0, shares_in
from support.settled import AFTER_DECEMBER, AFTER_NOVEMBER, DECEMBER, NOVEMBER, World, open_world
from tallystick_cloud import schema
from tallystick_cloud.uses.model import UnsettledUse
from tallystick_cloud.uses.store import account_of, unsettled


def of_bank(world: World) -> list[UnsettledUse]:
    def read(conn: Connection) -> list[UnsettledUse]:
        return unsettled(conn, account_of(conn, world.community, world.ids["Bank"]), [0, T0 + 400 * DAY], each=True)

    return world.books.database.read_now(read)


def owed_to_bank(world: World) -> int:
    bank = world.ids["Bank"].hex()
    rows = world.books.rows(schema.standing)
    return sum(nano for row in rows for party, nano in shares_in(row) if party == bank)


def test_a_settled_use_that_was_priced_again_is_a_correction_until_it_is_settled_again(either_url: str) -> None:
    world = open_world(either_url)
    for day in range(1, 7):
        world.wash(T0 + day * DAY + 9 * HOUR)
    assert sum(one.share for one in of_bank(world)) == owed_to_bank(world) > 0
    assert not any(one.is_correction for one in of_bank(world))
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert of_bank(world) == []
    settled = owed_to_bank(world)
    world.wash(T0 + 9 * HOUR, now_ms=T0 + 32 * DAY)  # before all of them: the lender's cap is reached one wash earlier
    late = of_bank(world)
    assert {one.is_correction for one in late} == {True, False}
    assert sum(one.share for one in late) == owed_to_bank(world) - settled == 0
    world.close(DECEMBER, AFTER_DECEMBER)
    assert of_bank(world) == []
    world.books.database.close()
