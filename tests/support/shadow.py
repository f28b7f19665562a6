"""Contracts that are only computed yet: washes of November and December, and a flat's energy, both in shadow."""

from __future__ import annotations

from support.books import DAY, HOUR, T0
from support.money_world import town
from support.settled import World, open_world

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
