"""Publishes what the community's rules say, at the end of each month, and writes down that it did.

It never shows a community that publishes nothing otherwise than one that does not exist.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from tallystick_cloud.assets.ledger import ledger_of
from tallystick_cloud.assets.store import asset_ids
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.month import Month
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.schema import access
from tallystick_cloud.schema import community as communities

from . import store
from .model import PAYERS_MIN, PublicSlice, Rule, Shows, asset_of

PAYERS_MAX = 1_000_000
TEXT_CHARS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Edition:
    """What tells one publication from the next: the month that it ends with, and the rules."""

    community: str
    name: str
    zone: str
    unit: str
    as_of_ms: int
    rules: tuple[Rule, ...]


def edition(conn: Connection, community: str, now_ms: int) -> Edition:
    """The one that holds now. Raises NotFound where nothing is published, whatever the reason."""
    rules = store.rules(conn, community)
    row = conn.execute(select(communities).where(communities.c.id == community)).one_or_none()
    if row is None or not rules:
        raise NotFound("community", f"{community} publishes nothing here")
    end_ms = Month.of(now_ms, row.zone).from_ms(row.zone)
    return Edition(community, row.name, row.zone, row.unit, end_ms - 1, rules)


def publish(conn: Connection, wanted: Edition, now_ms: int) -> PublicSlice:
    """The figures, and one access row: call it in a write, once per edition."""
    roles = _roles(conn, wanted.community)
    place = wanted.zone, wanted.unit, wanted.as_of_ms
    assets = [
        asset_of(ledger_of(conn, wanted.community, rule.asset, *place), rule, roles.get(rule.asset, {}))
        for rule in wanted.rules
    ]
    uses = sum(month.uses or 0 for one in assets for month in one.months)
    row = {"community": wanted.community, "actor": None, "resource": "public slice", "purpose": "to publish it"}
    conn.execute(insert(access), {**row, "basis": "the community's rule", "row_count": uses, "at_ms": now_ms})
    return PublicSlice(wanted.community, wanted.name, wanted.unit, wanted.as_of_ms, assets)


def decide(
    conn: Connection, community: str, asset: str, shows: Collection[str], payers_min: int, decision: str,
    by: bytes, now_ms: int,
) -> None:  # fmt: skip
    """Publish this of an asset from now on. Raises NotFound or BadInput."""
    if asset not in asset_ids(conn, community):
        raise NotFound("asset", f"{asset!r} is not an asset of {community}; see `tallystick asset list`")
    known = [one.value for one in Shows]
    if not shows or set(shows) - set(known):
        raise BadInput("--shows", f"is {','.join(shows)!r}; write some of {','.join(known)}")
    if not PAYERS_MIN <= payers_min <= PAYERS_MAX:
        raise BadInput("--payers-min", f"is {payers_min}; of fewer than {PAYERS_MIN} each knows the others' part")
    if not decision.strip() or len(decision) > TEXT_CHARS_MAX:
        raise BadInput("--decision", f"must have 1 to {TEXT_CHARS_MAX} characters; an auditor reads it")
    row: dict[str, object] = {"community": community, "asset": asset, "shows": ",".join(sorted(set(shows)))}
    row |= {"payers_min": payers_min, "decision": decision.strip(), "decided_by": by, "decided_ms": now_ms}
    store.put(conn, row)


def withdraw(conn: Connection, community: str, asset: str) -> None:
    """Raises NotFound when nothing of it is published."""
    if not store.remove(conn, community, asset):
        raise NotFound("asset", f"nothing of {asset!r} is published; see `tallystick public show`")


def _roles(conn: Connection, community: str) -> dict[str, dict[str, str]]:
    """asset -> name -> role in the newest contract that prices it."""
    names = names_by_id(conn, community)
    found: dict[str, dict[str, str]] = {}
    for version in book(conn, community).versions:
        mine = {names[party.id]: party.role for party in version.contract.parties if party.id in names}
        for terms in version.contract.assets:
            found.setdefault(terms.asset, {}).update(mine)
    return found
