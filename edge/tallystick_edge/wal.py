"""Reads an SQLite write-ahead log far enough to say whether it ends where its last commit ends.
SQLite silently stops at the first frame that does not fit; whoever looks for damage wants to know how many follow."""

from __future__ import annotations

import struct
from pathlib import Path

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24  # sqlite.org/fileformat2.html, "WAL File Format"
MAGIC_LITTLE, MAGIC_BIG = 0x377F0682, 0x377F0683
FILE_BYTES_MAX = 256 * 1024**2  # far above the 4 MiB that the journal lets it keep


def unread_frames(path: Path) -> int:
    """Frames of this log's own run after the last whole commit. 0 when there is no log; OSError as usual."""
    if not path.exists() or not HEADER_BYTES < path.stat().st_size <= FILE_BYTES_MAX:
        return 0
    data = path.read_bytes()
    magic, _, page, _, salt1, salt2, sum1, sum2 = struct.unpack_from(">8I", data)
    order = {MAGIC_LITTLE: "<", MAGIC_BIG: ">"}.get(magic)
    step = FRAME_HEADER_BYTES + page
    if order is None or page < 512 or _sum(data[:24], order, (0, 0)) != (sum1, sum2):
        return (len(data) - HEADER_BYTES) // (FRAME_HEADER_BYTES + 4096)  # nothing of it can be read
    frames = list(range(HEADER_BYTES, len(data) - step + 1, step))
    own = {at for at in frames if struct.unpack_from(">2I", data, at + 8) == (salt1, salt2)}
    total, committed = (sum1, sum2), 0
    for index, at in enumerate(frames):
        total = _sum(data[at : at + 8], order, total)
        total = _sum(data[at + FRAME_HEADER_BYTES : at + step], order, total)
        if at not in own or struct.unpack_from(">2I", data, at + 16) != total:
            break
        if struct.unpack_from(">I", data, at + 4)[0]:
            committed = index + 1
    return sum(1 for at in own if at >= HEADER_BYTES + committed * step)


def _sum(data: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
