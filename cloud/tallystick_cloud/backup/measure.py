"""Where a community's log and books stand, recomputed from what they are made of: leaves and postings.

It only reads, and only columns that every schema has had.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, inspect, select
from tallystick_protocol.checkpoint import origin_of
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32
from tallystick_protocol.merkle import CompactRange, leaf_hash
from tallystick_protocol.records import log_leaf as leaf_of

from tallystick_cloud.errors import Conflict
from tallystick_cloud.schema import balance, log_epoch, log_head, log_leaf, posting
from tallystick_cloud.schema import community as communities

from .manifest import Measured

_ACCOUNT = ("holder", "account", "party", "chain", "unit")


def measure(conn: Connection) -> tuple[Measured, ...]:
    """Every community, by id. Raises Conflict when stored head or balances are not what leaves and postings make."""
    rows = conn.execute(select(communities.c.id, communities.c.log_origin).order_by(communities.c.id)).all()
    return tuple(_measure(conn, name, origin) for name, origin in rows)


def _measure(conn: Connection, name: str, origin: str) -> Measured:
    tree = tree_of(conn, name)
    root = tree.root().hex()
    head = conn.execute(select(log_head.c.size, log_head.c.root).where(log_head.c.community == name)).one()
    if (head.size, bytes(head.root).hex()) != (tree.size, root):
        raise Conflict(f"log of {name}", f"has {tree.size} leaves with root {root[:16]}, its head says something else")
    posted, stored = _sums(conn, name), _stored(conn, name)
    if posted != stored:
        raise Conflict(f"books of {name}", "have balances that are not the sums of their postings; run an audit")
    listed = "".join(f"{key}={amount}\n" for key, amount in sorted(posted.items()))
    digest = hashlib.sha256(listed.encode()).hexdigest()
    return Measured(name, origin_of(origin, _epoch(conn, name)), tree.size, root, digest, len(posted))


def _epoch(conn: Connection, name: str) -> int:
    """The epoch that the log is in; the first one where the schema knows no others."""
    if not inspect(conn).has_table(log_epoch.name):
        return 0
    return conn.execute(select(func.max(log_epoch.c.epoch)).where(log_epoch.c.community == name)).scalar() or 0


def tree_of(conn: Connection, name: str, size: int | None = None) -> CompactRange:
    """The tree over the first `size` leaves (None: all), hashed anew from types and hashes."""
    tree = CompactRange()
    for kind, h in _leaves(conn, name, size):
        tree = tree.append(leaf_hash(leaf_of(LogType(kind), H32(h))))
    return tree


def _leaves(conn: Connection, name: str, size: int | None) -> Iterator[tuple[int, bytes]]:
    query = select(log_leaf.c.type, log_leaf.c.h).where(log_leaf.c.community == name).order_by(log_leaf.c.leaf)
    if size is not None:
        query = query.where(log_leaf.c.leaf < size)
    for kind, h in conn.execute(query.execution_options(yield_per=10_000)):
        yield int(kind), bytes(h)


def _sums(conn: Connection, name: str) -> dict[str, int]:
    columns = [posting.c[key] for key in _ACCOUNT]
    query = select(*columns, func.sum(posting.c.amount)).where(posting.c.community == name).group_by(*columns)
    return {_key(row): int(row[-1]) for row in conn.execute(query) if row[-1]}


def _stored(conn: Connection, name: str) -> dict[str, int]:
    columns = [balance.c[key] for key in _ACCOUNT]
    query = select(*columns, balance.c.amount).where(balance.c.community == name)
    return {_key(row): int(row[-1]) for row in conn.execute(query) if row[-1]}


def _key(row: Any) -> str:
    values: list[Any] = list(row)[:-1]
    return " ".join(value.hex() if isinstance(value, bytes) else str(value) for value in values)
