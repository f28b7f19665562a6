"""Deterministic CBOR in and out: the only place where bytes become values and values become bytes.
It never lets another exception than `ProtocolError` out and never does work that grows faster than the input.

The order of the checks is part of the protocol: size, a decoder that refuses nesting, indefinite lengths, duplicate
keys and every tag, then a walk over the types, and only at its end whether the bytes are the one deterministic form. In
another order 45 bytes of nested map keys keep an encoder busy for seconds, and 18 bytes with tags 28 and 29 make a walk
visit millions. The one form is the shortest one with keys that rise, so the walk measures instead of encoding again.
"""

import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeAlias, cast

import cbor2

from tallystick_protocol.errors import BadType, BadValue, NotCanonical, TooLarge

CborValue: TypeAlias = "int | bytes | str | bool | list[CborValue] | dict[int, CborValue] | None"

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
DEPTH_MAX = 8  # levels of arrays and maps; the deepest message, a pool's proof, has 8
TEXT_BYTES_MAX = 64  # a name or a code; anything longer travels as bstr with its own limit
UPLOAD_BYTES_MAX = 64 * 1024  # one upload; also the default limit of any message

# The tags that cbor2 6 decodes by itself and that could cost work before anybody looks; all others reach `tag_hook`.
_BUILTIN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


class _Tagged(Exception):
    """The decoder met a tag; a signal inside this file."""


def _refuse(*_: object) -> NoReturn:
    raise _Tagged


_REFUSING: dict[int, Callable[..., object]] = dict.fromkeys(_BUILTIN_TAGS, _refuse)


def decode(
    data: bytes, size_max: int = UPLOAD_BYTES_MAX, *, field: str = "data", text_bytes_max: int = TEXT_BYTES_MAX
) -> CborValue:
    """Decode exactly one deterministic CBOR item of at most `size_max` bytes.

    Raises TooLarge, NotCanonical (also for bytes after the item), BadType (floats, tags, undefined, keys that are not
    unsigned) or BadValue (integers outside 64 bits, text that is long or not NFC), always naming `field`.
    """
    if len(data) > size_max:
        raise TooLarge(field, f"is {len(data)} bytes long, the limit is {size_max}")
    value = _loads(data, field)
    if _measured(value, field, 0, text_bytes_max) != len(data):
        raise NotCanonical(field, "is not deterministic CBOR (RFC 8949 4.2): encode it again with the shortest heads")
    return cast(CborValue, value)  # the walk has looked at every type


def encode(value: object, *, field: str = "value", text_bytes_max: int = TEXT_BYTES_MAX) -> bytes:
    """Deterministic CBOR of ints, bytes, text, bools, None, lists or tuples and maps with unsigned keys.

    Raises BadType or BadValue for anything that `decode` would refuse, so that nobody can sign such a value.
    """
    out: list[bytes] = []
    _write(value, out, field, 0, text_bytes_max)
    return b"".join(out)


def encode_int(value: int) -> bytes:
    """`encode` of one integer, for the places that do nothing else a million times."""
    if 0x10000 <= value < 0x100000000:  # nearly every total
        return (0x1A00000000 | value).to_bytes(5, "big")
    _check_int(value, "value")
    return _head(_UINT, value) if value >= 0 else _head(_NEGATIVE, ~value)


def encode_bytes(value: bytes) -> bytes:
    """`encode` of one byte string."""
    return _head(_BYTES, len(value)) + value


def bytes_at(data: bytes, at: int) -> tuple[bytes, int] | None:
    """The byte string that stands there in its shortest form, and the place after it; None where there is none.

    Raises IndexError where the data end before it does.
    """
    head = data[at]
    if 0x40 <= head < 0x58:
        begin = at + 1
        size = head - 0x40
    elif head == 0x58 and data[at + 1] >= 24:
        begin = at + 2
        size = data[at + 1]
    elif head == 0x59 and data[at + 1]:
        begin = at + 3
        size = data[at + 1] << 8 | data[at + 2]
    else:
        return None
    found = data[begin : begin + size]
    if len(found) != size:
        raise IndexError(at)
    return found, begin + size


def count_at(data: bytes, at: int) -> tuple[int, int] | None:
    """How many items of an array come, and the place of the first; None for another head or for more than 255."""
    head = data[at]
    if 0x80 <= head < 0x98:
        return head - 0x80, at + 1
    return (data[at + 1], at + 2) if head == 0x98 and data[at + 1] >= 24 else None


def _loads(data: bytes, field: str) -> object:
    try:
        return cbor2.loads(
            bytes(data),
            max_depth=DEPTH_MAX,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            semantic_decoders=_REFUSING,
            tag_hook=_refuse,
        )
    except _Tagged:
        raise BadType(field, "holds a CBOR tag; payloads hold none") from None
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        if _caused_by_tag(error):
            raise BadType(field, "holds a CBOR tag; payloads hold none") from None
        raise NotCanonical(field, f"is not readable as deterministic CBOR ({type(error).__name__})") from None


def _caused_by_tag(error: BaseException) -> bool:
    return isinstance(error.__cause__ or error.__context__, _Tagged)


def _measured(value: Any, field: str, depth: int, text_bytes_max: int) -> int:
    """The size of the value's deterministic form, or more than any message has when a map's keys do not rise."""
    kind = type(value)
    if kind is int:
        _check_int(value, field)
        return _head_size(value if value >= 0 else ~value)
    if kind is bytes:
        return _head_size(len(value)) + len(value)
    if kind is bool or value is None:
        return 1
    if kind is str:
        size = check_text(value, field, text_bytes_max)
        return _head_size(size) + size
    if kind is list:
        _deeper(field, depth)
        return _head_size(len(value)) + _measured_all(value, field, depth + 1, text_bytes_max)
    if kind is dict:
        _deeper(field, depth)
        size = _measured_keys(value, field) + _head_size(len(value))
        return size + _measured_all(value.values(), field, depth + 1, text_bytes_max)
    raise _foreign(field, kind)


def _measured_all(values: Iterable[Any], field: str, depth: int, text_bytes_max: int) -> int:
    """Nearly everything in a message is a number or bytes: those are measured here, without a call for each."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is int and 0 <= value <= INT_MAX:
            n = value
        elif kind is bytes:
            n = len(value)
            size += n
        else:
            size += _measured(value, field, depth, text_bytes_max)
            continue
        size += 1 if n < 24 else 2 if n < 0x100 else 3 if n < 0x10000 else 5 if n < 0x100000000 else 9
    return size


def _measured_keys(value: dict[Any, Any], field: str) -> int:
    """Keys that are looked at, and that rise: else the size is one that no message has."""
    size, before = 0, -1
    for key in value:
        if type(key) is not int or key < 0:
            raise BadType(field, "holds a map key that is not an unsigned integer")
        _check_int(key, field)
        size += _head_size(key) if key > before else INT_MAX
        before = key
    return size


def _head_size(n: int) -> int:
    return 1 if n < 24 else 2 if n < 0x100 else 3 if n < 0x10000 else 5 if n < 0x100000000 else 9


def _foreign(field: str, kind: type) -> BadType:
    return BadType(field, f"holds a value of a type that payloads do not have ({kind.__name__})")


_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(0, 0xC0, 0x20)  # the first byte's upper bits (RFC 8949 3.1)
_ONE = [bytes((n,)) for n in range(0x100)]


def _head(major: int, n: int) -> bytes:
    """The shortest head of a major type with its argument (RFC 8949 3)."""
    if n < 24:
        return _ONE[major | n]
    if n < 0x100:
        return _ONE[major | 24] + _ONE[n]
    if n < 0x10000:
        return bytes((major | 25, n >> 8, n & 255))
    if n < 0x100000000:
        return (((major | 26) << 32) + n).to_bytes(5, "big")
    return (((major | 27) << 64) + n).to_bytes(9, "big")


def _write(value: Any, out: list[bytes], field: str, depth: int, text_bytes_max: int) -> None:
    kind = type(value)
    if kind is int:
        _check_int(value, field)
        out.append(_head(_UINT, value) if value >= 0 else _head(_NEGATIVE, ~value))
    elif kind is bytes:
        out += _head(_BYTES, len(value)), value
    elif value is None or kind is bool:
        out.append(b"\xf6" if value is None else b"\xf5" if value else b"\xf4")
    elif kind is str:
        size = check_text(value, field, text_bytes_max)
        out += _head(_TEXT, size), value.encode()
    elif kind is list or kind is tuple:
        _deeper(field, depth)
        out.append(_head(_ARRAY, len(value)))
        _write_all(value, out, field, depth + 1, text_bytes_max)
    elif kind is dict:
        _deeper(field, depth)
        _measured_keys(value, field)
        out.append(_head(_MAP, len(value)))
        for key in sorted(value):
            out.append(_ONE[key] if key < 24 else _head(_UINT, key))
            item = value[key]
            kind = type(item)
            if kind is bytes:
                size = len(item)
                out += _head(_BYTES, size) if size >= 24 else _ONE[_BYTES | size], item
            else:
                _write(item, out, field, depth + 1, text_bytes_max)
    else:
        raise _foreign(field, kind)


def _write_all(values: Iterable[Any], out: list[bytes], field: str, depth: int, text_bytes_max: int) -> None:
    """As `_measured_all`: numbers and bytes are written here, without a call for each."""
    for value in values:
        kind = type(value)
        if kind is int and 0 <= value <= INT_MAX:
            if value < 24:
                out.append(_ONE[value])
            elif 0x10000 <= value < 0x100000000:
                out.append((0x1A00000000 | value).to_bytes(5, "big"))
            else:
                out.append(_head(_UINT, value))
        elif kind is bytes:
            out += _head(_BYTES, len(value)), value
        elif value is None:
            out.append(b"\xf6")
        else:
            _write(value, out, field, depth, text_bytes_max)


def _deeper(field: str, depth: int) -> None:
    if depth >= DEPTH_MAX:
        raise TooLarge(field, f"is nested deeper than {DEPTH_MAX} levels")


def _check_int(value: int, field: str) -> None:
    if not INT_MIN <= value <= INT_MAX:
        raise BadValue(field, "holds an integer outside -2^63..2^63-1")


def check_text(value: str, field: str, bytes_max: int = TEXT_BYTES_MAX) -> int:
    """Its bytes; raises BadValue for text that no payload may hold."""
    if value.isascii() and len(value) <= bytes_max:
        return len(value)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadValue(field, "holds text that is not Unicode") from None
    if size > bytes_max:
        raise BadValue(field, f"holds text of {size} bytes, the limit is {bytes_max}")
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        raise BadValue(field, "holds text that is not in Unicode form NFC")
    return size
