"""A member's file of a pool: own pieces and money of some intervals, with what proves them.

It never opens another member's meter.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LogType
from tallystick_protocol.evidence import LoggedObject
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import (
    INTERVALS_MAX,
    Claim,
    IntervalProof,
    IntervalRecord,
    PoolProof,
)
from tallystick_protocol.salted_tree import Leaf, SaltedTree

from tallystick_cloud.context import Context
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.errors import NotFound
from tallystick_cloud.log import cosign
from tallystick_cloud.log import store as log_store
from tallystick_cloud.log.prover import Prover

from . import store
from .errors import PoolRefused
from .trees import Trees


def prove(conn: Connection, context: Context, versions: Sequence[Version], party: PartyId, period: Period) -> PoolProof:
    """The member's file of the intervals that start in a period, from the newest close that holds it.

    Raises NotFound when nothing is closed then or the party has no meter in it, PoolRefused for too long a period.
    """
    close = store.newest_close(conn, versions[0].chain, period.from_ms)
    if close is None or close.envelope is None:
        raise NotFound("close", "none holds this time yet; close the period first: tallystick pool close")
    rows = store.intervals(conn, close.id)
    chosen = [(at, row) for at, row in enumerate(rows) if period.from_ms <= row.start_ms < period.to_ms]
    if len(chosen) > INTERVALS_MAX:
        raise PoolRefused("period", f"has {len(chosen)} intervals, a file holds {INTERVALS_MAX}; ask for a month")
    tree = SaltedTree(tuple(Leaf(bytes(row.salt), bytes(row.record)) for row in rows))
    records = _Records(close, versions, Trees(conn, close.id), tree)
    proved = [one for at, row in chosen if (one := records.proved(at, row, party)) is not None]
    if not proved:
        raise NotFound("meter", "of this party is in no closed interval of this time, or who it was is erased")
    listed = records.listed
    note, prover = _log(conn, context, [close.leaf, *(one.leaf for one in store.contract_leaves(conn, listed))])
    logged = [
        LoggedObject(LogType.CONTRACT, bytes(one.envelope), one.leaf, tuple(prover.inclusion(one.leaf)))
        for one in store.contract_leaves(conn, listed)
    ]
    signed = LoggedObject(LogType.SETTLEMENT, bytes(close.envelope), close.leaf, tuple(prover.inclusion(close.leaf)))
    return PoolProof(party, note, tuple(logged), signed, records.openings(party), tuple(proved))


def _log(conn: Connection, context: Context, leaves: Sequence[int]) -> tuple[bytes, Prover]:
    found = cosign.witnessed_note(conn, context.community, max(leaves) + 1)
    if found is None:
        raise NotFound("checkpoint", "none covers the close yet; the next one is signed within a minute")
    size, note = found
    return note, Prover([H32(h) for h in log_store.leaf_hashes(conn, context.community, 0, size)])


class _Records:
    """The intervals of one close, rebuilt from what is kept of it."""

    def __init__(self, close: Any, versions: Sequence[Version], trees: Trees, tree: SaltedTree) -> None:
        self._by_h = {one.h: one for one in versions}
        self.listed = store.signed_of(close).contracts
        self._trees, self._tree = trees, tree

    def openings(self, party: PartyId) -> tuple[tuple[int, int, bytes], ...]:
        """What shows that the party stands behind its meters, in every version that the close names."""
        found = []
        for place, h in enumerate(self.listed):
            version = self._by_h[h]
            points = {(one.asset, one.quantity): at for at, one in enumerate(version.contract.assets)}
            for opening in version.openings:
                if opening.party == party:
                    found.append((place, points[opening.asset, opening.quantity], opening.salt))
        return tuple(found)

    def proved(self, position: int, row: Any, party: PartyId) -> IntervalProof | None:
        """The member's part of an interval, None when it has no meter there."""
        version = self._by_h[bytes(row.version)]
        meters: list[list[int]] = json.loads(row.meters)
        own = {point for point, *_ in meters if version.payer(version.contract.assets[point]) == party}
        if not own:
            return None
        tree = self._trees.of(version, row)
        pieces = tuple(opened for point in sorted(own) for opened in tree.opened(point))
        claims = tuple(
            Claim(point, None if group is None else Group(group), int(amount))
            for point, group, amount in json.loads(row.money)
            if point in own
        )
        leaf = self._tree.leaves[position]
        record = IntervalRecord.decode(leaf.data)
        return IntervalProof(position, leaf.salt, record, self._tree.path(position), pieces, claims)
