"""What became of one upload: the receipt to sign and what live pages hear, both only after commit.

It never holds a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick_protocol.receipt import Receipt


@dataclass(frozen=True, slots=True)
class LiveEvent:
    kind: str  # batch | use | alarm
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    community: str
    receipt: Receipt
    events: tuple[LiveEvent, ...] = ()
