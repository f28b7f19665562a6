"""Declares a message once, as typed fields with wire keys, and reads, checks and writes it from that one declaration.
It never guesses: an unknown critical key (0-63) is Unsupported, one from 64 on is ignored, everything else must fit.

A message is a frozen dataclass deriving from `MapMessage` (a CBOR map) or `RowMessage` (a CBOR array) with `FIELDS`.
The same checks run when a value is built and when it is decoded, so that nobody can sign what nobody would accept.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, Self

from tallystick_protocol import cbor
from tallystick_protocol.codec import (
    COLUMN_MAX,
    INT,
    LIST_MAX,
    POSITIVE,
    UINT,
    Blob,
    Bool,
    Bytes,
    Code,
    Codec,
    Column,
    Int,
    List,
    Nullable,
    Row,
    RunLengths,
    Text,
)
from tallystick_protocol.errors import BadType, BadValue, MissingField, ProtocolError, TooLarge, Unsupported

__all__ = [
    "COLUMN_MAX", "INT", "LIST_MAX", "POSITIVE", "UINT", "UINT_MAX", "Blob", "Bool", "Bytes", "Code", "Codec", "Column",
    "Field", "Int", "List", "MapMessage", "Nullable", "Of", "Row", "RowMessage", "RunLengths", "Text", "refuse_unknown",
]  # fmt: skip

UINT_MAX = cbor.INT_MAX
CRITICAL_KEY_MAX = 63  # a key above may be ignored and is never money-relevant


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
    label: str = dataclasses.field(init=False)  # of the field in errors

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.name if isinstance(self.name, str) else "+".join(self.name))

    def getter(self) -> Callable[[object], Any]:
        """Takes the field's value out of a message."""
        return attrgetter(self.name) if isinstance(self.name, str) else attrgetter(*self.name)


class _Message:
    """What maps and rows share: checks at construction and the way to and from bytes."""

    __slots__ = ()
    NAME: ClassVar[str]
    FIELDS: ClassVar[tuple[Field, ...]]
    SIZE_MAX: ClassVar[int] = cbor.UPLOAD_BYTES_MAX
    QUICK: ClassVar["Callable[[Any, bytes], Any] | None"] = None  # reads usual bytes; see `quick`
    _GETTERS: ClassVar[tuple[tuple[Field, Callable[[object], Any], str], ...]]

    def __init_subclass__(cls) -> None:
        """Each field with what takes its value out and its dotted path: put together once, not for every message."""
        super().__init_subclass__()
        if hasattr(cls, "FIELDS"):
            cls._GETTERS = tuple((field, field.getter(), f"{cls.NAME}.{field.label}") for field in cls.FIELDS)

    def __post_init__(self) -> None:
        for field, get, at in self._GETTERS:
            value = get(self)
            if not (field.optional and value == field.empty):
                field.codec.check(value, at)
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
        """A message of fields that their codecs have read, which is as strict as the check at construction.

        A broken rule is named by the place in the outer message instead of by this message's own name.
        """
        message = object.__new__(cls)
        put = object.__setattr__
        for name, value in values.items():
            put(message, name, value)
        try:
            message.check_rules()
            return message
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
        if cls.QUICK is not None and (found := cls.QUICK(cls, data)) is not None:
            return found  # type: ignore[no-any-return]
        return cls.from_value(cbor.decode(data, cls.SIZE_MAX, field=cls.NAME))


class RowMessage(_Message):
    """A message that is a CBOR array with one place per field."""

    __slots__ = ()

    def to_value(self) -> Any:
        return [field.codec.write(get(self)) for field, get, _ in self._GETTERS]

    @classmethod
    def from_value(cls, value: Any, at: str = "") -> Self:
        where = at or cls.NAME
        if not isinstance(value, list) or len(value) != len(cls.FIELDS):
            raise BadType(where, f"must be an array of {len(cls.FIELDS)}")
        places = _places(cls, where)  # type: ignore[arg-type]
        rows = zip(cls.FIELDS, places, value, strict=True)
        values = {field.label: read(item, at) for field, (_, _, read, _, _, at), item in rows}
        return cls._build(values, where)


class MapMessage(_Message):
    """A message that is a CBOR map; `VERSION` is its key 0 where the message carries one."""

    __slots__ = ()
    VERSION: ClassVar[int | None] = None
    KEYS: ClassVar[frozenset[int]]

    def __init_subclass__(cls) -> None:
        """The wire keys that a message knows, its version's among them."""
        super().__init_subclass__()
        versioned = () if cls.VERSION is None else (0,)
        cls.KEYS = frozenset((*versioned, *(field.key for field in cls.FIELDS)))

    def to_value(self) -> Any:
        value: dict[int, Any] = {} if self.VERSION is None else {0: self.VERSION}
        for field, get, _ in self._GETTERS:
            item = get(self)
            if not (field.optional and item == field.empty):
                value[field.key] = field.codec.write(item)
        return value

    @classmethod
    def from_value(cls, value: Any, at: str = "") -> Self:
        where = at or cls.NAME
        if not isinstance(value, dict):
            raise BadType(where, "must be a map")
        cls._check_version(value, where)
        refuse_unknown(value, cls.KEYS, where)
        return cls._build(cls._attributes(value, where), where)

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
    def _attributes(cls, value: dict[int, Any], where: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, name, read, optional, empty, at in _places(cls, where):  # type: ignore[arg-type]
            if key in value:
                item = read(value[key], at)
                if optional and item == empty:
                    raise BadValue(at, "is there with the value that its absence means: leave it away")
            elif optional:
                item = empty
            else:
                raise MissingField(at, f"is absent (key {key})")
            if type(name) is str:
                found[name] = item
            else:
                found.update(zip(name, item, strict=True))
        return found


_Place = tuple[int, str | tuple[str, ...], Callable[[Any, str], Any], bool, Any, str]
"""A field taken apart, and what errors call it."""


@lru_cache(maxsize=1024)  # messages and the indices that they mostly stand at
def _places(message: type[_Message], where: str) -> tuple[_Place, ...]:
    """The fields of a message that stands there. (mypy takes a class's hash for its instances'.)"""
    return tuple(
        (one.key, one.name, one.codec.read, one.optional, one.empty, f"{where}.{one.label}") for one in message.FIELDS
    )


def refuse_unknown(value: dict[int, Any], known: frozenset[int], where: str) -> None:
    """Raise Unsupported for a key 0-63 that is not in `known`."""
    if value.keys() <= known:
        return
    unknown = [key for key in value.keys() - known if key <= CRITICAL_KEY_MAX]
    if unknown:
        raise Unsupported(where, f"holds the unknown critical key {min(unknown)}")
