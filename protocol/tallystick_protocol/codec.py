"""The wire types: each checks a Python value, reads it from a decoded CBOR value and writes it back.
None of them knows a message; none of them guesses or corrects a value.
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, Protocol

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadType, BadValue, TooLarge, Unsupported

COLUMN_MAX = 4096  # steps in one column; six weeks at a reading every quarter of an hour
LIST_MAX = 4096  # any other list, so that no message makes a reader allocate without bound


class Codec(Protocol):
    """One wire type: checks a Python value, reads it from a CBOR value, writes it back. All raise ProtocolError.

    What `read` gives back passes `check`; nobody checks it again.
    """

    def check(self, value: Any, at: str) -> None:
        """Raise unless `value` is a legal value of this type; `at` is the field's dotted path."""
        ...

    def read(self, value: Any, at: str) -> Any:
        """The Python value of a decoded CBOR value."""
        ...

    def write(self, value: Any) -> Any:
        """The CBOR value of a checked Python value."""
        ...


class _Plain:
    def check(self, value: Any, at: str) -> None:
        raise NotImplementedError

    def read(self, value: Any, at: str) -> Any:
        self.check(value, at)
        return value

    def write(self, value: Any) -> Any:
        return value


@dataclass(frozen=True, slots=True)
class Int(_Plain):
    """An integer within bounds, by default -2^63..2^63-1."""

    low: int = cbor.INT_MIN
    high: int = cbor.INT_MAX

    def check(self, value: Any, at: str) -> None:
        if type(value) is not int and (not isinstance(value, int) or isinstance(value, bool)):
            raise BadType(at, "must be an integer")
        if not self.low <= value <= self.high:
            raise BadValue(at, f"is {value}, must be {self.low}..{self.high}")

    def write(self, value: Any) -> Any:
        return int(value)


UINT = Int(0)
POSITIVE = Int(1)
INT = Int()


@dataclass(frozen=True, slots=True)
class Bytes(_Plain):
    """A byte string of one exact size."""

    size: int

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, bytes):
            raise BadType(at, "must be a byte string")
        if len(value) != self.size:
            raise BadValue(at, f"is {len(value)} bytes long, must be {self.size}")


@dataclass(frozen=True, slots=True)
class Blob(_Plain):
    """A byte string of any size up to a limit."""

    size_max: int

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, bytes):
            raise BadType(at, "must be a byte string")
        if len(value) > self.size_max:
            raise TooLarge(at, f"is {len(value)} bytes long, the limit is {self.size_max}")


@dataclass(frozen=True, slots=True)
class Text(_Plain):
    """Text, at most 64 bytes of UTF-8 in form NFC."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str):
            raise BadType(at, "must be text")
        cbor.check_text(value, at)


@dataclass(frozen=True, slots=True)
class Bool(_Plain):
    """true or false."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            raise BadType(at, "must be true or false")


@dataclass(frozen=True, slots=True)
class Code:
    """A number out of one of the tables in `codes`; an unknown number is Unsupported, not wrong."""

    table: type[IntEnum]

    def check(self, value: Any, at: str) -> None:
        self.read(value, at)

    def read(self, value: Any, at: str) -> Any:
        UINT.check(value, at)
        known = self.table._value2member_map_.get(value)  # table(value), without its way through the metaclass
        if known is None:
            raise Unsupported(at, f"{value} is not in the table {self.table.__name__} of this version")
        return known

    def write(self, value: Any) -> Any:
        return int(value)


@dataclass(frozen=True, slots=True)
class Nullable:
    """Another type, or null as None."""

    inner: Codec

    def check(self, value: Any, at: str) -> None:
        if value is not None:
            self.inner.check(value, at)

    def read(self, value: Any, at: str) -> Any:
        return None if value is None else self.inner.read(value, at)

    def write(self, value: Any) -> Any:
        return None if value is None else self.inner.write(value)


@dataclass(frozen=True, slots=True)
class List:
    """An array of one type, as a tuple."""

    inner: Codec
    least: int = 0
    most: int = LIST_MAX

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, tuple):
            raise BadType(at, "must be an array")
        self._count(value, at)
        for index, item in enumerate(value):
            self.inner.check(item, f"{at}[{index}]")

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            raise BadType(at, "must be an array")
        self._count(value, at)
        return tuple(self.inner.read(item, f"{at}[{index}]") for index, item in enumerate(value))

    def write(self, value: Any) -> Any:
        return [self.inner.write(item) for item in value]

    def _count(self, value: list[Any] | tuple[Any, ...], at: str) -> None:
        if len(value) < self.least:
            raise BadValue(at, f"holds {len(value)} items, must hold at least {self.least}")
        if len(value) > self.most:
            raise TooLarge(at, f"holds {len(value)} items, the limit is {self.most}")


@dataclass(frozen=True, slots=True)
class Row:
    """A fixed array of given types, as a plain tuple."""

    inners: tuple[Codec, ...]

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, tuple) or len(value) != len(self.inners):
            raise BadType(at, f"must be an array of {len(self.inners)}")
        for index, (inner, item) in enumerate(zip(self.inners, value, strict=True)):
            inner.check(item, f"{at}[{index}]")

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list) or len(value) != len(self.inners):
            raise BadType(at, f"must be an array of {len(self.inners)}")
        pairs = zip(self.inners, value, strict=True)
        return tuple(inner.read(item, f"{at}[{index}]") for index, (inner, item) in enumerate(pairs))

    def write(self, value: Any) -> Any:
        return [inner.write(item) for inner, item in zip(self.inners, value, strict=True)]


@dataclass(frozen=True, slots=True)
class Column:
    """An array of at most 4,096 integers >= `low`, as a tuple: the dense part of a segment."""

    low: int = 0

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, tuple):
            raise BadType(at, "must be an array of integers")
        if len(value) > COLUMN_MAX:
            raise TooLarge(at, f"holds {len(value)} items, the limit is {COLUMN_MAX}")
        if not value:
            return
        if set(map(type, value)) != {int}:
            raise BadType(at, "must be an array of integers")
        if min(value) < self.low or max(value) > cbor.INT_MAX:
            raise BadValue(at, f"holds an integer outside {self.low}..2^63-1")

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            raise BadType(at, "must be an array of integers")
        column = tuple(value)
        self.check(column, at)
        return column

    def write(self, value: Any) -> Any:
        return list(value)


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A constant, or [+ [start, value]]: starts at 0, starts strictly rise, neighbours differ, at least two runs."""

    inner: Codec

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, tuple):
            self.inner.check(value, at)
            return
        if len(value) < 2:
            raise BadValue(at, "is a constant: write the bare number")
        if len(value) > COLUMN_MAX + 1:
            raise TooLarge(at, f"holds {len(value)} runs, the limit is {COLUMN_MAX + 1}")
        for index, run in enumerate(value):
            _RUN.check(run, f"{at}[{index}]")
            self.inner.check(run[1], f"{at}[{index}]")
        self._rules(value, at)

    def _rules(self, value: tuple[tuple[int, int], ...], at: str) -> None:
        if value[0][0] != 0:
            raise BadValue(at, "does not start at 0")
        for (start, item), (start_next, item_next) in pairwise(value):
            if start_next <= start:
                raise BadValue(at, "has starts that do not strictly rise")
            if item_next == item:
                raise BadValue(at, "has neighbouring runs of one value: join them")

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            return self.inner.read(value, at)
        runs = tuple(_RUN.read(run, f"{at}[{index}]") for index, run in enumerate(value))
        self.check(runs, at)
        return runs

    def write(self, value: Any) -> Any:
        if not isinstance(value, tuple):
            return int(value)
        return [[int(start), int(item)] for start, item in value]


_RUN = Row((UINT, UINT))
