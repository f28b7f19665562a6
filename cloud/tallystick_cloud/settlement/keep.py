"""Keeps a settlement with everything it commits to: leaves with their salts, slices, what each use was settled as.

It never keeps a salt without its leaf.
"""

from collections.abc import Iterable

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, use_id
from tallystick_protocol.money.accounts import heads_of
from tallystick_protocol.money.settle import Books, Built, Settled
from tallystick_protocol.salted_tree import SaltedTree

from tallystick_cloud.ledger.model import position_of

from . import store
from .model import Stored, TreeKey
from .store import Rows
from .uses import Gathered, billing_parts, settled_state

Named = tuple[bytes | None, bytes | None]  # party and reference of a leaf


def keep(conn: Connection, community: str, stored: Stored, books: Books, built: Built, gathered: Gathered) -> None:
    """Write all rows of one settlement."""
    names: dict[TreeKey, list[Named]] = {
        TreeKey.COVERS: [(None, cover.channel_hash) for cover in built.covers],
        TreeKey.USES: [(one.payer, use_id(one.use.channel_hash, one.use.number)) for one in built.uses],
        TreeKey.STATEMENTS: [(one.party, one.hash) for one in built.statements],
        TreeKey.COUNTERS: [(None, counter.key) for counter in built.counters],
    }
    store.insert_settlement(conn, _settlement_row(community, stored))
    for tree, rows in names.items():
        store.insert_leaves(conn, _leaf_rows(community, stored.h, tree, built.tree(tree), rows))
    store.insert_slices(conn, _slice_rows(community, stored.h, built.uses))
    store.insert_statements(conn, _statement_rows(community, stored, built))
    store.insert_settled(conn, _settled_rows(conn, community, stored, books, built, gathered))


def _settlement_row(community: str, stored: Stored) -> dict[str, object]:
    return {
        "h": stored.h,
        "community": community,
        "chain": stored.chain,
        "number": stored.number,
        "prev": stored.prev,
        "unit": stored.unit,
        "from_ms": stored.from_ms,
        "to_ms": stored.to_ms,
        "envelope": stored.envelope,
        "leaf": stored.leaf,
        "closed_ms": stored.closed_ms,
    }


def _leaf_rows(community: str, h: H32, tree: TreeKey, salted: SaltedTree, names: Iterable[Named]) -> Rows:
    return [
        {
            "settlement": h,
            "tree": int(tree),
            "position": position,
            "community": community,
            "h": leaf.hash,
            "salt": leaf.salt,
            "data": leaf.data,
            "party": party,
            "ref": ref,
        }
        for position, (leaf, (party, ref)) in enumerate(zip(salted.leaves, names, strict=True))
    ]


def _slice_rows(community: str, h: H32, uses: Iterable[Settled]) -> Rows:
    rows: Rows = []
    for place, one in enumerate(uses):
        for position, leaf in enumerate(() if one.slices is None else one.slices.leaves):
            row = {"settlement": h, "use": place, "position": position, "community": community}
            rows.append({**row, "h": leaf.hash, "salt": leaf.salt, "data": leaf.data})
    return rows


def _statement_rows(community: str, stored: Stored, built: Built) -> Rows:
    return [
        {
            "h": one.hash,
            "community": community,
            "chain": stored.chain,
            "settlement": stored.h,
            "party": one.party,
            "prev": one.prev,
            "opening": one.opening,
            "closing": one.closing,
        }
        for one in built.statements
    ]


def _settled_rows(
    conn: Connection, community: str, stored: Stored, books: Books, built: Built, gathered: Gathered
) -> Rows:
    heads = heads_of(books)
    places = {use_id(one.use.channel_hash, one.use.number): place for place, one in enumerate(built.uses)}
    parts = billing_parts(conn, gathered.rows)
    rows: Rows = []
    for one, row in zip(gathered.rated, gathered.rows, strict=True):
        here = H32(bytes(row.use_id))
        base = {"use_id": here, "number": stored.number, "community": community, "chain": stored.chain}
        at = {
            "settlement": stored.h,
            "leaf": places[heads.get(here, here)],
            "position": position_of(row),
            "part": parts.get(here),
        }
        rows.append({**base, **at, **settled_state(one)})
    return rows
