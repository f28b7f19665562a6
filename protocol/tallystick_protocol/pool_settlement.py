"""What a closed period of a pool commits to, and what one member is shown of one interval of it.
It never holds another member's numbers; what a path shows of others are sums of pieces cut by chance.
"""

from dataclasses import dataclass
from enum import StrEnum

from tallystick_protocol.errors import BadValue
from tallystick_protocol.evidence import PROOFS_MAX, LoggedObject, Proof
from tallystick_protocol.ids import H32, H32_BYTES, NONCE_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.merkle import HEIGHT_MAX
from tallystick_protocol.money.numbers import Exact, Word
from tallystick_protocol.money.split import Group
from tallystick_protocol.money.user import USER_SALT_BYTES, UserField
from tallystick_protocol.note import NOTE_BYTES_MAX
from tallystick_protocol.salted_tree import SALT_BYTES, Tree
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
    Row,
    RowMessage,
    Text,
)
from tallystick_protocol.statement import Statement
from tallystick_protocol.sum_tree import WIDTH, SumNode

PIECES = 2  # leaves of one meter in one interval: a neighbour in the tree sees a part of somebody's numbers, never all
INTERVALS_MAX = 9_000  # a year of hours, or a month of quarters of one
POINTS_MAX = 64  # meters of one member
PROOF_BYTES_MAX = 64 << 20  # a year of hours of one meter among a hundred is some 30 MB
EARLIER_MAX = 1024  # closes that one corrects
RECORD_BYTES_MAX = 4096
CONTRACTS_MAX = 1024
_H32 = Bytes(H32_BYTES)


class CloseKind(StrEnum):
    """Whether a close pays on account, or finally."""

    ACCOUNT = "account"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class MeterPiece(RowMessage):
    """A leaf of an interval's tree: one of the `PIECES` parts of what one meter of a member counted, in Wh.

    `member` stands in the contract at the meter's place (`point`): a party, or the commitment to a user. `sums` are
    injected, withdrawn, given (what was shared of a plant's energy) and used (what a consumer got), then the meter's
    weight in each group: producers (nano), consumers (Wh), households (Wh), members (1 for the first of a member).
    """

    NAME = "piece"
    FIELDS = (
        Field(0, "start_ms", UINT),
        Field(1, "point", UINT),
        Field(2, "piece", Int(0, PIECES - 1)),
        Field(3, "member", UserField()),
        Field(4, "sums", List(UINT, WIDTH, WIDTH)),
    )
    start_ms: int
    point: int
    piece: int
    member: bytes
    sums: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GroupLine(RowMessage):
    """What came to a group, and the sum of the weights it is divided by, which is that of the tree."""

    NAME = "group"
    FIELDS = (Field(0, "group", Word(Group)), Field(1, "amount", UINT), Field(2, "weight", UINT))
    group: Group
    amount: int
    weight: int


@dataclass(frozen=True, slots=True)
class IntervalRecord(RowMessage):
    """One interval of a period, the same for every member. Energy in Wh, money in nano.

    `contract` is an index into the settlement's contracts. `above_wh` of what was shared, worth `above`, are above the
    contract's threshold.
    """

    NAME = "interval"
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(0, "start_ms", UINT),
        Field(1, "contract", UINT),
        Field(2, "size", UINT),
        Field(3, "top", Of(SumNode)),
        Field(4, "series", Nullable(Of(Exact))),
        Field(5, "fee", UINT),
        Field(6, "above_wh", UINT),
        Field(7, "above", UINT),
        Field(8, "groups", List(Of(GroupLine), 0, len(Group))),
        Field(9, "level", Int(0, 3)),
    )
    start_ms: int
    contract: int
    size: int
    top: SumNode
    series: Exact | None
    fee: int
    above_wh: int
    above: int
    groups: tuple[GroupLine, ...]
    level: int

    def check_rules(self) -> None:
        if self.above > self.fee:
            raise BadValue("interval.above", "is more than the fee")


@dataclass(frozen=True, slots=True)
class PoolSettlement(MapMessage):
    """A close, signed by a key that may sign settlements and logged as one. `prev` is the contract's close before.

    It replaces every earlier close of the same period and kind; `number` counts them from 1. `intervals` is the salted
    tree of its records, in order; `totals` are the sums of injected, withdrawn, given, used and of the fees.
    `statements`: the salted tree of every party's Statement, in the order of their ids; None in pools of before there
    were any. A statement's lines of kind share and charge refer to the root of `intervals`, its corrections to the
    hash of the close that they take back.
    """

    NAME = "pool settlement"
    VERSION = 1
    FIELDS = (
        Field(1, "nonce", Bytes(NONCE_BYTES)),
        Field(2, "prev", Nullable(_H32)),
        Field(3, ("from_ms", "to_ms"), Row((UINT, UINT))),
        Field(4, "kind", Word(CloseKind)),
        Field(5, "number", POSITIVE),
        Field(6, "contracts", List(_H32, 1, CONTRACTS_MAX)),
        Field(7, "intervals", Of(Tree)),
        Field(8, "unit", Text()),
        Field(9, "totals", List(UINT, 5, 5)),
        Field(10, "statements", Of(Tree), optional=True),
    )
    nonce: bytes
    prev: H32 | None
    from_ms: int
    to_ms: int
    kind: CloseKind
    number: int
    contracts: tuple[H32, ...]
    intervals: Tree
    unit: str
    totals: tuple[int, ...]
    statements: Tree | None = None

    def check_rules(self) -> None:
        if self.to_ms <= self.from_ms:
            raise BadValue("pool settlement.from_ms+to_ms", "ends before it begins")
        if len(set(self.contracts)) != len(self.contracts):
            raise BadValue("pool settlement.contracts", "names one version twice")


@dataclass(frozen=True, slots=True)
class OpenedPiece(RowMessage):
    """A piece with its salt and its way to the top of the interval's tree."""

    NAME = "opened"
    FIELDS = (
        Field(0, "index", UINT),
        Field(1, "salt", Bytes(SALT_BYTES)),
        Field(2, "piece", Of(MeterPiece)),
        Field(3, "path", List(Of(SumNode), 0, HEIGHT_MAX)),
    )
    index: int
    salt: bytes
    piece: MeterPiece
    path: tuple[SumNode, ...]


@dataclass(frozen=True, slots=True)
class Claim(RowMessage):
    """What came to one meter of the member: as one of a group, or (null) as a household of what is above the threshold;
    or what it owes, as a negative amount, where consumers pay."""

    NAME = "claim"
    FIELDS = (
        Field(0, "point", UINT),
        Field(1, "group", Nullable(Word(Group))),
        Field(2, "amount", Int()),
    )
    point: int
    group: Group | None
    amount: int


@dataclass(frozen=True, slots=True)
class IntervalProof(RowMessage):
    """One interval: its record with its place in the settlement, and the member's pieces and money. Who has no meter,
    such as who pays or a party to the split, has no pieces: its money follows from the record."""

    NAME = "proved"
    FIELDS = (
        Field(0, "index", UINT),
        Field(1, "salt", Bytes(SALT_BYTES)),
        Field(2, "record", Of(IntervalRecord)),
        Field(3, "path", List(_H32, 0, HEIGHT_MAX)),
        Field(4, "pieces", List(Of(OpenedPiece), 0, POINTS_MAX * PIECES)),
        Field(5, "claims", List(Of(Claim), 0, POINTS_MAX * (len(Group) + 2))),
    )
    index: int
    salt: bytes
    record: IntervalRecord
    path: tuple[H32, ...]
    pieces: tuple[OpenedPiece, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class OpenedStatement(RowMessage):
    """The member's statement in a close, with its salt and its way to the root."""

    NAME = "opened statement"
    FIELDS = (
        Field(0, "index", UINT),
        Field(1, "salt", Bytes(SALT_BYTES)),
        Field(2, "statement", Of(Statement)),
        Field(3, "path", List(_H32, 0, HEIGHT_MAX)),
    )
    index: int
    salt: bytes
    statement: Statement
    path: tuple[H32, ...]


@dataclass(frozen=True, slots=True)
class EarlierClose(RowMessage):
    """A close that the statement follows or corrects, with the member's statement in it."""

    NAME = "earlier"
    FIELDS = (Field(0, "close", Of(LoggedObject)), Field(1, "opened", Of(OpenedStatement)))
    close: LoggedObject
    opened: OpenedStatement


@dataclass(frozen=True, slots=True)
class PoolProof(MapMessage):
    """A member's file. `contracts` and `settlement` are logged objects under the checkpoint in `note`.

    `openings` are (contract, point, salt): what shows that the member stands behind the contract's commitment.
    `continuations` say how the log came to its epoch, `proofs` that it went on from where they say. A file of a whole
    close has the member's `statement` in it, and what that one follows and corrects.
    """

    NAME = "pool proof"
    VERSION = 1
    SIZE_MAX = PROOF_BYTES_MAX
    FIELDS = (
        Field(1, "party", Bytes(PARTY_BYTES)),
        Field(2, "note", Blob(NOTE_BYTES_MAX)),
        Field(3, "contracts", List(Of(LoggedObject), 1, CONTRACTS_MAX)),
        Field(4, "settlement", Of(LoggedObject)),
        Field(5, "openings", List(Row((UINT, UINT, Bytes(USER_SALT_BYTES))), 0, CONTRACTS_MAX)),
        Field(6, "intervals", List(Of(IntervalProof), 1, INTERVALS_MAX)),
        Field(7, "continuations", List(Of(LoggedObject), 1, CONTRACTS_MAX), optional=True, empty=()),
        Field(8, "proofs", List(Of(Proof), 1, PROOFS_MAX), optional=True, empty=()),
        Field(9, "statement", Of(OpenedStatement), optional=True),
        Field(10, "earlier", List(Of(EarlierClose), 1, EARLIER_MAX), optional=True, empty=()),
    )
    party: PartyId
    note: bytes
    contracts: tuple[LoggedObject, ...]
    settlement: LoggedObject
    openings: tuple[tuple[int, int, bytes], ...]
    intervals: tuple[IntervalProof, ...]
    continuations: tuple[LoggedObject, ...] = ()
    proofs: tuple[Proof, ...] = ()
    statement: OpenedStatement | None = None
    earlier: tuple[EarlierClose, ...] = ()
