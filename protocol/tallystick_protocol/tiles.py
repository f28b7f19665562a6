"""Tiles of the log (C2SP tlog-tiles): paths and contents of the static files from which anybody can build any proof.
It never reads or writes a file: it says which tiles a growing log has and what belongs into each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tallystick_protocol.errors import BadProof, BadValue, TooLarge
from tallystick_protocol.ids import H32, H32_BYTES
from tallystick_protocol.merkle import SIZE_MAX, root

HEIGHT = 8
WIDTH = 1 << HEIGHT  # hashes in a full tile
LEVEL_MAX = 7  # 8 levels of 8 bits hold every size below 2^63
ENTRY_BYTES_MAX = 0xFFFF  # an entry's length is a uint16
PATH_CHARS_MAX = 128
ENTRIES = "entries"

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: `level` None is the bundle of entries beside level 0; `width` below 256 is a partial tile."""

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= LEVEL_MAX:
            raise BadValue("tile.level", f"is {self.level}, must be 0..{LEVEL_MAX}")
        if not 0 <= self.index <= SIZE_MAX >> HEIGHT:
            raise BadValue("tile.index", f"is {self.index}, beyond any log")
        if not 1 <= self.width <= WIDTH:
            raise BadValue("tile.width", f"is {self.width}, must be 1..{WIDTH}")

    @property
    def path(self) -> str:
        """The path below the log's prefix: `tile/0/x001/234.p/5`."""
        level = ENTRIES if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_path(self.index)}{partial}"


def path(level: int, index: int, width: int = WIDTH) -> str:
    """The path of a hash tile below the log's prefix: `tile/0/x001/234.p/5`; BadValue where no log has one."""
    return Tile(level, index, width).path


def entries_path(index: int, width: int = WIDTH) -> str:
    """The path of the bundle of entries beside the tile of level 0: `tile/entries/x001/234`; BadValue as `path`."""
    return Tile(None, index, width).path


def parse_path(text: str) -> Tile:
    """The tile of a path; BadValue unless it is exactly the path that `Tile.path` writes."""
    match = _PATH.fullmatch(text) if len(text) <= PATH_CHARS_MAX else None
    if match is None:
        raise BadValue("tile path", "is not tile/LEVEL/INDEX or tile/entries/INDEX, with .p/WIDTH when partial")
    level, index, width = match.groups()
    number = int(index.replace("x", "").replace("/", ""))
    tile = Tile(None if level == ENTRIES else int(level), number, int(width) if width else WIDTH)
    if tile.path != text:
        raise BadValue("tile path", "is not in its one canonical form")
    return tile


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The hash tiles that a log of `size` has and one of `since` had not, lowest level first; widest form of each."""
    if not 0 <= since <= size <= SIZE_MAX:
        raise BadValue("tile size", f"{since}..{size} does not rise")
    for level in range(LEVEL_MAX + 1):
        before, after = since >> level * HEIGHT, size >> level * HEIGHT
        if before == after:
            return
        for index in range(before // WIDTH, (after + WIDTH - 1) // WIDTH):
            yield Tile(level, index, min(WIDTH, after - index * WIDTH))


def tile_of(tile: Tile, leaf_hashes: Sequence[H32]) -> bytes:
    """The contents of a hash tile, computed from the leaf hashes below it (all of the log's, in order)."""
    if tile.level is None:
        raise BadValue("tile.level", "is that of entries; use encode_entries")
    span = 1 << tile.level * HEIGHT
    first = tile.index * WIDTH
    if (first + tile.width) * span > len(leaf_hashes):
        raise BadValue("tile.width", f"reaches beyond a log of {len(leaf_hashes)}")
    numbers = range(first, first + tile.width)
    return b"".join(root(leaf_hashes[number * span : (number + 1) * span]) for number in numbers)


def hash_above(contents: bytes) -> H32:
    """The hash that a full tile contributes to the tile above it."""
    return root(split_tile(contents, WIDTH))


def split_tile(contents: bytes, width: int) -> list[H32]:
    """The hashes of a tile of `width`; BadProof when the contents have another length."""
    if len(contents) != width * H32_BYTES:
        raise BadProof("tile", f"is {len(contents)} bytes long, must be {width * H32_BYTES}")
    return [H32(contents[at : at + H32_BYTES]) for at in range(0, len(contents), H32_BYTES)]


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle: each entry (a leaf's bytes) after its length as big-endian uint16."""
    if not 1 <= len(entries) <= WIDTH:
        raise BadValue("entries", f"are {len(entries)}, must be 1..{WIDTH}")
    if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise TooLarge("entries", f"hold one of more than {ENTRY_BYTES_MAX} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_entries(contents: bytes, width: int) -> list[bytes]:
    """The entries of a bundle of `width`; BadProof when it is cut short or has more."""
    entries: list[bytes] = []
    at = 0
    while at < len(contents) and len(entries) <= width:
        size = int.from_bytes(contents[at : at + 2], "big")
        entry = contents[at + 2 : at + 2 + size]
        if at + 2 > len(contents) or len(entry) != size:
            raise BadProof("entries", "are cut short")
        entries.append(entry)
        at += 2 + size
    if len(entries) != width or at != len(contents):
        raise BadProof("entries", f"are {len(entries)}, must be {width}")
    return entries


def _index_path(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))
