"""A witness's one question: does this checkpoint continue the log that I have seen?
It remembers the largest checkpoint it accepted and never signs one that does not continue it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tallystick_protocol import merkle, tiles
from tallystick_protocol.checkpoint import Checkpoint
from tallystick_protocol.errors import BadValue, ProtocolError
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.verify import words
from tallystick_protocol.verify.report import Misfit

LEAVES_MAX = 1 << 24  # 512 MiB of leaf hashes; a larger log needs a proof instead of all its tiles
STATE_BYTES_MAX = 8192
BEFORE_MAX = 16
_RESTORE = "restore it from your backup, never start anew"
ReadTile = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest checkpoint of a log that this witness accepted."""

    origin: str
    size: int
    root: H32
    before: tuple["Seen", ...] = ()  # what was seen last of each epoch that the log left

    def to_json(self) -> str:
        """The state file's text; `load_seen` reads it back."""
        left = [one.as_json() for one in self.before[-BEFORE_MAX:]]
        return json.dumps({"version": 1, **self.as_json(), **({"before": left} if left else {})}) + "\n"

    def as_json(self) -> dict[str, str | int]:
        """Its own place, without those before it."""
        return {"origin": self.origin, "size": self.size, "root": self.root.hex()}


def load_seen(data: bytes) -> Seen:
    """Read a state file; BadValue says what is wrong with it."""
    if len(data) > STATE_BYTES_MAX:
        raise BadValue("state", f"is longer than {STATE_BYTES_MAX} bytes, and so no witness's; {_RESTORE}")
    try:
        value = json.loads(data)
        before = tuple(_seen(one) for one in value.get("before", []))
        return replace(_seen(value), before=before)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadValue("state", f"is not a witness's state file; {_RESTORE}") from None


def _seen(value: dict[str, Any]) -> Seen:
    origin, size, root = value["origin"], value["size"], bytes.fromhex(value["root"])
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    if not isinstance(origin, str) or not whole or len(root) != H32_BYTES:
        raise ValueError(value)
    return Seen(origin, size, H32(root))


def continues(seen: Seen | None, new: Checkpoint, proof: Sequence[H32] | None, read: ReadTile | None) -> Seen:
    """What the witness has seen after `new`; raises Misfit for a fork, BadValue when a proof or tiles are needed.

    `proof` leads from the smaller size to the larger one; `read` gives tiles of the log by path.
    """
    if seen is None:
        return Seen(new.origin, new.size, new.root)
    if seen.origin != new.origin:
        raise BadValue("checkpoint.origin", f"is {new.origin!r}, your state is of {seen.origin!r}: one state per log")
    if seen.size == new.size:
        if seen.root != new.root:
            raise _fork(seen, new)
        return seen
    old_size, old_root = min((seen.size, seen.root), (new.size, new.root))
    new_size, new_root = max((seen.size, seen.root), (new.size, new.root))
    if old_size > 0:
        _check(seen, new, (old_size, old_root), (new_size, new_root), proof, read)
    return seen if seen.size > new.size else replace(seen, size=new.size, root=new.root)


def leaf_hashes(read: ReadTile, size: int) -> list[H32]:
    """All leaf hashes of a log of `size` from its tiles of level 0; BadValue names a tile that is missing."""
    if size > LEAVES_MAX:
        raise BadValue("tiles", f"of {size} entries are too many to read; bring a consistency proof instead")
    hashes: list[H32] = []
    for tile in tiles.tiles_of(size):
        if tile.level != 0:
            break
        hashes += _tile(read, tile)
    return hashes


def _tile(read: ReadTile, tile: tiles.Tile) -> list[H32]:
    contents = read(tile.path)
    if contents is not None:
        return tiles.split_tile(contents, tile.width)
    full = read(tiles.Tile(tile.level, tile.index).path)
    if full is None:
        raise BadValue("tiles", f"lack {tile.path}; copy the log's tile folder again")
    return tiles.split_tile(full, tiles.WIDTH)[: tile.width]


def _check(
    seen: Seen,
    new: Checkpoint,
    small: tuple[int, H32],
    large: tuple[int, H32],
    proof: Sequence[H32] | None,
    read: ReadTile | None,
) -> None:
    if proof is not None:
        try:
            merkle.verify_consistency(small[0], large[0], proof, small[1], large[1])
        except ProtocolError:
            raise _fork(seen, new) from None
    elif read is not None:
        hashes = leaf_hashes(read, large[0])
        fits = merkle.root(hashes[: small[0]]) == small[1], merkle.root(hashes) == large[1]
        if not any(fits):
            raise BadValue("tiles", "are of neither of the two checkpoints; copy the log's tile folder again")
        if not all(fits):
            raise _fork(seen, new)
    else:
        why = f"from {small[0]} to {large[0]} entries cannot be checked without the log's tiles or a proof"
        raise BadValue("consistency", f"{why}: give --tiles or --proof")


def _fork(seen: Seen, new: Checkpoint) -> Misfit:
    mine = f"you saw {words.count(seen.size, 'entry', 'entries')} with root {seen.root.hex()[:16]}"
    theirs = f"this checkpoint of {words.count(new.size, 'entry', 'entries')} has root {new.root.hex()[:16]}"
    why = f"shows two histories: {mine}, {theirs} and does not fit it. The log was forked; keep both files, for both "
    why += "are signed by the log's own key"
    return Misfit(f"log {new.origin}", why)
