"""Declares a message once, as typed fields with wire keys, and reads, checks and writes it from that one declaration.
It never guesses: an unknown critical key (0-63) is Unsupported, one from 64 on is ignored, everything else must fit.

A message is a frozen dataclass deriving from `MapMessage` (a CBOR map) or `RowMessage` (a CBOR array) with `FIELDS`.
The same checks run when a value is built and when it is decoded, so that nobody can sign what nobody would accept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, ClassVar, Protocol, Self

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadType, BadValue, MissingField, ProtocolError, TooLarge, Unsupported

UINT_MAX = cbor.INT_MAX
CRITICAL_KEY_MAX = 63  # a key above may be ignored and is never money-relevant
COLUMN_MAX = 4096  # readings' steps in one column; two months at one a quarter of an hour
LIST_MAX = 4096  # any other list, so that no message makes a reader allocate without bound


class Codec(Protocol):
    """One wire type: checks a Python value, reads it from a CBOR value, writes it back. All raise ProtocolError."""

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
        if not isinstance(value, int) or isinstance(value, bool):
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
        cbor.encode(value, field=at)


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
        try:
            return self.table(value)
        except ValueError:
            raise Unsupported(at, f"{value} is not in the table {self.table.__name__} of this version") from None

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
        if any(type(item) is not int for item in value):
            raise BadType(at, "must be an array of integers")
        if min(value) < self.low or max(value) > cbor.INT_MAX:
            raise BadValue(at, f"holds an integer outside {self.low}..2^63-1")

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            raise BadType(at, "must be an array of integers")
        return tuple(value)

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
        return tuple(_RUN.read(run, f"{at}[{index}]") for index, run in enumerate(value))

    def write(self, value: Any) -> Any:
        if not isinstance(value, tuple):
            return int(value)
        return [[int(start), int(item)] for start, item in value]


_RUN = Row((UINT, UINT))


@dataclass(frozen=True, slots=True)
class Of:
    """Another message inside this one."""

    message: type["MapMessage | RowMessage"]

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, self.message):
            raise BadType(at, f"must be a {self.message.__name__}")

    def read(self, value: Any, at: str) -> Any:
        return self.message.from_value(value, at)

    def write(self, value: Any) -> Any:
        return value.to_value()


@dataclass(frozen=True, slots=True)
class Field:
    """One wire key and the attribute it fills; several names mean that the value is a row spread over attributes.

    An optional field that is absent is `empty` in Python, and the other way round.
    """

    key: int
    name: str | tuple[str, ...]
    codec: Codec
    optional: bool = False
    empty: Any = None

    @property
    def label(self) -> str:
        return self.name if isinstance(self.name, str) else "+".join(self.name)

    def get(self, message: object) -> Any:
        if isinstance(self.name, str):
            return getattr(message, self.name)
        return tuple(getattr(message, name) for name in self.name)

    def spread(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(self.name, str):
            yield self.name, value
        else:
            yield from zip(self.name, value, strict=True)


class _Message:
    """What maps and rows share: checks at construction and the way to and from bytes."""

    __slots__ = ()
    NAME: ClassVar[str]
    FIELDS: ClassVar[tuple[Field, ...]]
    SIZE_MAX: ClassVar[int] = cbor.UPLOAD_BYTES_MAX

    def __post_init__(self) -> None:
        for field in self.FIELDS:
            value = field.get(self)
            if not (field.optional and value == field.empty):
                field.codec.check(value, f"{self.NAME}.{field.label}")
        self.check_rules()

    def check_rules(self) -> None:
        """Rules over several fields; raises ProtocolError. Overridden where there are any."""

    def to_value(self) -> Any:
        """The CBOR value, ready for `cbor.encode`."""
        raise NotImplementedError

    @classmethod
    def from_value(cls, value: Any, at: str = "") -> Self:
        """Build from a decoded CBOR value; raises ProtocolError naming the field."""
        raise NotImplementedError

    @classmethod
    def _build(cls, values: dict[str, Any], where: str) -> Self:
        """Construct, and name a broken rule by the place in the outer message instead of by this message's own name."""
        try:
            return cls(**values)
        except ProtocolError as error:
            if error.field.partition(".")[0] != cls.NAME:
                raise
            raise type(error)(where + error.field.removeprefix(cls.NAME), error.reason) from None

    def encode(self) -> bytes:
        """The canonical CBOR bytes; raises TooLarge above the message's limit."""
        data = cbor.encode(self.to_value(), field=self.NAME)
        if len(data) > self.SIZE_MAX:
            raise TooLarge(self.NAME, f"is {len(data)} bytes long, the limit is {self.SIZE_MAX}")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Strictly read canonical CBOR bytes; raises ProtocolError only."""
        return cls.from_value(cbor.decode(data, cls.SIZE_MAX, field=cls.NAME))


class RowMessage(_Message):
    """A message that is a CBOR array with one place per field."""

    __slots__ = ()

    def to_value(self) -> Any:
        return [field.codec.write(field.get(self)) for field in self.FIELDS]

    @classmethod
    def from_value(cls, value: Any, at: str = "") -> Self:
        where = at or cls.NAME
        if not isinstance(value, list) or len(value) != len(cls.FIELDS):
            raise BadType(where, f"must be an array of {len(cls.FIELDS)}")
        pairs = zip(cls.FIELDS, value, strict=True)
        values = {field.label: field.codec.read(item, f"{where}.{field.label}") for field, item in pairs}
        return cls._build(values, where)


class MapMessage(_Message):
    """A message that is a CBOR map; `VERSION` is its key 0 where the message carries one."""

    __slots__ = ()
    VERSION: ClassVar[int | None] = None

    def to_value(self) -> Any:
        value: dict[int, Any] = {} if self.VERSION is None else {0: self.VERSION}
        for field in self.FIELDS:
            item = field.get(self)
            if not (field.optional and item == field.empty):
                value[field.key] = field.codec.write(item)
        return value

    @classmethod
    def from_value(cls, value: Any, at: str = "") -> Self:
        where = at or cls.NAME
        if not isinstance(value, dict):
            raise BadType(where, "must be a map")
        cls._check_version(value, where)
        refuse_unknown(value, cls._known(), where)
        return cls._build(dict(cls._attributes(value, where)), where)

    @classmethod
    def _known(cls) -> Iterable[int]:
        versioned = () if cls.VERSION is None else (0,)
        return (*versioned, *(field.key for field in cls.FIELDS))

    @classmethod
    def _check_version(cls, value: dict[int, Any], where: str) -> None:
        if cls.VERSION is None:
            return
        if 0 not in value:
            raise MissingField(f"{where}.version", "is absent (key 0)")
        UINT.check(value[0], f"{where}.version")
        if value[0] != cls.VERSION:
            raise Unsupported(f"{where}.version", f"is {value[0]}, this program reads {cls.VERSION}")

    @classmethod
    def _attributes(cls, value: dict[int, Any], where: str) -> Iterator[tuple[str, Any]]:
        for field in cls.FIELDS:
            at = f"{where}.{field.label}"
            if field.key in value:
                item = field.codec.read(value[field.key], at)
                if field.optional and item == field.empty:
                    raise BadValue(at, "is there with the value that its absence means: leave it away")
                yield from field.spread(item)
            elif field.optional:
                yield from field.spread(field.empty)
            else:
                raise MissingField(at, f"is absent (key {field.key})")


def refuse_unknown(value: dict[int, Any], known: Iterable[int], where: str) -> None:
    """Raise Unsupported for a key 0-63 that is not in `known`."""
    unknown = [key for key in value.keys() - set(known) if key <= CRITICAL_KEY_MAX]
    if unknown:
        raise Unsupported(where, f"holds the unknown critical key {min(unknown)}")
