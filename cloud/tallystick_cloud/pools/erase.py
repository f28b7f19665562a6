"""Erases a member from closed periods of pools: its numbers, its money per interval, what cut and salted them, and the
grid's rows of its meters.

It never touches a signed close: the bare leaves stay, without which no other member could prove anything, and rows of
a period that is not closed finally stay until it is, for the others' shares depend on them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.money.contract import AssetTerms, version_at

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Version

from . import store
from .model import pool_of
from .trees import Trees

FINAL = "final"
Is = Callable[[Version, AssetTerms], bool]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many intervals lost a meter's numbers, how many of the grid's rows and how many statements went."""

    intervals: int
    grid_rows: int
    statements: int = 0


def forget_member(conn: Connection, community: str, party: bytes) -> Forgotten:
    """Everything of a member behind commitments; call it before the openings go that say whose a meter is."""
    found = _forget(conn, community, lambda version, asset: asset.is_committed and version.payer(asset) == party)
    return replace(found, statements=store.erase_statements(conn, community, party))


def forget_erased(conn: Connection, community: str) -> Forgotten:
    """The same of members whose openings are gone: what they left in a period that was still open then."""
    return _forget(conn, community, lambda version, asset: version.payer(asset) is None)


def _forget(conn: Connection, community: str, is_theirs: Is) -> Forgotten:
    chains: dict[bytes, list[Version]] = {}
    for version in contracts.book(conn, community).versions:
        if version.contract.pool is not None:
            chains.setdefault(version.chain, []).append(version)
    closes = {chain: store.all_closes(conn, chain) for chain in chains}
    intervals = 0
    for chain, versions in chains.items():
        theirs = {one.h: _points(one, is_theirs) for one in versions}
        if any(theirs.values()):
            by_h = {one.h: one for one in versions}
            intervals += sum(_strip(conn, close, by_h, theirs) for close in closes[chain])
    meters = {
        (asset.asset, point.direction.value)
        for versions in chains.values()
        for version in versions
        for asset, point in zip(version.contract.assets, pool_of(version).points, strict=True)
        if is_theirs(version, asset)
    }
    books = [(versions, [one for one in closes[chain] if one.kind == FINAL]) for chain, versions in chains.items()]
    rows = 0
    for meter, direction in sorted(meters):
        starts = store.grid_starts(conn, community, meter, direction)
        gone = [start for start in starts if _may_go(start, meter, books, is_theirs)]
        rows += store.delete_energy(conn, community, meter, direction, gone)
    return Forgotten(intervals, rows)


def _points(version: Version, is_theirs: Is) -> set[int]:
    return {at for at, asset in enumerate(version.contract.assets) if is_theirs(version, asset)}


def _may_go(start_ms: int, meter: str, books: Sequence[tuple[Sequence[Version], Sequence[Any]]], is_theirs: Is) -> bool:
    """Whether the meter was theirs then, and every pool that counts it has closed that time finally."""
    found = False
    for versions, closes in books:
        contract = version_at([one.contract for one in versions], start_ms)
        version = next((one for one in versions if one.contract is contract), None)
        named = [] if version is None else [one for one in version.contract.assets if one.asset == meter]
        if version is None or not named:
            continue
        if not any(one.from_ms <= start_ms < one.to_ms for one in closes):
            return False
        found |= any(is_theirs(version, one) for one in named)
    return found


def _strip(conn: Connection, close: Any, by_h: dict[bytes, Version], theirs: dict[bytes, set[int]]) -> int:
    """Intervals of one close that lost a meter's numbers."""
    trees, changed, versions = Trees(conn, close.id), 0, set()
    if not any(trees.is_kept(h, point) for h, points in theirs.items() for point in points):
        return 0  # gone already, or in no interval of this close
    for row in store.intervals(conn, close.id):
        version = by_h.get(bytes(row.version))
        gone = theirs.get(bytes(row.version), set())
        meters = json.loads(row.meters)
        if version is None or not any(point in gone for point, *_ in meters):
            continue
        tree = trees.of(version, row)
        kept = [
            {"close": close.id, "position": row.position, "leaf": index, "community": close.community,
             "node": tree.leaves[index].encode()}
            for index, (_, piece) in tree.pieces.items()
            if piece.point in gone
        ]  # fmt: skip
        store.insert_erased(conn, kept)
        plants = [point for point, *_ in meters if pool_of(version).points[point].is_plant]
        worth = [nano for point, nano in zip(plants, json.loads(row.worth), strict=True) if point not in gone]
        money = [one for one in json.loads(row.money) if one[0] not in gone]
        left = [one for one in meters if one[0] not in gone]
        store.strip_interval(conn, row, json.dumps(left), json.dumps(worth), json.dumps(money))
        versions.add(version.h)
        changed += 1
    for h in versions:
        store.delete_secrets(conn, close.id, h, theirs[h])
    return changed
