"""The bytes of a backup: a first line, frames of rows, the sealed keys, the manifest, and SHA-256 of all of it.

It knows no table. A file with any byte changed, missing or added is refused before anything in it is used.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from tallystick_cloud.errors import BadInput

MAGIC = b"tallystick-backup 1\n"
DIGEST_BYTES = 32
CHUNK_BYTES = 1 << 20
FRAME_BYTES_MAX = 64 << 20  # a frame of rows is cut at 1 MiB before compression; one row holds one upload at most
_HEAD_BYTES = 5  # kind and length


class Kind(StrEnum):
    """What a frame holds."""

    ROWS = "R"  # zlib of JSON: table, columns, which of them are octets, rows
    KEYS = "K"
    MANIFEST = "M"  # JSON; the last frame


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    payload: bytes


class Writer:
    """Appends frames to a file; `finish` ends it with the digest of everything."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0
        self._write(MAGIC)

    @property
    def contents(self) -> str:
        """SHA-256 of what was written so far, as hex."""
        return self._digest.hexdigest()

    def frame(self, kind: Kind, payload: bytes) -> None:
        self._write(kind.value.encode() + len(payload).to_bytes(4, "big") + payload)

    def rows(self, table: str, columns: list[str], octets: list[str], rows: list[list[Any]]) -> None:
        """`rows` hold what JSON has; octets come as base 64."""
        value = {"table": table, "columns": columns, "octets": octets, "rows": rows}
        self.frame(Kind.ROWS, zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 6))

    def finish(self) -> None:
        self._file.write(self._digest.digest())
        self.bytes += DIGEST_BYTES
        self._file.flush()
        os.fsync(self._file.fileno())

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
        self.bytes += len(data)


def check_digest(path: Path) -> bytes:
    """The digest at the file's end, after all before it was hashed; raises BadInput for any other file."""
    length = _size(path) - DIGEST_BYTES
    found = hashlib.sha256()
    with path.open("rb") as file:
        if length < len(MAGIC) or file.read(len(MAGIC)) != MAGIC:
            raise BadInput(str(path), "is not a backup of tallystick, or its beginning is damaged; take another copy")
        file.seek(0)
        left = length
        while left and (chunk := file.read(min(left, CHUNK_BYTES))):
            found.update(chunk)
            left -= len(chunk)
        stored = file.read(DIGEST_BYTES + 1)
    if left or found.digest() != stored:
        raise BadInput(str(path), "is damaged: its contents do not have the checksum at its end; take another copy")
    return stored


def frames(path: Path) -> Iterator[Frame]:
    """The frames in their order, of a file whose digest was checked; raises BadInput where they do not fit."""
    wrong = BadInput(str(path), "is not whole: its parts do not fit together; take another copy")
    end = _size(path) - DIGEST_BYTES
    with path.open("rb") as file:
        at = len(file.read(len(MAGIC)))
        while at < end:
            head = file.read(_HEAD_BYTES)
            length = int.from_bytes(head[1:], "big")
            at += _HEAD_BYTES + length
            if len(head) < _HEAD_BYTES or head[:1] not in {kind.value.encode() for kind in Kind} or at > end:
                raise wrong
            if length > FRAME_BYTES_MAX:
                raise wrong
            yield Frame(Kind(head[:1].decode()), file.read(length))


def rows_of(payload: bytes) -> tuple[str, list[str], list[str], list[list[Any]]]:
    """(table, columns, octets among them, rows) of a frame; raises BadInput for anything else."""
    wrong = BadInput("backup", "holds rows that cannot be read; take another copy")
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(payload, FRAME_BYTES_MAX)
        value = json.loads(text)
        table, columns, octets, rows = value["table"], value["columns"], value["octets"], value["rows"]
    except (zlib.error, ValueError, KeyError, TypeError, RecursionError):
        raise wrong from None
    lists = all(isinstance(one, list) for one in (columns, octets, rows))
    if not isinstance(table, str) or not lists or any(len(row) != len(columns) for row in rows):
        raise wrong
    return table, columns, octets, rows


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise BadInput(str(path), f"cannot be read: {error.strerror}") from None
