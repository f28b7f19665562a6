"""Raw dumps: the register words of one reading as a JSON file that gives the same values when it is read back.
It opens no line; a dump made today still decodes when the profile has changed, and says that it has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tallystick_edge.errors import EdgeError
from tallystick_edge.profile import RawRead, Span

VERSION = 1
DUMP_BYTES_MAX = 1_048_576  # a dump of 247 meters with every register read is about 300 kB
READINGS_MAX, READS_MAX = 512, 256


class DumpError(EdgeError):
    """A dump that cannot be read: "<file>: <place>: <reason>. Next: <step>"."""

    def __init__(self, file: str, place: str, reason: str, step: str = "make the dump again with `read --raw`") -> None:
        super().__init__(f"{file}: {place}: {reason}. Next: {step}")


@dataclass(frozen=True, slots=True)
class RawReading:
    """What one meter answered. `profile`: None when only registers were read; `sha256`: of the profile at that time."""

    meter: str
    unit: int
    utc_ms: int
    profile: str | None
    sha256: str | None
    reads: tuple[RawRead, ...]


def dump_text(readings: Sequence[RawReading]) -> str:
    """The file's text; `parse_dump` is the inverse."""
    return json.dumps({"version": VERSION, "readings": [_reading(each) for each in readings]}, indent=1)


def load_dump(path: Path) -> tuple[RawReading, ...]:
    """Raises DumpError."""
    try:
        with path.open("rb") as file:
            data = file.read(DUMP_BYTES_MAX + 1)
    except OSError as error:
        raise DumpError(path.name, "file", error.strerror or str(error), "check the path") from None
    return parse_dump(path.name, data)


def parse_dump(name: str, data: bytes) -> tuple[RawReading, ...]:
    """Strictly: what a dump does not hold is an error that names its place. Raises DumpError."""
    if len(data) > DUMP_BYTES_MAX:
        raise DumpError(name, "file", f"is longer than {DUMP_BYTES_MAX} bytes")
    try:
        top = json.loads(data)
    except (ValueError, RecursionError):
        raise DumpError(name, "file", "is not JSON") from None
    place = _Place(name, "")
    table = place.table(top, {"version", "readings"})
    if table["version"] != VERSION:
        raise DumpError(name, "version", f"is not {VERSION}", "use the program that made it")
    entries = _Place(name, "readings").entries(table["readings"], READINGS_MAX)
    return tuple(_parse_reading(_Place(name, f"readings[{index}]"), each) for index, each in enumerate(entries))


def _reading(reading: RawReading) -> dict[str, object]:
    head = {"meter": reading.meter, "unit": reading.unit, "utc_ms": reading.utc_ms}
    reads = [
        {
            "function": read.span.function,
            "address": f"0x{read.span.address:04X}",
            "words": " ".join(f"{word:04x}" for word in read.words),
        }
        for read in reading.reads
    ]
    return {**head, "profile": reading.profile, "profile_sha256": reading.sha256, "reads": reads}


@dataclass(frozen=True, slots=True)
class _Place:
    file: str
    path: str

    def wrong(self, key: str, reason: str) -> DumpError:
        return DumpError(self.file, f"{self.path}.{key}".strip("."), reason)

    def table(self, value: Any, keys: set[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict) or set(value) != keys:
            raise DumpError(self.file, self.path or "file", f"is not an object of {', '.join(sorted(keys))}")
        return value

    def entries(self, value: Any, most: int) -> Sequence[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise DumpError(self.file, self.path, f"is not a list of at most {most}")
        return value

    def integer(self, table: Mapping[str, Any], key: str, low: int, high: int) -> int:
        value = table[key]
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(key, f"is not a whole number from {low} to {high}")
        return value

    def text_or_none(self, table: Mapping[str, Any], key: str) -> str | None:
        value = table[key]
        if value is not None and (not isinstance(value, str) or len(value) > 100):
            raise self.wrong(key, "is not a text of at most 100 characters, or null")
        return value


def _parse_reading(place: _Place, value: Any) -> RawReading:
    table = place.table(value, {"meter", "unit", "utc_ms", "profile", "profile_sha256", "reads"})
    reads = _Place(place.file, f"{place.path}.reads").entries(table["reads"], READS_MAX)
    return RawReading(
        meter=place.text_or_none(table, "meter") or "",
        unit=place.integer(table, "unit", 0, 255),
        utc_ms=place.integer(table, "utc_ms", 0, 2**53),
        profile=place.text_or_none(table, "profile"),
        sha256=place.text_or_none(table, "profile_sha256"),
        reads=tuple(_parse_read(_Place(place.file, f"{place.path}.reads[{i}]"), each) for i, each in enumerate(reads)),
    )


def _parse_read(place: _Place, value: Any) -> RawRead:
    table = place.table(value, {"function", "address", "words"})
    words = _words(place, table["words"])
    function = place.integer(table, "function", 3, 4)
    address = _address(place, table["address"])
    if address + len(words) > 0x1_0000:
        raise place.wrong("address", "reaches beyond the last register 0xFFFF")
    return RawRead(Span(function, address, len(words)), words)


def _address(place: _Place, value: Any) -> int:
    try:
        if not isinstance(value, str) or not value.startswith("0x") or len(value) != 6:
            raise ValueError
        return int(value[2:], 16)
    except ValueError:
        raise place.wrong("address", 'is not written as "0x0048"') from None


def _words(place: _Place, value: Any) -> tuple[int, ...]:
    groups = value.split() if isinstance(value, str) else []
    if not 1 <= len(groups) <= 125 or any(len(group) != 4 for group in groups):
        raise place.wrong("words", "is not 1 to 125 registers, each four hexadecimal digits")
    try:
        return tuple(int.from_bytes(bytes.fromhex(group), "big") for group in groups)
    except ValueError:
        raise place.wrong("words", "has a digit that is not hexadecimal") from None
