"""The trees of a close's intervals, made again from what is kept of them: the numbers and secrets of the members, and
the bare leaves of those who were erased.

It never makes a tree that is not the signed one.
"""

import json
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.money.pool_energy import Row, Sharing
from tallystick_protocol.money.pool_money import Worth, weights_of
from tallystick_protocol.pool_settlement import IntervalRecord
from tallystick_protocol.pool_tree import IntervalTree, interval_tree

from tallystick_cloud.contracts.model import Version

from . import store
from .model import owner_of, pool_of


class Trees:
    """The trees of one close."""

    def __init__(self, conn: Connection, close_id: int) -> None:
        self._secrets = store.secrets(conn, close_id)
        self._erased = store.erased_leaves(conn, close_id)

    def is_kept(self, h: bytes, point: int) -> bool:
        """Whether the secret of a meter of a version is there."""
        return (h, point) in self._secrets

    def of(self, version: Version, row: Any) -> IntervalTree:
        """The tree of an interval (a row of pool_interval) under its version."""
        points = pool_of(version).points
        rows = [Row(*meter) for meter in json.loads(row.meters)]
        plants = tuple(one for one in rows if points[one.point].is_plant)
        consumers = tuple(one for one in rows if not points[one.point].is_plant)
        sharing = Sharing(plants, consumers, sum(one.allocated for one in consumers))
        worth = Worth(tuple(int(nano) for nano in json.loads(row.worth)))
        weights = weights_of(pool_of(version), sharing, worth, owner_of(version))
        erased = self._erased.get(row.position, {})
        contract = version.contract
        tree = interval_tree(
            contract, row.start_ms, sharing, weights, lambda point: self._secrets[version.h, point], erased
        )
        if tree.top != IntervalRecord.decode(bytes(row.record)).top:
            raise InvariantError(f"what is kept of the interval at {row.start_ms} ms does not make its signed sums")
        return tree
