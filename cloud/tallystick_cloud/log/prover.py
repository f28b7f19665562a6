"""Inclusion and consistency proofs of one tree, many at once: every level is hashed once.

It never reads a database; whoever has the leaf hashes asks it.
"""

from collections.abc import Sequence

from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import H32
from tallystick_protocol.merkle import EMPTY_ROOT, node_hash


class Prover:
    """RFC 6962 proofs in the tree of these leaf hashes."""

    def __init__(self, leaf_hashes: Sequence[H32]) -> None:
        self._levels = [list(leaf_hashes)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            self._levels.append(pairs + below[len(below) & ~1 :])

    @property
    def size(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> H32:
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def inclusion(self, index: int) -> list[H32]:
        """The audit path of a leaf, lowest first; BadProof for one that the tree does not have."""
        if not 0 <= index < self.size:
            raise BadProof("leaf", f"{index} is not below {self.size}")
        path = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        return path

    def consistency(self, old: int) -> list[H32]:
        """Why this tree continues that of its first `old` leaves; BadProof for 0 or more than there are."""
        if not 0 < old <= self.size:
            raise BadProof("sizes", f"are {old} and {self.size}, must rise from 1")
        return self._subproof(old, 0, self.size, complete=True)

    def _subproof(self, old: int, low: int, high: int, *, complete: bool) -> list[H32]:
        """For the leaves [low, high), of which `old` are in the old tree."""
        if old == high - low:
            return [] if complete else [self._root(low, high)]
        split = 1 << (high - low - 1).bit_length() - 1
        if old <= split:
            return [*self._subproof(old, low, low + split, complete=complete), self._root(low + split, high)]
        return [*self._subproof(old - split, low + split, high, complete=False), self._root(low, low + split)]

    def _root(self, low: int, high: int) -> H32:
        """Root over [low, high) with `low` a multiple of the largest power of two in its size."""
        span = high - low
        if span & (span - 1) == 0:
            return self._levels[span.bit_length() - 1][low // span]
        split = 1 << span.bit_length() - 1
        return node_hash(self._root(low, low + split), self._root(low + split, high))
