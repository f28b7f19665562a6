"""A counter in one settlement: what it stood at before and after, so that the next settlement must go on from there.
It never says whose counter it is: the key is a hash.
"""

from dataclasses import dataclass

from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.schema import INT, UINT, Bytes, Field, Nullable, Row, RowMessage


@dataclass(frozen=True, slots=True)
class Counter(RowMessage):
    """`period` (from_ms, to_ms) of its rating period, None over the contract's life; opening(n+1) = closing(n)."""

    NAME = "counter"
    FIELDS = (
        Field(0, "key", Bytes(H32_BYTES)),
        Field(1, "period", Nullable(Row((UINT, UINT)))),
        Field(2, "opening", INT),
        Field(3, "closing", INT),
    )
    key: H32
    period: tuple[int, int] | None
    opening: int
    closing: int

    def check_rules(self) -> None:
        if self.period is not None and self.period[1] <= self.period[0]:
            raise BadValue("counter.period", "ends before it begins")
