"""Builds the tree of one interval of a pool: each meter's numbers cut by chance into pieces, salted, ordered by hash.
It never makes a secret: whoever closes hands in one per meter, and erases it with the meter's numbers.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from tallystick_protocol import cbor
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.pool_energy import Sharing
from tallystick_protocol.pool_settlement import MeterPiece, OpenedPiece
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.sum_tree import WIDTH, SumNode, leaf_node, path, root

SECRET_BYTES = 32
Secret = Callable[[int], bytes]
"""The secret of a meter by its place in the contract."""


@dataclass(frozen=True, slots=True)
class IntervalTree:
    """All leaves of an interval in the order of their hashes, which is nobody's order."""

    leaves: tuple[SumNode, ...]
    pieces: tuple[tuple[bytes, MeterPiece], ...]

    @property
    def top(self) -> SumNode:
        return root(self.leaves)

    def opened(self, point: int) -> tuple[OpenedPiece, ...]:
        """The pieces of one meter, each with its way to the top."""
        return tuple(
            OpenedPiece(index, salt, piece, tuple(path(index, self.leaves)))
            for index, (salt, piece) in enumerate(self.pieces)
            if piece.point == point
        )


def interval_tree(contract: Contract, start_ms: int, sharing: Sharing, secret: Secret) -> IntervalTree:
    """The tree of an interval; the same secrets and numbers always give the same."""
    made = []
    rows = [(row, (row.injected, row.withdrawn, row.allocated, 0)) for row in sharing.plants]
    rows += [(row, (row.injected, row.withdrawn, 0, row.allocated)) for row in sharing.consumers]
    for row, sums in rows:
        mine = secret(row.point)
        for number, part in enumerate(_cut(mine, start_ms, sums)):
            piece = MeterPiece(start_ms, row.point, number, contract.assets[row.point].user, part)
            salt = _derive(mine, start_ms, f"salt {number}")[:SALT_BYTES]
            made.append((leaf_of(salt, piece), salt, piece))
    made.sort(key=lambda one: one[0].hash)
    return IntervalTree(tuple(node for node, _, _ in made), tuple((salt, piece) for _, salt, piece in made))


def leaf_of(salt: bytes, piece: MeterPiece) -> SumNode:
    """The leaf of a piece."""
    return leaf_node(salt, piece.encode(), piece.sums)


def _cut(secret: bytes, start_ms: int, sums: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Each number as a part that is drawn from all that it can be, and the rest."""
    drawn = _derive(secret, start_ms, "cut")
    first = tuple(
        int.from_bytes(drawn[at * 8 : at * 8 + 8], "big") % (value + 1)
        for at, value in zip(range(WIDTH), sums, strict=True)
    )
    return [first, tuple(value - part for value, part in zip(sums, first, strict=True))]


def _derive(secret: bytes, start_ms: int, label: str) -> bytes:
    return hmac.digest(secret, cbor.encode([label, start_ms]), sha256)
