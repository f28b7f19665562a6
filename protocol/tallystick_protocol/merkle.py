"""The Merkle tree of RFC 6962: roots, a compact range that grows leaf by leaf, and inclusion and consistency proofs.
It never stores a tree: callers keep leaf hashes or a compact range, and verifiers need neither.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeVar

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadProof, BadType, BadValue
from tallystick_protocol.ids import H32, H32_BYTES, sha256

N = TypeVar("N")  # a node: a hash, or one with sums
EMPTY_ROOT = sha256(b"")
SIZE_MAX = cbor.INT_MAX
HEIGHT_MAX = 63  # a proof of a tree of 2^63 leaves; twice that for consistency
_RANGE_BYTES_MAX = 4096  # 63 hashes and their heads


def leaf_hash(data: bytes) -> H32:
    """SHA-256(0x00 || leaf bytes)."""
    return sha256(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> H32:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right)


def root(leaf_hashes: Sequence[H32]) -> H32:
    """The tree head over these leaf hashes; SHA-256 of nothing for none."""
    return top(leaf_hashes, node_hash) if leaf_hashes else EMPTY_ROOT


def top(leaves: Sequence[N], join: Callable[[N, N], N]) -> N:
    """The top of a tree of this shape over whatever nodes `join` makes two of one of; there is at least one leaf."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level, join)
    return level[0]


def beside(index: int, leaves: Sequence[N], join: Callable[[N, N], N]) -> list[N]:
    """The nodes beside the way from leaf `index` to the top, lowest first."""
    if not 0 <= index < len(leaves):
        raise BadProof("index", f"is {index}, must be below the size {len(leaves)}")
    found: list[N] = []
    level = list(leaves)
    while len(level) > 1:
        if index ^ 1 < len(level):
            found.append(level[index ^ 1])
        level = _parents(level, join)
        index >>= 1
    return found


def climbed(index: int, size: int, leaf: N, path: Sequence[N], join: Callable[[N, N], N]) -> N:
    """The top that follows from a leaf and what is beside its way (RFC 9162 2.1.3.2); BadProof for a path of another
    length than the tree's."""
    result, place, last = leaf, index, size - 1
    for node in path:
        if last == 0:
            raise BadProof("proof", "is too long")
        if place & 1 or place == last:
            result = join(node, result)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            result = join(result, node)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("proof", "is too short")
    return result


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The roots of the complete subtrees that make up a tree, largest first: enough to append and to give the root."""

    size: int = 0
    hashes: tuple[H32, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX:
            raise BadValue("compact range.size", f"is {self.size}, must be 0..2^63-1")
        if len(self.hashes) != self.size.bit_count():
            raise BadValue("compact range.hashes", f"are {len(self.hashes)}, must be {self.size.bit_count()}")
        if any(len(h) != H32_BYTES for h in self.hashes):
            raise BadValue("compact range.hashes", f"are not all {H32_BYTES} bytes long")

    def append(self, leaf: H32) -> "CompactRange":
        """The range with one more leaf hash; takes time in the height of the tree."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[H32]) -> "CompactRange":
        """The range with these leaf hashes after the others."""
        hashes, size = list(self.hashes), self.size
        for leaf in leaves:
            carry, rest = leaf, size
            while rest & 1:
                carry = node_hash(hashes.pop(), carry)
                rest >>= 1
            hashes.append(carry)
            size += 1
        return CompactRange(size, tuple(hashes))

    def root(self) -> H32:
        """The tree head."""
        if not self.hashes:
            return EMPTY_ROOT
        *rest, result = self.hashes
        for h in reversed(rest):
            result = node_hash(h, result)
        return result

    def encode(self) -> bytes:
        """Canonical CBOR [size, [* hash]]."""
        return cbor.encode([self.size, list(self.hashes)])

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Strict; ProtocolError names the field."""
        match cbor.decode(data, _RANGE_BYTES_MAX, field="compact range"):
            case [int(size), list(hashes)] if type(size) is int:
                return cls(size, tuple(_h32(h) for h in hashes))
            case _:
                raise BadType("compact range", "must be [size, [* 32 bytes]]")


def inclusion_proof(index: int, leaf_hashes: Sequence[H32]) -> list[H32]:
    """The audit path of leaf `index`, lowest first, at most 63 hashes; BadProof beyond the leaves (RFC 6962 2.1.1)."""
    return beside(index, leaf_hashes, node_hash)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Return when the leaf hash stands at `index` in the tree; BadProof says what does not fit (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise BadProof("index", f"is {index}, must be below the size {size}")
    _check_hashes([leaf, expected_root, *proof], HEIGHT_MAX + 2)
    if climbed(index, size, H32(leaf), [H32(h) for h in proof], node_hash) != expected_root:
        raise BadProof("root", "does not follow from the leaf and the proof")


def consistency_proof(old: int, new: int, leaf_hashes: Sequence[H32]) -> list[H32]:
    """Why the tree of the first `new` leaves continues that of the first `old`; empty when equal (RFC 6962 2.1.2).

    BadProof unless 0 < old <= new <= the leaves that are given.
    """
    if not 0 < old <= new <= len(leaf_hashes):
        raise BadProof("sizes", f"are {old} and {new} of {len(leaf_hashes)}, must rise from 1")
    return _subproof(old, list(leaf_hashes[:new]), complete=True)


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Return when the tree `new` continues the tree `old`; BadProof otherwise (RFC 9162 2.1.4.2).

    An empty old tree proves nothing, so `old` = 0 is refused unless `new` is 0 too: who starts from nothing checks no
    consistency.
    """
    if not 0 <= old <= new <= SIZE_MAX:
        raise BadProof("sizes", f"are {old} and {new}, must not fall")
    _check_hashes([old_root, new_root, *proof], 2 * HEIGHT_MAX + 2)
    if old == new:
        if proof:
            raise BadProof("proof", "is not empty between equal sizes")
        if old_root != new_root:
            raise BadProof("root", "differs between equal sizes: this is a fork")
        return
    if old == 0:
        raise BadProof("sizes", "start from the empty tree, from which nothing can be proved")
    if not proof:
        raise BadProof("proof", "is empty")
    _climb_both(old, new, list(proof), old_root, new_root)


def _climb_both(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> None:
    if old & (old - 1) == 0:
        proof = [old_root, *proof]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    in_old = in_new = H32(proof[0])
    for h in proof[1:]:
        if last == 0:
            raise BadProof("proof", "is too long")
        if place & 1 or place == last:
            in_old, in_new = node_hash(h, in_old), node_hash(h, in_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            in_new = node_hash(in_new, h)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise BadProof("proof", "is too short")
    if in_old != old_root or in_new != new_root:
        raise BadProof("root", "does not follow from the proof: the log was rewritten or this is another log")


def _subproof(old: int, leaves: list[H32], *, complete: bool) -> list[H32]:
    if old == len(leaves):
        return [] if complete else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*_subproof(old, leaves[:split], complete=complete), root(leaves[split:])]
    return [*_subproof(old - split, leaves[split:], complete=False), root(leaves[:split])]


def _parents(level: list[N], join: Callable[[N, N], N]) -> list[N]:
    parents = [join(left, right) for left, right in list(pairwise(level))[::2]]
    if len(level) & 1:
        parents.append(level[-1])
    return parents


def _check_hashes(hashes: Sequence[bytes], most: int) -> None:
    if len(hashes) > most:
        raise BadProof("proof", "is too long for any tree")
    if any(len(h) != H32_BYTES for h in hashes):
        raise BadProof("proof", f"holds a hash that is not {H32_BYTES} bytes long")


def _h32(value: cbor.CborValue) -> H32:
    if not isinstance(value, bytes):
        raise BadType("compact range.hashes", "must be byte strings")
    return H32(value)
