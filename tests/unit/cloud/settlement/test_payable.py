"""Only what is settled is paid out: a use that no statement holds waits for the next one."""

from support.books import HOUR, T0
from support.settled import AFTER_NOVEMBER, NOVEMBER, World, open_world
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.settlement.payable import settled_lines


def payable(world: World, name: str) -> int | None:
    lines = world.books.database.read_now(settled_lines, world.community)
    if lines is None:
        return None
    mine = [nano for line, nano in lines.items() if line.party == world.ids[name] and line.account is Account.PAYABLE]
    return sum(mine)


def test_what_comes_after_the_close_is_not_paid_yet() -> None:
    world = open_world()
    world.wash(T0 + HOUR)
    assert payable(world, "Repairer") is None
    world.close(NOVEMBER, AFTER_NOVEMBER)
    assert payable(world, "Repairer") == 150_000_000
    world.wash(AFTER_NOVEMBER)
    assert payable(world, "Repairer") == 150_000_000
    world.books.database.close()
