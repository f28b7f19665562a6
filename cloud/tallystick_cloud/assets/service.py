"""Adds an asset, or a site with its meter plan: what commands and pages do alike.

It never changes one that is there.
"""

from sqlalchemy import Connection

from tallystick_cloud.contracts.fitting import check_plan
from tallystick_cloud.errors import BadInput, Conflict

from . import store
from .model import NewAsset, NewSite


def add_asset(conn: Connection, community: str, one: NewAsset, now_ms: int) -> None:
    """Raises Conflict for an id that is taken, BadInput for a site that is not there."""
    if one.id in store.asset_ids(conn, community):
        raise Conflict("id", f"{one.id!r} is an asset of {community} already; give the new one another id")
    if one.site is not None and not store.has_site(conn, community, one.site):
        raise BadInput("site", f"{one.site!r} is no site of {community}; leave it away, or add the site first")
    store.insert_asset(conn, community, one, now_ms)


def add_site(conn: Connection, community: str, new: NewSite, now_ms: int) -> None:
    """Raises BadInput for an asset that is not there or a meter that no contract can price, Conflict for a meter that
    hangs elsewhere."""
    known = store.asset_ids(conn, community)
    for channel in new.plan.channels:
        if channel.asset not in known:
            step = "add it first, or correct the name"
            raise BadInput(f"channel {channel.number}, asset", f"{channel.asset!r} is no asset of {community}; {step}")
    check_plan(conn, community, new.id, new.plan, now_ms)
    store.insert_site(conn, community, new, now_ms)
