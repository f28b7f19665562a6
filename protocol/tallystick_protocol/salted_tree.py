"""Trees of salted leaves, so that one line of a settlement can be shown and proved without showing its neighbours.
It never makes a salt: who builds a tree hands them in, and keeps and erases each together with its leaf.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallystick_protocol import merkle
from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.schema import UINT, Bytes, Field, RowMessage

SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Tree(RowMessage):
    """What a settlement commits to: the number of leaves and the root (RFC 6962)."""

    NAME = "tree"
    FIELDS = (Field(0, "n", UINT), Field(1, "root", Bytes(H32_BYTES)))
    n: int
    root: H32

    def check_rules(self) -> None:
        if self.n == 0 and self.root != merkle.EMPTY_ROOT:
            raise BadProof("tree.root", "is not the root of the empty tree at n = 0")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf's 16 random bytes and its canonical CBOR: kept, opened and erased together."""

    salt: bytes
    data: bytes

    @property
    def hash(self) -> H32:
        """The leaf hash of salt || data."""
        return leaf_hash(self.salt, self.data)


@dataclass(frozen=True, slots=True)
class SaltedTree:
    """A tree with all its leaves, as the one who settles has it."""

    leaves: tuple[Leaf, ...]

    @property
    def head(self) -> Tree:
        """What the settlement commits to."""
        return Tree(len(self.leaves), merkle.root([leaf.hash for leaf in self.leaves]))

    def path(self, index: int) -> tuple[H32, ...]:
        """The audit path of a leaf, lowest first; BadProof for an index that the tree does not have."""
        return tuple(merkle.inclusion_proof(index, [leaf.hash for leaf in self.leaves]))


def salted(datas: Sequence[bytes], random: Callable[[int], bytes]) -> SaltedTree:
    """A tree of these leaves in this order; `random(n)` gives n random bytes and is asked once per leaf, in order."""
    return SaltedTree(tuple(Leaf(random(SALT_BYTES), data) for data in datas))


def leaf_hash(salt: bytes, data: bytes) -> H32:
    """RFC 6962 leaf hash of salt || data; BadProof for a salt that is not 16 bytes long."""
    if len(salt) != SALT_BYTES:
        raise BadProof("salt", f"is {len(salt)} bytes long, must be {SALT_BYTES}")
    return merkle.leaf_hash(salt + data)


def verify_leaf(tree: Tree, index: int, leaf: Leaf, path: Sequence[bytes]) -> None:
    """Return when the leaf stands at `index`; BadProof otherwise, also for an index that is not below n."""
    merkle.verify_inclusion(index, tree.n, leaf.hash, path, tree.root)
