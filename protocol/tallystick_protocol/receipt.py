"""The aggregator's signed answer to a batch, given after its commit; the only thing that lets a gateway forget.
It never spans epochs and is final only with status 0 or 1 and the gateway's own hash in `hash`.
"""

from dataclasses import dataclass

from tallystick_protocol.batch import LogView
from tallystick_protocol.codes import Reason, ReceiptStatus
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import GID_BYTES, H32, H32_BYTES, Gid
from tallystick_protocol.schema import POSITIVE, UINT, Bytes, Code, Field, List, MapMessage, Nullable, Of, Row

_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class Receipt(MapMessage):
    """Answers `from_seq`..`to_seq` of one epoch; signed with EdDSA by the aggregator's receipt key.

    `hash` is the hash of batch `to_seq` as received, `leaf_index` its place in the log, `next_seq` and `head` what the
    gateway must send next and on top of what; `quarantined` holds (seq, part index, reason).
    """

    NAME = "receipt"
    VERSION = 1
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "epoch", POSITIVE),
        Field(3, "from_seq", POSITIVE),
        Field(4, "to_seq", POSITIVE),
        Field(5, "hash", _H32),
        Field(6, "status", Code(ReceiptStatus)),
        Field(7, "leaf_index", Nullable(UINT)),
        Field(8, "server_ms", UINT),
        Field(9, "next_seq", POSITIVE),
        Field(10, "head", _H32),
        Field(11, "log", Nullable(Of(LogView))),
        Field(12, "retry_after_ms", UINT, optional=True),
        Field(13, "reason", Code(Reason), optional=True),
        Field(14, "quarantined", List(Row((UINT, UINT, Code(Reason)))), optional=True, empty=()),
    )
    gid: Gid
    epoch: int
    from_seq: int
    to_seq: int
    hash: H32
    status: ReceiptStatus
    leaf_index: int | None
    server_ms: int
    next_seq: int
    head: H32
    log: LogView | None
    retry_after_ms: int | None = None
    reason: Reason | None = None
    quarantined: tuple[tuple[int, int, int], ...] = ()

    def check_rules(self) -> None:
        if self.to_seq < self.from_seq:
            raise BadValue("receipt.to_seq", "is before from_seq")
        if self.is_final and self.leaf_index is None:
            raise BadValue("receipt.leaf_index", "is null in a final receipt: what is accepted is in the log")
        if any(not self.from_seq <= seq <= self.to_seq for seq, _, _ in self.quarantined):
            raise BadValue("receipt.quarantined", "names a batch outside from_seq..to_seq")

    @property
    def is_final(self) -> bool:
        """Whether the aggregator has the batches for good; the gateway still compares `hash` with its own."""
        return self.status in (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
