"""Where a batch belongs in its gateway's chain: next, known, too early, or a second branch.

It decides from values only; signatures are checked before anybody asks.
"""

from dataclasses import dataclass
from enum import Enum, auto

from tallystick_cloud.gateways.model import Head


class Place(Enum):
    NEXT = auto()
    DUPLICATE = auto()
    OUT_OF_ORDER = auto()
    FORK = auto()  # another hash for a number that is taken
    NEW_EPOCH = auto()
    WRONG_PREV = auto()
    WRONG_EPOCH = auto()


@dataclass(frozen=True, slots=True)
class Known:
    """What the books say about this batch's neighbourhood."""

    same_hash: bool  # this very batch is stored
    same_number: bool  # another batch has this (epoch, seq)
    prev_stored: bool  # `prev` is a stored batch of this gateway, or what its first epoch began with
    prev_is_sibling: bool  # `prev` has the number next_seq - 1 on another branch


def place_of(epoch: int, seq: int, prev: bytes, head: Head, known: Known) -> Place:
    """The whole decision; pure. A gateway begins the next epoch. One that skips some began them with books that were
    set back since: what they held is on no card any more, and totals carry the money."""
    if known.same_hash:
        return Place.DUPLICATE
    if known.same_number:
        return Place.FORK
    if epoch == head.epoch:
        return _in_epoch(seq, prev, head, known)
    if epoch > head.epoch and seq == 1 and head.hello_nonce is not None and known.prev_stored:
        return Place.NEW_EPOCH
    return Place.WRONG_EPOCH


def continues(epoch: int, seq: int, prev: bytes, head: Head) -> bool:
    """Whether a batch is the one that its gateway's head waits for. Every stored batch is below its gateway's head, so
    that nobody need be asked whether this one, or another one with its number, is stored."""
    return (epoch, seq, prev) == (head.epoch, head.next_seq, head.head)


def _in_epoch(seq: int, prev: bytes, head: Head, known: Known) -> Place:
    if seq != head.next_seq:
        return Place.OUT_OF_ORDER
    if prev == head.head or known.prev_is_sibling:
        return Place.NEXT
    return Place.WRONG_PREV
