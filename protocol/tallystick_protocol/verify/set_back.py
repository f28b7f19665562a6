"""A log that was set back: the records that say so form one chain from the epoch somebody knows to the one shown now.
It never takes an epoch for granted: without a record that the community's root signed, another name is another log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick_protocol import merkle
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32
from tallystick_protocol.records import Continuation, log_leaf
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.report import Misfit

LOG = "log that goes on"


@dataclass(frozen=True, slots=True)
class Left:
    """A record with its place in the log and its name for people."""

    record: Continuation
    leaf: int
    name: str


def check_chain(left: Sequence[Left], epoch: int, wanted: int) -> None:
    """From `epoch` to `wanted` without a gap, each record being the first leaf of its epoch; raises Misfit."""
    for one in left:
        ensure(one.record.from_epoch == epoch, one.name, "does not follow the epoch before it: a record is missing")
        ensure(one.leaf == one.record.size, one.name, f"stands at place {one.leaf}, not after the entries it keeps")
        epoch = one.record.epoch
    why = "names an epoch that no record signed by the community leads to: this is another log under its name"
    ensure(epoch == wanted, "checkpoint of the log", why)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log stood, by epoch."""

    epoch: int
    size: int
    root: H32


def gone_since(seen: Place, new: Place, records: Sequence[tuple[Continuation, H32]], hashes: Sequence[H32]) -> int:
    """How many of the entries that somebody saw the log of `new`, of a later epoch, does not have any more.

    `records` with the hashes of their envelopes, all since epoch 0; `hashes`: the leaves of `new`. Raises Misfit for
    a fork or records that lead elsewhere, BadValue when the leaves are not those of `new`.
    """
    if merkle.root(hashes) != new.root:
        raise BadValue("tiles", "are not those of this checkpoint; copy the log's folder again")
    check_chain(
        [Left(one, _place(one, h, hashes), "record that the log was set back") for one, h in records], 0, new.epoch
    )
    for record, _ in records:
        ensure(merkle.root(hashes[: record.size]) == record.root, LOG, "does not have the entries its record says")
        if any((one.epoch, one.size) == (seen.epoch, seen.size) and one.root != seen.root for one in record.lost):
            why = f"shows two histories: its record names another log of {seen.size} entries than you saw. Keep both"
            raise Misfit(LOG, why)
    limit = min((record.size for record, _ in records if record.epoch > seen.epoch), default=seen.size)
    if seen.size > limit:
        return seen.size - limit
    if merkle.root(hashes[: seen.size]) != seen.root:
        why = f"does not hold the {words.count(seen.size, 'entry', 'entries')} that you saw: it was forked. Keep both"
        raise Misfit(LOG, why)
    return 0


def _place(record: Continuation, h: H32, hashes: Sequence[H32]) -> int:
    wanted = merkle.leaf_hash(log_leaf(LogType.CONTINUATION, h))
    fits = record.size < len(hashes) and hashes[record.size] == wanted
    ensure(fits, LOG, "does not hold the record that it was set back; somebody else signed another one")
    return record.size
