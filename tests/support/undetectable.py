"""What no verifier sees at the evidence level of a gateway with its key in a file: each makes a file that is valid.
They are listed so that nobody promises more; `from_level` is the level that would see it, None where none does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from support import evidence_builder as b
from support import evidence_world as w
from tallystick_protocol.codes import EvidenceLevel

Rows = list[w.Wash]


@dataclass(frozen=True)
class Undetectable:
    """`washes` is what the gateways sign after the cheat, made from what people really washed."""

    name: str
    from_level: EvidenceLevel | None
    washes: Callable[[Rows], Rows]

    def make(self) -> bytes:
        """The lender's file."""
        return b.evidence(b.scene(b.Host(washes=self.washes)), w.BANK)


def past_the_meter(rows: Rows) -> Rows:
    return rows[1:]


def cheaper_reading(rows: Rows) -> Rows:
    """The box in front of the gateway answers as if the first wash had been a cooler one."""
    return [replace(rows[0], programme="30"), *rows[1:]]


def invented(rows: Rows) -> Rows:
    """Signed with the gateway's own key, copied from its disk."""
    more = replace(rows[0], start_ms=rows[0].start_ms + 12 * w.HOUR, end_ms=rows[0].end_ms + 12 * w.HOUR)
    return [*rows, more]


UNDETECTABLE: tuple[Undetectable, ...] = (
    Undetectable("load moved past the meter", None, past_the_meter),
    Undetectable("a box between meter and gateway", EvidenceLevel.METER_SIGNED, cheaper_reading),
    Undetectable("a gateway's key copied from its file", EvidenceLevel.GATEWAY_HARDWARE, invented),
)
