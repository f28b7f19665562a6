"""Whether one card speaks for a gateway or copies of it do, from how the gateway's epochs began: pure.

A card that came back begins one epoch and goes on; copies leave each other behind again and again. Money does not ask:
totals carry it either way (docs/adr/0607).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tallystick_cloud.gateways.model import FORK_WINDOW_MS

RETURNS_MIN = 2  # once, somebody put in the wrong card and then the right one
LOOK_BACK = 32  # epochs; copies that run need four


class Copies(Enum):
    AT_ONCE = auto()  # both run now
    IN_TURN = auto()  # cards are exchanged, or switched on by turns


@dataclass(frozen=True, slots=True)
class Begun:
    """How an epoch began: `boot` sealed its first batch (None: it cannot be read), which follows one of epoch `after`
    (0: the chain's beginning); the books took it at `at_ms`."""

    epoch: int
    boot: bytes | None
    after: int
    at_ms: int


def copies_of(begun: Sequence[Begun], boot_before: bytes | None) -> Copies | None:
    """What the newest of these epochs says. They rise; `boot_before` sealed the batch which the newest one follows."""
    newest = begun[-1]
    if newest.boot is not None and newest.boot == boot_before and _others(begun, newest):
        return Copies.AT_ONCE
    since_ms = newest.at_ms - FORK_WINDOW_MS
    returns = [one for one in begun if one.at_ms > since_ms and _is_return(one, begun)]
    return Copies.IN_TURN if newest in returns and len(returns) >= RETURNS_MIN else None


def _others(begun: Sequence[Begun], newest: Begun) -> bool:
    """Another run began an epoch between the two batches of this one: a start draws its boot, so both were going."""
    return any(one.boot not in (None, newest.boot) for one in begun if one.epoch > newest.after)


def _is_return(one: Begun, begun: Sequence[Begun]) -> bool:
    """Whether it follows a history that an epoch in between had left behind."""
    return any(one.after < other.epoch < one.epoch and other.after < one.after for other in begun)
