"""A member's file of a pool: own pieces and money of some intervals, with what proves them, and of a whole close the
statement.

It never opens another member's meter.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LineKind, LogType
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.split import Group
from tallystick_protocol.pool_settlement import (
    INTERVALS_MAX,
    Claim,
    EarlierClose,
    IntervalProof,
    IntervalRecord,
    OpenedStatement,
    PoolProof,
)
from tallystick_protocol.salted_tree import Leaf, SaltedTree
from tallystick_protocol.statement import Statement

from tallystick_cloud.context import Context
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.errors import NotFound
from tallystick_cloud.log.prover import Prover
from tallystick_cloud.log.shown import ShownLog

from . import store
from .errors import PoolRefused
from .trees import Trees


def prove(conn: Connection, context: Context, versions: Sequence[Version], party: PartyId, period: Period) -> PoolProof:
    """The member's file of the intervals that start in a period, from the newest close that holds it; of a whole close
    with the statement in it, also for who pays or has a part without a meter.

    Raises NotFound when nothing is closed then or nothing in it is the party's, PoolRefused for too long a period.
    """
    close = store.newest_close(conn, versions[0].chain, period)
    if close is None or close.envelope is None:
        why = "none holds all of this time yet; close it (tallystick pool close), or ask for a part that is closed"
        raise NotFound("close", why)
    rows = store.intervals(conn, close.id)
    chosen = [(at, row) for at, row in enumerate(rows) if period.from_ms <= row.start_ms < period.to_ms]
    if len(chosen) > INTERVALS_MAX:
        raise PoolRefused("period", f"has {len(chosen)} intervals, a file holds {INTERVALS_MAX}; ask for a month")
    tree = SaltedTree(tuple(Leaf(bytes(row.salt), bytes(row.record)) for row in rows))
    records = _Records(close, versions, Trees(conn, close.id), tree)
    is_named = any(one.concerns(party) for one in versions if one.h in records.listed)  # else it came after this time
    statement = _statement(conn, close, party) if is_named and len(chosen) == len(rows) else None
    proved = [records.proved(at, row, party) for at, row in chosen]
    if statement is None and not any(one.pieces for one in proved):
        raise NotFound("meter", "of this party is in no closed interval of this time, or who it was is erased")
    if statement is None:
        proved = [one for one in proved if one.pieces]
    earlier = [] if statement is None else _earlier(conn, versions[0].chain, close, statement.statement, party)
    listed = store.contract_leaves(conn, records.listed)
    log = ShownLog(conn, context, max(close.leaf, *(one.leaf for one in listed)))
    return PoolProof(
        party=party,
        note=log.note,
        contracts=tuple(log.logged(LogType.CONTRACT, one.envelope, one.leaf) for one in listed),
        settlement=log.logged(LogType.SETTLEMENT, close.envelope, close.leaf),
        openings=records.openings(party),
        intervals=tuple(proved),
        continuations=log.continuations,
        proofs=log.proofs,
        statement=statement,
        earlier=tuple(
            EarlierClose(log.logged(LogType.SETTLEMENT, one.envelope, one.leaf), opened) for one, opened in earlier
        ),
    )


def _statement(conn: Connection, close: Any, party: PartyId) -> OpenedStatement | None:
    """The party's statement in a close; None where there is none, or it was erased."""
    rows = store.statements(conn, close.id)
    mine = next((row for row in rows if row.party == party and row.data is not None), None)
    if mine is None:
        return None
    path = Prover([H32(bytes(row.leaf)) for row in rows]).inclusion(mine.position)
    return OpenedStatement(mine.position, bytes(mine.salt), Statement.decode(bytes(mine.data)), tuple(path))


def _earlier(
    conn: Connection, chain: bytes, close: Any, statement: Statement, party: PartyId
) -> list[tuple[Any, OpenedStatement]]:
    """The close before, those that the statement corrects and the one that is replaced, where the party is in them."""
    corrected = {bytes(line.ref) for line in statement.lines if line.kind is LineKind.CORRECTION}
    signed = store.signed_of(close)
    found = []
    for one in store.all_closes(conn, chain):
        replaced = (one.from_ms, one.to_ms, one.kind, one.number) == (
            signed.from_ms, signed.to_ms, signed.kind.value, signed.number - 1
        )  # fmt: skip
        if one.h is None or not (replaced or one.h == signed.prev or bytes(one.h) in corrected):
            continue
        opened = _statement(conn, one, party)
        if opened is not None:
            found.append((one, opened))
    return found


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

    def proved(self, position: int, row: Any, party: PartyId) -> IntervalProof:
        """The member's part of an interval; without pieces where it has no meter there."""
        version = self._by_h[bytes(row.version)]
        meters: list[list[int]] = json.loads(row.meters)
        own = {point for point, *_ in meters if version.payer(version.contract.assets[point]) == party}
        opened = self._trees.of(version, row).opened if own else None
        pieces = () if opened is None else tuple(one for point in sorted(own) for one in opened(point))
        claims = tuple(
            Claim(point, None if group is None else Group(group), int(amount))
            for point, group, amount in json.loads(row.money)
            if point in own
        )
        leaf = self._tree.leaves[position]
        record = IntervalRecord.decode(leaf.data)
        return IntervalProof(position, leaf.salt, record, self._tree.path(position), pieces, claims)
