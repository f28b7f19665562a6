"""A Merkle tree whose nodes carry the sums of what is under them, so that a leaf proves itself and all of the sums.
It never shows a leaf: a path shows hashes and the sums of the subtrees beside it.

A node is SHA-256(0x03 || left hash || left sums || right hash || right sums), sums as unsigned 64-bit big-endian.
The numbers are below 2^63.
A leaf is SHA-256(0x02 || salt || leaf bytes || its sums). The tree has the shape of RFC 6962.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick_protocol import merkle
from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import H32, H32_BYTES, sha256
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.schema import UINT, UINT_MAX, Bytes, Field, List, RowMessage

WIDTH = 8  # energy: injected, withdrawn, given, used; weights: of producers, consumers, households, members
_SUM_BYTES = 8
_LEAF, _NODE = b"\x02", b"\x03"


@dataclass(frozen=True, slots=True)
class SumNode(RowMessage):
    """The hash of a subtree and the sums of its leaves, each 0..2^63-1."""

    NAME = "node"
    FIELDS = (Field(0, "hash", Bytes(H32_BYTES)), Field(1, "sums", List(UINT, WIDTH, WIDTH)))
    hash: H32
    sums: tuple[int, ...]


def leaf_node(salt: bytes, data: bytes, sums: tuple[int, ...]) -> SumNode:
    """A leaf; BadProof for a salt of another size."""
    if len(salt) != SALT_BYTES:
        raise BadProof("salt", f"is {len(salt)} bytes long, must be {SALT_BYTES}")
    return SumNode(sha256(_LEAF + salt + data + _sums(sums)), sums)


def root(leaves: Sequence[SumNode]) -> SumNode:
    """The top of the tree; BadProof for a tree of nothing."""
    if not leaves:
        raise BadProof("tree", "has no leaf")
    return merkle.top(leaves, _join)


def path(index: int, leaves: Sequence[SumNode]) -> list[SumNode]:
    """The nodes beside the way from leaf `index` to the root, lowest first."""
    return merkle.beside(index, leaves, _join)


def verify_path(index: int, size: int, leaf: SumNode, beside: Sequence[SumNode], top: SumNode) -> None:
    """Return when the leaf stands at `index` under `top`, and its sums are in the sums there; else BadProof."""
    if not 0 <= index < size:
        raise BadProof("index", f"is {index}, must be below the size {size}")
    if len(beside) > merkle.HEIGHT_MAX:
        raise BadProof("path", "is too long for any tree")
    if merkle.climbed(index, size, leaf, beside, _join) != top:
        raise BadProof("root", "does not follow from the leaf and the path")


def _join(left: SumNode, right: SumNode) -> SumNode:
    sums = tuple(a + b for a, b in zip(left.sums, right.sums, strict=True))
    if max(sums) > UINT_MAX:
        raise BadProof("sums", "are larger than 2^63-1")
    return SumNode(sha256(_NODE + left.hash + _sums(left.sums) + right.hash + _sums(right.sums)), sums)


def _sums(sums: Sequence[int]) -> bytes:
    return b"".join(one.to_bytes(_SUM_BYTES, "big") for one in sums)
