"""What the log does: append leaves densely in commit order, prove inclusion, serve tiles.

It never takes a lock after the head's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import merkle, tiles
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32
from tallystick_protocol.records import log_leaf

from tallystick_cloud.errors import Conflict, NotFound

from . import store
from .prover import Prover

LEAVES_PROVABLE_MAX = 1 << 22  # a proof reads all leaf hashes below it; larger logs go through tiles


@dataclass(frozen=True, slots=True)
class Entry:
    type: LogType
    h: bytes


@dataclass(frozen=True, slots=True)
class Inclusion:
    leaf: int
    size: int
    root: H32
    path: tuple[H32, ...]


def create(conn: Connection, community: str, now_ms: int) -> None:
    """An empty log for a new community."""
    empty = merkle.CompactRange()
    store.insert_head(conn, community, store.Head(0, empty.encode(), empty.root(), now_ms))


def append(conn: Connection, community: str, entries: Sequence[Entry], now_ms: int) -> list[int]:
    """Leaf indices of the entries, dense. The head's lock is the last one a transaction takes."""
    return append_and_show(conn, community, entries, now_ms)[0]


def append_and_show(
    conn: Connection, community: str, entries: Sequence[Entry], now_ms: int
) -> tuple[list[int], store.Head]:
    """The same, and the head after it."""
    head = store.lock_head(conn, community)
    if head is None:
        raise NotFound("community", f"{community!r} has no log; run `tallystick community import` first")
    tree = merkle.CompactRange.decode(head.range)
    if tree.size != head.size:
        raise InvariantError(f"log of {community}: range of {tree.size} leaves under a head of {head.size}")
    hashes = [merkle.leaf_hash(log_leaf(entry.type, H32(entry.h))) for entry in entries]
    rows = [
        (community, leaf, int(entry.type), entry.h, leaf_hash, now_ms)
        for leaf, (entry, leaf_hash) in enumerate(zip(entries, hashes, strict=True), head.size)
    ]
    after = head
    if rows:
        tree = tree.extend(hashes)
        after = store.Head(tree.size, tree.encode(), tree.root(), now_ms, head.epoch)
        store.insert_leaves(conn, rows)
        store.move_head(conn, community, after)
    return [head.size + offset for offset in range(len(rows))], after


def newest_note(conn: Connection, community: str) -> bytes:
    """The newest signed checkpoint; raises NotFound before the first."""
    newest = store.newest_checkpoint(conn, community)
    if newest is None:
        raise NotFound("checkpoint", "none is signed yet; the first follows within 60 s of the first append")
    return newest[1]


def inclusion(conn: Connection, community: str, leaf: int, size: int) -> Inclusion:
    """Proof that `leaf` is in the tree of `size`; raises NotFound outside it, Conflict above the limit."""
    head = store.read_head(conn, community)
    if head is None or size > head.size or not 0 <= leaf < size:
        raise NotFound("leaf", f"{leaf} is not in a tree of {size}; ask for a leaf below the checkpoint's size")
    if size > LEAVES_PROVABLE_MAX:
        raise Conflict("size", f"{size} leaves are more than {LEAVES_PROVABLE_MAX}; build the proof from tiles")
    hashes = [H32(h) for h in store.leaf_hashes(conn, community, 0, size)]
    return Inclusion(leaf, size, merkle.root(hashes), tuple(merkle.inclusion_proof(leaf, hashes)))


def consistency(conn: Connection, community: str, old: int, new: int) -> list[H32]:
    """Why the tree of `new` leaves continues that of `old`; NotFound outside the log, Conflict above the limit."""
    head = store.read_head(conn, community)
    if head is None or not 0 < old <= new <= head.size:
        raise NotFound("sizes", f"{old} and {new} do not rise from 1 to the log's size; ask /log/checkpoint for it")
    if new > LEAVES_PROVABLE_MAX:
        raise Conflict("new", f"{new} leaves are more than {LEAVES_PROVABLE_MAX}; build the proof from tiles")
    return Prover([H32(h) for h in store.leaf_hashes(conn, community, 0, new)]).consistency(old)


def tile(conn: Connection, community: str, level: int, index: int, width: int) -> bytes:
    """A hash tile (C2SP tlog-tiles): `width` hashes of `level`; raises NotFound beyond the newest checkpoint."""
    newest = store.newest_checkpoint(conn, community)
    span = tiles.WIDTH**level
    first = index * tiles.WIDTH * span
    end = first + width * span
    if newest is None or end > newest[0]:
        raise NotFound("tile", "is not complete at the newest checkpoint; ask for the partial tile it names")
    if end - first > LEAVES_PROVABLE_MAX:
        raise Conflict("tile", f"level {level} is above what this version serves")
    hashes = [H32(h) for h in store.leaf_hashes(conn, community, first, end)]
    return b"".join(merkle.root(hashes[at : at + span]) for at in range(0, len(hashes), span))


def entry_tile(conn: Connection, community: str, index: int, width: int) -> bytes:
    """An entry bundle (C2SP tlog-tiles): `width` leaves, each with its length in two bytes before it."""
    newest = store.newest_checkpoint(conn, community)
    first = index * tiles.WIDTH
    if newest is None or first + width > newest[0]:
        raise NotFound("tile", "is not complete at the newest checkpoint; ask for the partial tile it names")
    found = store.leaf_entries(conn, community, first, first + width)
    leaves = (log_leaf(LogType(kind), H32(h)) for kind, h in found)
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
