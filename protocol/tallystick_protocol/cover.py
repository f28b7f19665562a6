"""What a settlement says of one channel: which totals, uses and batches it covers and what in them is still open.
It never holds a price or a person.
"""

from dataclasses import dataclass
from itertools import pairwise

from tallystick_protocol.codes import Reason
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.schema import INT, POSITIVE, UINT, Bytes, Code, Field, List, Of, Row, RowMessage

SPANS_MAX = 256  # epochs of one gateway in one period; a healthy one has one
OPENS_MAX = 4096
_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class Open(RowMessage):
    """What is not billed yet: totals (from, to] and use numbers (from, to] of the channel, and why.

    `id` is given once per channel and stays in every settlement until the span is billed or a resolution closes it.
    """

    NAME = "open"
    FIELDS = (
        Field(0, "id", UINT),
        Field(1, "reason", Code(Reason)),
        Field(2, "from_total", INT),
        Field(3, "to_total", INT),
        Field(4, "from_use", UINT),
        Field(5, "to_use", UINT),
    )
    id: int
    reason: Reason
    from_total: int
    to_total: int
    from_use: int
    to_use: int

    def check_rules(self) -> None:
        if self.to_total < self.from_total:
            raise BadValue("open.to_total", "is below from_total")
        if self.to_use < self.from_use:
            raise BadValue("open.to_use", "is below from_use")


@dataclass(frozen=True, slots=True)
class BatchSpan(RowMessage):
    """The batches of one epoch that a settlement covers, and the hash of the last of them."""

    NAME = "span"
    FIELDS = (Field(0, "epoch", POSITIVE), Field(1, "first", POSITIVE), Field(2, "last", POSITIVE), Field(3, "h", _H32))
    epoch: int
    first: int
    last: int
    h: H32

    def check_rules(self) -> None:
        if self.last < self.first:
            raise BadValue("span.last", "is before first")


@dataclass(frozen=True, slots=True)
class Cover(RowMessage):
    """One channel in one settlement: totals (from, to], use numbers (from, to], its gateway's batches, and the heads.

    from(n+1) = to(n) for totals, use numbers and batches. `closed` names the opens of the settlement before that a
    resolution closed, with that resolution's hash.
    """

    NAME = "cover"
    FIELDS = (
        Field(0, "channel_hash", _H32),
        Field(1, "from_total", INT),
        Field(2, "to_total", INT),
        Field(3, "from_use", UINT),
        Field(4, "to_use", UINT),
        Field(5, "batches", List(Of(BatchSpan), 1, SPANS_MAX)),
        Field(6, "descriptor_head", _H32),
        Field(7, "key_head", _H32),
        Field(8, "opens", List(Of(Open), 0, OPENS_MAX)),
        Field(9, "closed", List(Row((UINT, _H32)), 0, OPENS_MAX)),
    )
    channel_hash: H32
    from_total: int
    to_total: int
    from_use: int
    to_use: int
    batches: tuple[BatchSpan, ...]
    descriptor_head: H32
    key_head: H32
    opens: tuple[Open, ...] = ()
    closed: tuple[tuple[int, H32], ...] = ()

    def check_rules(self) -> None:
        if self.to_total < self.from_total:
            raise BadValue("cover.to_total", "is below from_total")
        if self.to_use < self.from_use:
            raise BadValue("cover.to_use", "is below from_use")
        if any(after.epoch <= before.epoch for before, after in pairwise(self.batches)):
            raise BadValue("cover.batches", "have epochs that do not rise")
        if any(after.id <= before.id for before, after in pairwise(self.opens)):
            raise BadValue("cover.opens", "have ids that do not rise")
        if any(after[0] <= before[0] for before, after in pairwise(self.closed)):
            raise BadValue("cover.closed", "have ids that do not rise")
