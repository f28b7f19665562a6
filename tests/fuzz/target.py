"""What a fuzz target is: a function that takes any bytes, the errors that may come out of it, and inputs to begin with.
It runs nothing by itself; `run_all.py` does, with atheris, and `test_regressions.py` does, without."""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

INPUT_S_MAX = 1.0  # processor time of one input, the better of two; nobody may keep a gateway or server busy for longer


class TooSlow(AssertionError):
    """One input took more than its second."""


@dataclass(frozen=True, slots=True)
class Target:
    """`read` is given any bytes and may return or raise one of `errors`; everything else is a finding.

    `seeds` gives inputs to begin with, good ones first. `bytes_max`: longest input tried.
    `ci`: executions in CI, fewer than 20,000 only for what is slow by nature (a signature, a whole evidence file)."""

    name: str
    read: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    bytes_max: int = 4096
    ci: int = 20_000

    def run(self, data: bytes) -> None:
        """One input. Lets out whatever is a finding."""
        if self._spent(data) <= INPUT_S_MAX:
            return
        # again, with what the process holds from before out of the collector's sight: one look through the heap of a
        # test process, or another thread of it, can take longer than the second, and is no fault of the input
        gc.freeze()
        try:
            spent = self._spent(data)
        finally:
            gc.unfreeze()
        if spent > INPUT_S_MAX:
            raise TooSlow(f"{self.name}: {spent:.2f} s for one input of {len(data)} bytes, twice")

    def _spent(self, data: bytes) -> float:
        """Processor seconds of this thread."""
        began = time.thread_time()
        try:
            self.read(data)
        except self.errors as error:
            if not str(error):
                raise AssertionError(f"{type(error).__name__} says nothing") from error
        return time.thread_time() - began


class FileOf:
    """A file that exists only as its bytes, for readers that take a path, or the folder that it is in."""

    parent = Path("folder")

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __str__(self) -> str:
        return "fuzzed.toml"

    def __truediv__(self, name: str) -> FileOf:
        return self

    def read_bytes(self) -> bytes:
        return self._data

    def open(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def as_file(data: bytes) -> Path:
    return cast(Path, FileOf(data))


def as_text(read: Callable[[str], Any]) -> Callable[[bytes], object]:
    """For readers of text: bytes that are no UTF-8 never reach them."""
    return lambda data: read(data.decode("utf-8", "replace"))


def chosen(*reads: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """The first byte chooses which of `reads` gets the rest; `choosing` makes the seeds."""
    return lambda data: reads[data[0] % len(reads)](data[1:]) if data else None


def choosing(*seeds: list[bytes]) -> list[bytes]:
    """Seeds for `chosen`, one list per reader."""
    return [bytes([index]) + data for index, group in enumerate(seeds) for data in group]
