"""One party's account under one contract in one settlement: opening, lines, closing, and the statement before it.
It never nets anything away: every use and every payment is a line of its own.
"""

from dataclasses import dataclass

from tallystick_protocol.codes import LineKind
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES, NONCE_BYTES, PARTY_BYTES, PartyId, sha256
from tallystick_protocol.schema import INT, UINT, Bytes, Code, Field, List, MapMessage, Nullable, Of, RowMessage

LINES_MAX = 16_384  # uses of one contract in one period
STATEMENT_BYTES_MAX = 1 << 20
CENT_NANO = 10**7
_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class Line(RowMessage):
    """An amount in nano, positive in the party's favour; `ref` is a use id, a payout or a payment."""

    NAME = "line"
    FIELDS = (Field(0, "kind", Code(LineKind)), Field(1, "ref", _H32), Field(2, "amount", INT))
    kind: LineKind
    ref: H32
    amount: int


@dataclass(frozen=True, slots=True)
class Statement(MapMessage):
    """opening + lines = closing; opening(n+1) = closing(n); `prev` is the hash of the party's statement before.

    `payout_cents` is what this settlement decides to pay out of `closing`; the payout itself is a line of the next.
    """

    NAME = "statement"
    VERSION = 1
    SIZE_MAX = STATEMENT_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", Bytes(NONCE_BYTES)),
        Field(2, "party", Bytes(PARTY_BYTES)),
        Field(3, "prev", Nullable(_H32)),
        Field(4, "opening", INT),
        Field(5, "lines", List(Of(Line), 0, LINES_MAX)),
        Field(6, "closing", INT),
        Field(7, "payout_cents", UINT, optional=True),
    )
    nonce: bytes
    party: PartyId
    prev: H32 | None
    opening: int
    lines: tuple[Line, ...]
    closing: int
    payout_cents: int | None = None

    def check_rules(self) -> None:
        if self.opening + sum(line.amount for line in self.lines) != self.closing:
            raise BadValue("statement.closing", "is not opening plus lines")
        if self.payout_cents is not None and self.payout_cents * CENT_NANO > max(0, self.closing):
            raise BadValue("statement.payout_cents", "is more than the closing balance")

    @property
    def hash(self) -> H32:
        """SHA-256 of the canonical bytes; the nonce keeps it from being guessed."""
        return sha256(self.encode())
