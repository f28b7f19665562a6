"""What a host may say of an evidence file as it likes: values that commit to nothing, or to nothing that it shows.
All else that it signs is refused when it is another: `test_forged` tries each, `make fuzz` whatever it comes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fuzz.forged import TREES
from support import evidence_world as w
from tallystick_protocol.ids import PartyId

Place = tuple[str, tuple[int, ...]]
BY_THE_HOST = ("settlement", "reversal", *(f"leaf {key}" for key in TREES))
BOTH: dict[Place, str] = {
    ("settlement", (1,)): "a nonce",
    ("settlement", (3, 0)): "when the period began: told by the settlement before it",
    ("settlement", (3, 1)): "when it ended: told by the next one",
    ("settlement", (10, 0)): "how many statements there are: only one is shown",
    ("reversal", (1,)): "a nonce",
    ("reversal", (6,)): "the reason, which is shown to nobody",
    ("leaf 7", (5,)): "the tag of a payer's only use of the period",
    ("leaf 10", (1,)): "a nonce",
}
TO_THE_LENDER = BOTH | {
    ("leaf 5", (5, 0, 1)): "the first batch of a gateway's first settlement: totals tell what is covered",
    ("leaf 7", (2, 0)): "when a use began: the gateway says it in a part that is the user's",
}
TO_THE_USER = BOTH | {
    ("settlement", (5, 0)): "the tree of covers, which is shown to parties to the split",
    ("settlement", (5, 1)): "the same",
    ("settlement", (12, 0)): "the tree of counters, of which none of the user's is shown",
    ("settlement", (12, 1)): "the same",
    ("leaf 7", (9, 1, 1)): "the split's counter, as committed: the verdict says so",
}

NEXT_MONTH: dict[Place, str] = {
    ("settlement", (1,)): "a nonce",
    ("settlement", (3, 1)): "when it ended: told by the next one",
    ("settlement", (10, 0)): "how many statements there are: only one is shown",
    ("leaf 10", (1,)): "a nonce",
}
NEXT_MONTH_TO_THE_LENDER = NEXT_MONTH | {
    ("leaf 7", (2, 0)): "when a use began: the gateway says it in a part that is the user's",
}
NEXT_MONTH_TO_THE_USER = NEXT_MONTH | {
    ("settlement", (5, 0)): "the tree of covers, which is shown to parties to the split",
    ("settlement", (5, 1)): "the same",
    ("leaf 7", (9, 1, 1)): "the split's counter, as committed: the verdict says so",
}
CORRECTIONS_TO_THE_LENDER: dict[Place, str] = {
    ("leaf 7", (13, 2)): "why a line is corrected: what it is corrected to is computed",
}
CORRECTIONS_TO_THE_USER: dict[Place, str] = {
    ("leaf 7", (9, 1, 1)): "the split's counter, as committed: the verdict says so",
    ("leaf 7", (13, 2)): "why a line is corrected",
}
READINGS: dict[Place, str] = {
    ("leaf 5", (4,)): "use numbers, of which a channel of readings has none",
    ("leaf 5", (5, 0, 1)): "the first batch of a gateway's first settlement: totals tell what is covered",
    ("leaf 10", (1,)): "a nonce",
}
READINGS_TO_THE_LENDER = READINGS | {
    ("leaf 7", (2, 0)): "when the first reading was: a curve is for its payer alone",
    ("leaf 7", (5,)): "the tag of a payer's only use that moves no price counter",
    ("leaf 7", (9, 0, 1)): "a counter before it: only where it opens and closes is told",
    ("leaf 7", (12, 0)): "the tree of slices, which is shown to the payer",
    ("leaf 7", (12, 1)): "the same",
}

SOMETIMES: dict[Place, str] = {
    ("leaf 7", (11,)): "a lower evidence level than the gateway's key allows",
    ("settlement", (11, 0, 0)): "clock offsets from an earlier time on, before the period",
}
"""Where some other values may stand, and not the next one."""


def is_of_the_host(kind: str) -> bool:
    return kind in BY_THE_HOST


def is_free(party: PartyId, lie: Place) -> bool:
    return lie in SOMETIMES or lie in (TO_THE_LENDER if party == w.BANK else TO_THE_USER)


def scalars(value: Any, at: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        if isinstance(value[key], dict | list):
            yield from scalars(value[key], (*at, key))
        else:
            yield (*at, key)


def only_change(old: Any, new: Any) -> tuple[int, ...] | None:
    """Where the one value is that is another; None where there are none, several, or another shape."""
    places = list(scalars(old))
    if places != list(scalars(new)):
        return None
    changed = [path for path in places if _at(old, path) != _at(new, path)]
    return changed[0] if len(changed) == 1 else None


def _at(value: Any, path: tuple[int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
