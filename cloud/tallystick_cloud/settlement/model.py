"""A stored settlement, a closed period, and the numbers of the four trees.

It never holds a key or a connection.
"""

from dataclasses import dataclass
from enum import IntEnum

from tallystick_protocol.ids import H32


class TreeKey(IntEnum):
    """Wire key of a tree in the settlement."""

    COVERS = 5
    USES = 7
    STATEMENTS = 10
    COUNTERS = 12


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of settlement: the period [from_ms, to_ms), the signed envelope and its place in the log."""

    h: H32
    chain: H32
    number: int
    prev: H32 | None
    unit: str
    from_ms: int
    to_ms: int
    envelope: bytes
    leaf: int
    closed_ms: int


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing did; `again`: it was closed before and nothing changed. `zone`: that of the contract."""

    settlement: Stored
    contract: str
    zone: str
    uses: int
    opens: int
    statements: int
    again: bool


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A leaf as it is kept; salt and data are None when it was erased."""

    settlement: bytes
    tree: int
    position: int
    h: H32
    salt: bytes | None
    data: bytes | None
    party: bytes | None
    ref: bytes | None
