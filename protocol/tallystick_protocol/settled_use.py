"""One use as a settlement has it: what was used, what it cost, who gets what of it, and the counters before it.
It never names the payer: a tag that is new every rating period stands in its place.
"""

from dataclasses import dataclass

from tallystick_protocol.codes import EvidenceLevel, Reason, UseKind
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.salted_tree import Tree
from tallystick_protocol.schema import (
    INT,
    UINT,
    Bool,
    Bytes,
    Code,
    Field,
    List,
    MapMessage,
    Nullable,
    Of,
    Row,
    RowMessage,
    Text,
)

TAG_BYTES = 8
COUNTERS_MAX = 64  # a use moves two price counters (a rebate 17 at most) and two per step of the split
SHARES_MAX = 256
REVERSALS_MAX = 4096  # slices of one leaf that people decided about
_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class Replaced(RowMessage):
    """The leaf of an earlier settlement that a corrected use replaces, and why."""

    NAME = "replaced"
    FIELDS = (Field(0, "settlement", _H32), Field(1, "leaf", UINT), Field(2, "cause", Code(Reason)))
    settlement: H32
    leaf: int
    cause: Reason


@dataclass(frozen=True, slots=True)
class Slice(RowMessage):
    """A piece of a joined interval use: times in ms, totals (from, to], its fee, and the counters before it.

    `before` stands in the order of the use's own counters. Opened to the payer alone: together slices are a curve.
    """

    NAME = "slice"
    FIELDS = (
        Field(0, "start_ms", UINT),
        Field(1, "end_ms", UINT),
        Field(2, "from_total", INT),
        Field(3, "to_total", INT),
        Field(4, "gap", Bool()),
        Field(5, "fee", INT),
        Field(6, "before", List(INT, 0, COUNTERS_MAX)),
    )
    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    gap: bool
    fee: int
    before: tuple[int, ...]

    def check_rules(self) -> None:
        if self.end_ms < self.start_ms or self.to_total < self.from_total:
            raise BadValue("slice", "ends before it begins")


@dataclass(frozen=True, slots=True)
class Use(MapMessage):
    """A settled use; amounts in nano of the settlement's unit.

    Event use: `programme` as the gateway signed it. Joined interval use: all slices of one channel, version, band,
    price step and rating period; `number` and `from_total` are those of the first slice, `to_total - from_total` is
    what all of them used together, `programme` the band, `slices` their tree. What a period's closing made (its
    minimum, or a rebate, whose amounts are negative): `programme` null.
    `reversals`: hashes of the decisions by which it, or slices of it, count as if they had never been.
    `version` is the index into Settlement.contracts, a share's party the index into that contract's parties.
    """

    NAME = "use"
    FIELDS = (
        Field(0, "channel_hash", _H32),
        Field(1, "number", INT),
        Field(2, ("start_ms", "end_ms"), Row((UINT, UINT))),
        Field(3, ("from_total", "to_total"), Row((INT, INT))),
        Field(4, "kind", Code(UseKind)),
        Field(5, "tag", Bytes(TAG_BYTES)),
        Field(6, "version", UINT),
        Field(7, "programme", Nullable(Text())),
        Field(8, "fee", INT),
        Field(9, "counters", List(Row((_H32, INT)), 0, COUNTERS_MAX)),
        Field(10, "shares", List(Row((UINT, INT)), 1, SHARES_MAX)),
        Field(11, "level", Code(EvidenceLevel)),
        Field(12, "slices", Nullable(Of(Tree))),
        Field(13, "replaces", Of(Replaced), optional=True),
        Field(14, "reversals", List(_H32, 1, REVERSALS_MAX), optional=True, empty=()),
    )
    channel_hash: H32
    number: int
    start_ms: int
    end_ms: int
    from_total: int
    to_total: int
    kind: UseKind
    tag: bytes
    version: int
    programme: str | None
    fee: int
    counters: tuple[tuple[H32, int], ...]
    shares: tuple[tuple[int, int], ...]
    level: EvidenceLevel
    slices: Tree | None = None
    replaces: Replaced | None = None
    reversals: tuple[H32, ...] = ()

    def check_rules(self) -> None:
        if self.reversals and self.slices is None and (len(self.reversals) > 1 or self.fee or self.counters):
            raise BadValue("use.reversals", "name one decision of a use that costs nothing and moves no counter")
        if self.end_ms < self.start_ms:
            raise BadValue("use.start_ms+end_ms", "ends before it begins")
        if self.to_total < self.from_total:
            raise BadValue("use.from_total+to_total", "falls")
        if sum(share for _, share in self.shares) != self.fee:
            raise BadValue("use.shares", "do not sum to the fee")
        if self.kind is not UseKind.LIVE and self.fee:
            raise BadValue("use.fee", "is not 0 for a test or shadow use")
        if [party for party, _ in self.shares] != sorted({party for party, _ in self.shares}):
            raise BadValue("use.shares", "are not in contract order, each party once")

    @property
    def position(self) -> tuple[int, H32, int]:
        """The canonical order: metered end, channel hash, use number."""
        return (self.end_ms, self.channel_hash, self.number)
