"""What is signed when a period closes: the contract's head and four salted trees, chained per contract and unit.
It never holds a use, a name or an amount itself: each party is shown its own leaves.
"""

from dataclasses import dataclass
from itertools import pairwise

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES, NONCE_BYTES
from tallystick_protocol.salted_tree import Tree
from tallystick_protocol.schema import UINT, Bytes, Field, Int, List, MapMessage, Nullable, Of, Row, Text

CONTRACTS_MAX = 256
INPUTS_MAX = 1024
OFFSETS_MAX = 256  # two clock changes a year
DAY_S = 86_400
_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class Settlement(MapMessage):
    """One closed period [from_ms, to_ms) of one contract and unit.

    `contracts` are all versions in force so far, in the order of their chain, the last being the head. `offsets` are
    (from_ms, UTC offset in s) of the head's zone from the earliest use on.
    """

    NAME = "settlement"
    VERSION = 1
    FIELDS = (
        Field(1, "nonce", Bytes(NONCE_BYTES)),
        Field(2, "prev", Nullable(_H32)),
        Field(3, ("from_ms", "to_ms"), Row((UINT, UINT))),
        Field(4, "contracts", List(_H32, 1, CONTRACTS_MAX)),
        Field(5, "covers", Of(Tree)),
        Field(6, "inputs", List(_H32, 0, INPUTS_MAX)),
        Field(7, "uses", Of(Tree)),
        Field(8, "unit", Text()),
        Field(10, "statements", Of(Tree)),
        Field(11, "offsets", List(Row((UINT, Int(-DAY_S, DAY_S))), 0, OFFSETS_MAX)),
        Field(12, "counters", Of(Tree)),
    )
    nonce: bytes
    prev: H32 | None
    from_ms: int
    to_ms: int
    contracts: tuple[H32, ...]
    covers: Tree
    inputs: tuple[H32, ...]
    uses: Tree
    unit: str
    statements: Tree
    offsets: tuple[tuple[int, int], ...]
    counters: Tree

    def check_rules(self) -> None:
        if self.to_ms <= self.from_ms:
            raise BadValue("settlement.from_ms+to_ms", "ends before it begins")
        if len(set(self.contracts)) != len(self.contracts):
            raise BadValue("settlement.contracts", "names one version twice")
        if any(after[0] <= before[0] for before, after in pairwise(self.offsets)):
            raise BadValue("settlement.offsets", "have times that do not rise")

    def tree(self, key: int) -> Tree:
        """The tree at wire key 5, 7, 10 or 12; BadValue for another key."""
        match key:
            case 5:
                return self.covers
            case 7:
                return self.uses
            case 10:
                return self.statements
            case 12:
                return self.counters
        raise BadValue("settlement", f"has no tree at key {key}")
