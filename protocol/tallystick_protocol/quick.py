"""A message's usual bytes in one pass: patterns that match deterministic encodings only, made from a message's fields.
It never explains and never decides: bytes that do not fit are left to the message's own reader, which says why.

What is read here is read the same way there. Left to it are rare optional fields, text outside ASCII, keys that may be
ignored, runs of more than one value and lists of more than 255.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

import cbor2

from tallystick_protocol import cbor
from tallystick_protocol.codec import Bytes, Code, Codec, Column, Int, List, Nullable, Row, RunLengths, Text
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.schema import Field, MapMessage, Of, RowMessage

M = TypeVar("M", bound=MapMessage)

ITEMS_MAX = 255  # of a list or column: its count is one byte at most, and there are no more patterns than that
_TEXTS = 1024  # programmes, serial numbers, software: the same few again and again
_KEY_MAX = 23  # a key of one byte
_MORE = rb"|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00)....|\x1b(?!\x00\x00\x00\x00)[\x00-\x7f]......."
_LESS = rb"|\x38[\x18-\xff]|\x39(?!\x00)..|\x3a(?!\x00\x00)....|\x3b(?!\x00\x00\x00\x00)[\x00-\x7f]......."
_TEXT = b"|".join(
    re.escape(cbor.encode("x" * size)[: 1 if size < 24 else 2]) + rb"[\x00-\x7f]{%d}" % size
    for size in range(cbor.TEXT_BYTES_MAX + 1)
)
_INTEGERS = {
    (0, cbor.INT_MAX): rb"[\x00-\x17]" + _MORE,
    (1, cbor.INT_MAX): rb"[\x01-\x17]" + _MORE,
    (cbor.INT_MIN, cbor.INT_MAX): rb"[\x00-\x17]" + _MORE + rb"|[\x20-\x37]" + _LESS,
}
"""Integers within these bounds in their shortest form."""

Put = Callable[[Any, Any], None]
Step = Callable[[Any, bytes, int], "tuple[int, int] | None"]
"""Reads some fields into a message from a place on: the place after them and how many they were, or None."""


def read(message: type[M], data: bytes) -> M | None:
    """The message that these bytes are, all of them; None: ask the message itself."""
    if len(data) > message.SIZE_MAX:
        return None
    try:
        found = _reader(message)(data, 0)
    except (IndexError, ProtocolError):  # the bytes end too soon; a rule over several fields is broken
        return None
    return found[0] if found is not None and found[1] == len(data) else None


def _made(message: type[MapMessage]) -> Callable[[bytes, int], tuple[Any, int] | None]:
    """Reads a map at a place: the message and the place after it, or None. Made when it is needed first."""
    steps, new = _steps(message), object.__new__

    def read_map(data: bytes, at: int) -> tuple[Any, int] | None:
        made, head, count = new(message), data[at], 0
        at += 1
        for key, put, empty, step in steps:
            if key is not None and data[at] != key:
                put(made, empty)
                continue
            found = step(made, data, at)
            if found is None:
                return None
            at = found[0]
            count += found[1]
        if head != 0xA0 + count:
            return None
        made.check_rules()
        return made, at

    return read_map


_reader: Callable[[Any], Callable[[bytes, int], tuple[Any, int] | None]] = cache(_made)


def _steps(message: type[MapMessage]) -> list[tuple[int | None, Put, Any, Step]]:
    """Of all fields by key: lists one by one, what stands between them in one pattern. With the key, what sets and what
    is meant without, of a list that may be absent."""
    steps: list[tuple[int | None, Put, Any, Step]] = []
    flat = _Flat(message)
    if message.VERSION is not None:
        flat.begin(message.VERSION)
    for field in sorted(message.FIELDS, key=lambda one: one.key):
        if field.key > _KEY_MAX:
            raise InvariantError(f"{message.NAME}: key {field.key} has more than one byte")
        step = _listed(message, field)
        if step is None:
            flat.add(field)
        else:
            steps += [
                *flat.steps(),
                (field.key if field.optional else None, _put(message, field.label), field.empty, step),
            ]
            flat = _Flat(message)
    return steps + flat.steps()


@dataclass(frozen=True, slots=True)
class _Form:
    """A type's encodings as a pattern, and what makes its value of what the pattern's groups hold."""

    pattern: bytes
    groups: int
    read: Callable[[Any], Any]  # of the bytes of the one group, or of those of all groups
    null: bool = False  # whether the groups may be without a match


def _form(codec: Codec) -> _Form | None:
    """None: a type that is left to the slow way."""
    match codec:
        case Int(low, high) if (low, high) in _INTEGERS:
            return _Form(b"(" + _INTEGERS[low, high] + b")", 1, _number)
        case Bytes(size):
            return _Form(re.escape(cbor.encode_bytes(bytes(size))[:-size]) + b"(.{%d})" % size, 1, bytes)
        case Text():
            return _Form(b"(" + _TEXT + b")", 1, _text)
        case Code(table):
            known = {cbor.encode_int(int(one)): one for one in table}
            return _Form(b"(" + b"|".join(map(re.escape, known)) + b")", 1, known.__getitem__)
        case RunLengths(inner):
            return _form(inner)
        case Nullable(inner):
            return _or_null(_form(inner))
        case Of(message) if issubclass(message, RowMessage):
            return _row(message)
        case _:
            return None


def _row(message: type[RowMessage]) -> _Form:
    """An array that is a message."""
    forms = [_known(message, field.label, _form(field.codec)) for field in message.FIELDS]
    fields = [(_put(message, field.label), form.read) for field, form in zip(message.FIELDS, forms, strict=True)]
    new = object.__new__

    def read_row(groups: tuple[bytes | None, ...]) -> Any:
        made = new(message)
        for (put, read), raw in zip(fields, groups, strict=True):
            put(made, None if raw is None else read(raw))
        made.check_rules()
        return made

    return _Form(_array(forms), len(forms), read_row, any(form.null for form in forms))


def _or_null(form: _Form | None) -> _Form | None:
    if form is None:
        return None
    pattern, read = rb"(?:\xf6|" + form.pattern + b")", form.read
    if form.groups == 1:
        return _Form(pattern, 1, read, null=True)
    return _Form(pattern, form.groups, lambda groups: None if groups[0] is None else read(groups), null=True)


def _array(forms: list[_Form]) -> bytes:
    return re.escape(bytes((0x80 + len(forms),))) + b"".join(form.pattern for form in forms)


class _Slow(Exception):
    """A message holds what has no form here."""


def _known(message: type[Any], name: str, form: _Form | None) -> _Form:
    if form is None:
        raise _Slow(f"{message.NAME}.{name}")
    return form


def _put(message: type[Any], name: str) -> Put:
    """Sets a slot of a frozen message that nobody has seen yet."""
    put: Put = getattr(message, name).__set__
    return put


def _put_nothing(made: Any, value: Any) -> None:
    """For fields that are read together."""


class _Flat:
    """Fields one after the other that make one pattern."""

    def __init__(self, message: type[MapMessage]) -> None:
        self._message = message
        self._pattern = b""
        self._groups = 0
        self._count = 0  # of the fields
        self._optional = False  # whether some may be absent: their groups are without a match then
        self._nulls = False  # whether others may be
        self._found: list[tuple[Put, Callable[[Any], Any], int | slice, Any]] = []
        self._absent: list[tuple[Put, Any]] = []

    def begin(self, version: int) -> None:
        """With the message's version, which is no attribute."""
        self._pattern += re.escape(b"\x00" + cbor.encode_int(version))
        self._count += 1

    def add(self, field: Field) -> None:
        key, codec = re.escape(bytes((field.key,))), field.codec
        if isinstance(field.name, tuple):
            self._spread(key, field.name, codec)
            return
        form, put = _form(codec), _put(self._message, field.name)
        if not field.optional:
            form = _known(self._message, field.name, form)
            self._pattern += key + form.pattern
            self._set(put, form, None)
            self._count += 1
        elif form is None or form.groups > 1:
            self._absent.append((put, field.empty))
        else:
            self._pattern += b"(?:" + key + form.pattern + b")?"
            self._optional = True
            self._count += 1
            self._set(put, form, field.empty)

    def _spread(self, key: bytes, names: tuple[str, ...], codec: Codec) -> None:
        """One array over several attributes."""
        if not isinstance(codec, Row):
            raise InvariantError(f"{self._message.NAME}.{names} is no row")
        forms = [_known(self._message, name, _form(inner)) for name, inner in zip(names, codec.inners, strict=True)]
        self._pattern += key + _array(forms)
        for name, form in zip(names, forms, strict=True):
            self._set(_put(self._message, name), form, None)
        self._count += 1

    def _set(self, put: Put, form: _Form, empty: Any) -> None:
        at = self._groups
        self._nulls = self._nulls or form.null
        self._groups += form.groups
        self._found.append((put, form.read, at if form.groups == 1 else slice(at, self._groups), empty))

    def steps(self) -> list[tuple[int | None, Put, Any, Step]]:
        """One step, or none where there are no fields."""
        if not self._found and not self._absent and not self._count:
            return []
        match, count, optional = re.compile(self._pattern, re.DOTALL).match, self._count, self._optional
        if optional and self._nulls:
            raise _Slow(f"{self._message.NAME}: groups without a match say two things")
        found, absent = self._found, self._absent

        def step(made: Any, data: bytes, at: int) -> tuple[int, int] | None:
            fit = match(data, at)
            if fit is None:
                return None
            groups = fit.groups()
            for put, read, place, empty in found:
                raw = groups[place]
                put(made, empty if raw is None else read(raw))
            for put, empty in absent:
                put(made, empty)
            return fit.end(), count - groups.count(None) if optional else count

        return [(None, _put_nothing, None, step)]


def _listed(message: type[MapMessage], field: Field) -> Step | None:
    """The step of a list or a column; None for another field."""
    if not isinstance(field.name, str):
        return None
    put = _put(message, field.name)
    match field.codec:
        case Column(low) if (low, cbor.INT_MAX) in _INTEGERS:
            items = _column(low)
            least, most = 0, ITEMS_MAX
        case List(Bytes(size), least, most):
            items = _hashes(size)
        case List(Of(inner), least, most) if issubclass(inner, MapMessage) and _is_quick(inner):
            items = _messages(inner)
        case _:
            return None
    key, most = field.key, min(most, ITEMS_MAX)

    def step(made: Any, data: bytes, at: int) -> tuple[int, int] | None:
        if data[at] != key:
            return None
        head = cbor.count_at(data, at + 1)
        if head is None:
            return None
        count, start = head
        found = items(data, start, count) if least <= count <= most else None
        if found is None:
            return None
        put(made, found[0])
        return found[1], 1

    return step


Items = Callable[[bytes, int, int], "tuple[tuple[Any, ...], int] | None"]
"""So many items from a place on, and the place after them."""


def _column(low: int) -> Items:
    pattern = _INTEGERS[low, cbor.INT_MAX]

    @lru_cache(maxsize=ITEMS_MAX + 1)
    def match_of(count: int) -> Callable[[bytes, int], re.Match[bytes] | None]:
        return re.compile(b"(?:" + pattern + b"){%d}" % count, re.DOTALL).match

    def items(data: bytes, at: int, count: int) -> tuple[tuple[Any, ...], int] | None:
        fit = match_of(count)(data, at)
        if fit is None:
            return None
        head = 1 if count < 24 else 2
        return tuple(cbor2.loads(data[at - head : fit.end()])), fit.end()

    return items


def _hashes(size: int) -> Items:
    head = cbor.encode_bytes(bytes(size))[:-size]
    width = len(head) + size

    def items(data: bytes, at: int, count: int) -> tuple[tuple[Any, ...], int] | None:
        end = at + count * width
        if end > len(data) or any(data[at + n : end : width] != head[n : n + 1] * count for n in range(len(head))):
            return None
        return tuple([data[one - size : one] for one in range(at + width, end + 1, width)]), end

    return items


def _messages(message: type[MapMessage]) -> Items:
    read_map = _reader(message)

    def items(data: bytes, at: int, count: int) -> tuple[tuple[Any, ...], int] | None:
        made = []
        for _ in range(count):
            found = read_map(data, at)
            if found is None:
                return None
            made.append(found[0])
            at = found[1]
        return tuple(made), at

    return items


def _is_quick(message: type[MapMessage]) -> bool:
    try:
        return _reader(message) is not None
    except _Slow:
        return False


def _number(raw: bytes) -> int:
    head = raw[0]
    if head < 0x20:
        return head if head < 24 else int.from_bytes(raw[1:], "big")
    return ~(head - 0x20 if head < 0x38 else int.from_bytes(raw[1:], "big"))


@lru_cache(maxsize=_TEXTS)
def _text(raw: bytes) -> str:
    return raw[1 if len(raw) <= 24 else 2 :].decode("ascii")
