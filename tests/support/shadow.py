"""Contracts that are only computed yet: washes of November and December, and a flat's energy, both in shadow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from support.books import DAY, HOUR, T0
from support.money_world import town
from support.people import Person, Shelf, people_of
from support.settled import World, open_world
from tallystick_cloud.contracts.look import ChainView, chains_of
from tallystick_cloud.http.authz import Role

Staff = Callable[[str, Role], Person]

NOW = T0 + 40 * DAY
"""10 December."""
OLD_BILL = "user,month,amount\nAnna,2026-11,10.00\nBen,2026-11,2.50\nAnna,2026-10,9.00\n"
"""Of the washes: Ben pays for none here."""


def open_shadow(url: str = "sqlite://") -> World:
    world = open_world(url, town=town().replace('toml"\nstate = "live"', 'toml"\nstate = "shadow"'))
    for day in (2, 5, 9, 31, 33):
        world.wash(T0 + day * DAY + 9 * HOUR, "60" if day % 2 else "30")
    world.meter([(T0 + step * HOUR, 1000 + step * 700) for step in range(40)])
    return world


@asynccontextmanager
async def staff_of(world: World, without_key: str) -> AsyncIterator[Staff]:
    """Signs in whoever is named; the server keeps everybody's key but one. The books are closed at the end."""
    shelf, books = Shelf(), world.books
    shelf.kept.update({party: key for party, key in books.founded.hosted.items() if party != world.ids[without_key]})
    async with people_of(books.database, world.community, world.ids, NOW, books.aggregator, shelf) as people:
        yield people.sign_in
    books.database.close()


def chain_named(world: World, name: str) -> ChainView:
    """A contract as everybody together may see it."""
    found = world.books.database.read_now(chains_of, world.community, None, True, NOW)
    return next(one for one in found if one.now.contract.name == name)
