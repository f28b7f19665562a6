"""Who may open which use, and what is written down about it."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, select
from support.money_world import NOW
from support.settled import World
from tallystick_cloud import schema
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import NotFound
from tallystick_cloud.uses.access import read_lines, read_newest, read_use
from tallystick_cloud.uses.model import Basis, Reader
from tallystick_protocol.ids import PartyId


def reader(world: World, name: str | None, *, office: bool = False) -> Reader:
    return Reader(world.community, None if name is None else world.ids[name], office, "test", NOW)


def wash(conn: Connection) -> bytes:
    return bytes(conn.execute(select(schema.use.c.use_id).where(schema.use.c.form == "event").limit(1)).scalar_one())


@pytest.mark.parametrize(
    ("name", "office", "basis"),
    [
        ("Anna", False, Basis.PAYER),
        ("Repairer", False, Basis.SPLIT),
        ("Fund", False, Basis.SPLIT),
        ("Maria", True, Basis.OFFICE),
    ],
)
def test_payer_parties_of_the_split_and_offices_may_open_a_use(
    conn: Connection, world: World, name: str, office: bool, basis: Basis
) -> None:
    found = read_use(conn, reader(world, name, office=office), wash(conn))
    assert found.basis is basis
    rows = conn.execute(select(schema.access)).all()
    assert [(row.actor, row.resource, row.basis, row.row_count) for row in rows] == [
        (world.ids[name], f"use {found.use_id.hex()}", basis.value, 1)
    ]


@pytest.mark.parametrize("name", ["Ben", "Newcomer", None])
def test_for_everybody_else_the_use_does_not_exist(conn: Connection, world: World, name: str | None) -> None:
    with pytest.raises(NotFound):
        read_use(conn, reader(world, name), wash(conn))
    with pytest.raises(NotFound):
        read_use(conn, reader(world, name), bytes(32))
    assert conn.execute(select(schema.access)).all() == []


def test_who_splits_a_contract_opens_all_its_uses_and_who_only_signs_it_none(conn: Connection, world: World) -> None:
    """In the contract of the flat's energy the repairer and the fund take nothing, and the bank until it is repaid."""
    query = select(schema.use.c.use_id).where(schema.use.c.form == "interval")
    last = bytes(
        conn.execute(query.order_by(*(one.desc() for one in schema.in_order(schema.use))).limit(1)).scalar_one()
    )
    assert read_use(conn, reader(world, "Bank"), last).basis is Basis.SPLIT
    assert read_use(conn, reader(world, "Coop"), last).basis is Basis.SPLIT
    for name in ("Repairer", "Fund"):
        with pytest.raises(NotFound):
            read_use(conn, reader(world, name), last)


def test_who_collects_opens_the_uses_also_where_the_split_gives_it_nothing(conn: Connection, world: World) -> None:
    version = next(one for one in book(conn, world.community).versions if one.contract.name == "Energy")
    *most, last = version.contract.split
    bare = replace(
        version, contract=replace(version.contract, split=(*most, replace(last, to=((PartyId(world.ids["Fund"]), 1),))))
    )
    assert bare.splits_with(world.ids["Coop"])
    assert bare.splits_with(world.ids["Fund"])
    assert not bare.splits_with(world.ids["Repairer"])


def test_another_community_s_office_opens_nothing(conn: Connection, world: World) -> None:
    with pytest.raises(NotFound):
        read_use(conn, Reader("elsewhere", world.ids["Anna"], True, "test", NOW), wash(conn))


def test_lines_are_the_party_s_own_and_sum_to_its_postings(conn: Connection, world: World) -> None:
    posting = schema.posting.c
    for name in ("Coop", "Repairer", "Bank", "Fund", "Anna", "Ben"):
        found = read_lines(conn, reader(world, name), 0, NOW)
        amounts = conn.execute(
            select(posting.amount)
            .join(schema.journal, schema.journal.c.id == posting.journal)
            .where(posting.party == world.ids[name], schema.journal.c.cause.not_like("payout-%"))
        )
        assert sum(line.nano for line in found) == -sum(amounts.scalars()), name
    assert {row.row_count for row in conn.execute(select(schema.access))} != {0}


def test_who_only_pays_is_written_down_with_what_was_read(conn: Connection, world: World) -> None:
    lines, brought = read_newest(conn, reader(world, "Ben"), 0, NOW, "Europe/Rome", 3)
    assert (len(lines), brought) == (3, [])
    (row,) = conn.execute(select(schema.access)).all()
    assert row.row_count > len(lines)
