"""What a posted bill of a cost pool commits to, and what one payer is shown of it.
It never holds another payer's numbers; what a path shows of others are sums of pieces cut by chance.
"""

from dataclasses import dataclass

from tallystick_protocol.errors import BadValue
from tallystick_protocol.evidence import PROOFS_MAX, LoggedObject, Proof
from tallystick_protocol.ids import H32, H32_BYTES, NONCE_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.merkle import HEIGHT_MAX
from tallystick_protocol.money.cost import CENTS_MAX, KEY_MAX, By
from tallystick_protocol.money.numbers import Ratio, Word
from tallystick_protocol.note import NOTE_BYTES_MAX
from tallystick_protocol.pool_settlement import CONTRACTS_MAX, PIECES
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.schema import (
    POSITIVE,
    UINT,
    Blob,
    Bytes,
    Field,
    Int,
    List,
    MapMessage,
    Nullable,
    Of,
    RowMessage,
    Text,
)
from tallystick_protocol.sum_tree import WIDTH, SumNode

STAYS_MAX = 1_024  # of one payer in one bill
PROOF_BYTES_MAX = 16 << 20
_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class CostPart(RowMessage):
    """`portion` of the bill by a measure. In the tree a stay's measure is a whole number: `scale` times as much."""

    NAME = "cost part"
    FIELDS = (
        Field(0, "portion", Of(Ratio)),
        Field(1, "by", Word(By)),
        Field(2, "quantity", Nullable(Text())),
        Field(3, "scale", POSITIVE),
    )
    portion: Ratio
    by: By
    quantity: str | None
    scale: int


@dataclass(frozen=True, slots=True)
class CostPiece(RowMessage):
    """A leaf: one of the `PIECES` parts of what one stay pays and weighs. Days are YYYY-MM-DD, both included; `people`
    0: nobody lived there. `sums`: cents, then the measure of each part of the key, the rest 0."""

    NAME = "cost piece"
    FIELDS = (
        Field(0, "stay", UINT),
        Field(1, "piece", Int(0, PIECES - 1)),
        Field(2, "party", Bytes(PARTY_BYTES)),
        Field(3, "flat", Text()),
        Field(4, "first_day", Text()),
        Field(5, "last_day", Text()),
        Field(6, "people", UINT),
        Field(7, "sums", List(UINT, WIDTH, WIDTH)),
    )
    stay: int
    piece: int
    party: PartyId
    flat: str
    first_day: str
    last_day: str
    people: int
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CostSettlement(MapMessage):
    """A posted bill, signed by a key that may sign settlements and logged as one. `document` is the SHA-256 of the file
    that was posted, `stays` how many there are, `top` the sums over all of them; `reverses`: it takes that one back,
    and is else the same."""

    NAME = "cost settlement"
    VERSION = 1
    FIELDS = (
        Field(1, "nonce", Bytes(NONCE_BYTES)),
        Field(2, "community", Text()),
        Field(3, "pool", Text()),
        Field(4, "bill", Text()),
        Field(5, "cents", Int(1, CENTS_MAX)),
        Field(6, "unit", Text()),
        Field(7, "first_day", Text()),
        Field(8, "last_day", Text()),
        Field(9, "decision", Text()),
        Field(10, "key", List(Of(CostPart), 1, KEY_MAX)),
        Field(11, "collector", Bytes(PARTY_BYTES)),
        Field(12, "document", _H32),
        Field(13, "stays", POSITIVE),
        Field(14, "top", Of(SumNode)),
        Field(15, "reverses", Nullable(_H32)),
    )
    nonce: bytes
    community: str
    pool: str
    bill: str
    cents: int
    unit: str
    first_day: str
    last_day: str
    decision: str
    key: tuple[CostPart, ...]
    collector: PartyId
    document: H32
    stays: int
    top: SumNode
    reverses: H32 | None

    def check_rules(self) -> None:
        if sum(part.portion.fraction() for part in self.key) != 1:
            raise BadValue("cost settlement.key", "does not make the whole bill")


@dataclass(frozen=True, slots=True)
class OpenedCost(RowMessage):
    """A piece with its salt and its way to the top."""

    NAME = "opened cost"
    FIELDS = (
        Field(0, "index", UINT),
        Field(1, "salt", Bytes(SALT_BYTES)),
        Field(2, "piece", Of(CostPiece)),
        Field(3, "path", List(Of(SumNode), 0, HEIGHT_MAX)),
    )
    index: int
    salt: bytes
    piece: CostPiece
    path: tuple[SumNode, ...]


@dataclass(frozen=True, slots=True)
class CostProof(MapMessage):
    """A payer's file of one bill: its pieces under the signed sums, and, where it was taken back, what says so."""

    NAME = "cost proof"
    VERSION = 1
    SIZE_MAX = PROOF_BYTES_MAX
    FIELDS = (
        Field(1, "party", Bytes(PARTY_BYTES)),
        Field(2, "note", Blob(NOTE_BYTES_MAX)),
        Field(3, "settlement", Of(LoggedObject)),
        Field(4, "pieces", List(Of(OpenedCost), 1, STAYS_MAX * PIECES)),
        Field(5, "reversal", Of(LoggedObject), optional=True),
        Field(6, "continuations", List(Of(LoggedObject), 1, CONTRACTS_MAX), optional=True, empty=()),
        Field(7, "proofs", List(Of(Proof), 1, PROOFS_MAX), optional=True, empty=()),
    )
    party: PartyId
    note: bytes
    settlement: LoggedObject
    pieces: tuple[OpenedCost, ...]
    reversal: LoggedObject | None = None
    continuations: tuple[LoggedObject, ...] = ()
    proofs: tuple[Proof, ...] = ()
