"""The contract's page says to a user which asset is theirs, and to nobody who the other users are."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection
from support.money_world import NOW
from support.settled import World
from tallystick_cloud.contracts import look, view
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.locale import Wording


def shown(conn: Connection, world: World, name: str, contract: str, *, sees_all: bool = False) -> list[tuple[str, str]]:
    party = world.ids[name]
    chains = look.chains_of(conn, world.community, party, sees_all, NOW)
    chain = next(one for one in chains if one.now.contract.name == contract)
    return [(one.name, one.role) for one in view.parties(chain.now, party, Wording("en", ZoneInfo("UTC")))]


def test_a_user_is_told_what_is_theirs(conn: Connection, world: World) -> None:
    assert shown(conn, world, "Anna", "Washes")[-1] == ("User of washer", "not named here")


@pytest.mark.parametrize(("name", "sees_all"), [("Coop", False), ("Bank", False), ("Maria", True), ("Ada", True)])
def test_nobody_else_is_told_who_the_users_are(conn: Connection, world: World, name: str, sees_all: bool) -> None:
    found = shown(conn, world, name, "Washes", sees_all=sees_all)
    assert found[-1] == ("Users of assets: 1", "not named here")
    assert not {"Anna", "Ben", "User of washer"} & {one for one, _ in found}


def test_a_contract_of_others_is_not_found(conn: Connection, world: World) -> None:
    mine = look.chains_of(conn, world.community, world.ids["Anna"], False, NOW)
    assert [one.now.contract.name for one in mine] == ["Washes"]
    (energy,) = look.chains_of(conn, world.community, world.ids["Ben"], False, NOW)
    with pytest.raises(NotFound, match="is not among the contracts that name you"):
        look.chain_of(conn, world.community, energy.chain, world.ids["Anna"], False, NOW)
