"""Copies a file from the kernel's cache to the disk and puts the copy in its place: what can be read is then durable.
After a failed fsync Linux keeps the pages as clean: a later fsync succeeds without them, and a power cut shows it."""

from __future__ import annotations

import os
from pathlib import Path

CHUNK_BYTES = 1024 * 1024  # a journal's log is 4 MiB or so; a gateway has memory for one


def rewrite(path: Path) -> None:
    """Nothing when the file is not there. OSError when the disk does not take it: nothing may be acknowledged then.

    A copy and not the same place again: a card that loses power while it writes may spoil what stood there."""
    try:
        source = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    beside = path.with_name(f"{path.name}.copy")
    try:
        target = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            offset = 0
            while chunk := os.pread(source, CHUNK_BYTES, offset):
                offset += os.pwrite(target, chunk, offset)
            os.fsync(target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    os.rename(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
