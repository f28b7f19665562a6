"""Rebuilds what a disk may hold after a power cut: synced writes are certain, of the rest any subset, torn by sectors.
It knows files and bytes only; what must be in them is the caller's question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from support.disk import Kind, Op

SECTORS = (512, 4096)  # what a disk and a card write as one
ENTRIES = (Kind.CREATE, Kind.DELETE, Kind.RENAME)  # what stands in the folder
GARBAGE = 0.05  # of the torn sectors hold neither the old nor the new bytes


@dataclass
class Platter:
    """What is certain (`files`), and what was asked for since its file was synced."""

    chance: Random
    files: dict[int, bytearray] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    pending: list[Op] = field(default_factory=list)

    def take(self, op: Op) -> None:
        """Go on by one operation."""
        match op.kind:
            case Kind.SYNC:
                self._settle(lambda each: each.inode == op.inode and each.kind in (Kind.WRITE, Kind.TRUNCATE))
            case Kind.SYNC_FOLDER:
                self._settle(lambda each: each.kind in ENTRIES)
            case Kind.SYNC_FAILED:
                self._lose(op.inode)
            case Kind.MARK:
                pass
            case _:
                self.pending.append(op)

    def _settle(self, is_synced: object) -> None:
        assert callable(is_synced)
        kept: list[Op] = []
        for each in self.pending:
            if is_synced(each):
                _apply(self.files, self.entries, each)
            else:
                kept.append(each)
        self.pending = kept

    def _lose(self, inode: int) -> None:
        """As Linux does it: after a failed fsync what was dirty counts as clean; some of it is never written."""
        kept: list[Op] = []
        for each in self.pending:
            if each.inode != inode or each.kind not in (Kind.WRITE, Kind.TRUNCATE):
                kept.append(each)
            elif each.kind is Kind.TRUNCATE or self.chance.random() < 0.5:
                _apply(self.files, self.entries, each)
        self.pending = kept

    def image(self, folder: Path, chance: Random) -> None:
        """Write one possible state after a power cut now into an empty folder."""
        files = {inode: bytearray(data) for inode, data in self.files.items()}
        entries = dict(self.entries)
        keep = chance.choice((0.0, 1.0, 0.5, chance.random()))
        sector = chance.choice(SECTORS)
        for op in self.pending:
            if op.kind is Kind.WRITE:
                _torn(files, op, keep, sector, chance)
            elif chance.random() < keep:
                _apply(files, entries, op)
        for name, inode in entries.items():
            (folder / name).write_bytes(files.get(inode, b""))


def _apply(files: dict[int, bytearray], entries: dict[str, int], op: Op) -> None:
    match op.kind:
        case Kind.CREATE:
            entries[op.file] = op.inode
        case Kind.DELETE:
            entries.pop(op.file, None)
        case Kind.RENAME:
            entries.pop(op.file, None)
            entries[op.data.decode()] = op.inode
        case Kind.TRUNCATE:
            content = files.setdefault(op.inode, bytearray())
            del content[op.offset :]
            content.extend(bytes(op.offset - len(content)))
        case _:
            _put(files, op.inode, op.offset, op.data)


def _put(files: dict[int, bytearray], inode: int, offset: int, data: bytes) -> None:
    content = files.setdefault(inode, bytearray())
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def _torn(files: dict[int, bytearray], op: Op, keep: float, sector: int, chance: Random) -> None:
    """Each sector of a write is new, old or (rarely) garbage; bytes beside the write are never touched (powersafe)."""
    start, end = op.offset, op.offset + len(op.data)
    while start < end:
        stop = min(end, (start // sector + 1) * sector)
        if chance.random() < keep:
            data = op.data[start - op.offset : stop - op.offset]
            if 0 < keep < 1 and chance.random() < GARBAGE:
                data = chance.randbytes(len(data))
            _put(files, op.inode, start, data)
        start = stop


def cuts(ops: Sequence[Op], count: int, chance: Random) -> list[int]:
    """`count` places to cut at, in order: after so many operations."""
    return sorted(chance.randrange(1, len(ops) + 1) for _ in range(count))
