"""BTHome v2 adverts into integers, plain and AES-CCM (bthome.io/format and bthome.io/encryption).
A pure table decoder: it keeps no state, so whether an advert is an old one is decided in `ble_replay.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.profile import ObjectWire, Register

SERVICE_UUID: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
SERVICE_DATA_BYTES_MAX: Final = 255  # an extended advertisement's longest AD structure; legacy ones carry 29
KEY_BYTES: Final = 16
PACKET_ID: Final = 0x00

_ENCRYPTED: Final = 0x01  # bits of the device information byte
_ADDRESS_INCLUDED: Final = 0x02
_VERSION_SHIFT: Final = 5
_VERSION: Final = 2
_ADDRESS_BYTES: Final = 6
_COUNTER_BYTES: Final = 4
_MIC_BYTES: Final = 4
_TEXT: Final = 0x53  # text and raw carry their length in a byte
_RAW: Final = 0x54


def _sizes() -> Mapping[int, int]:
    """Object id -> bytes of its value, bthome.io/format as of 2025-11. Unlisted ids end the reading of an advert."""
    one = [0x00, 0x01, 0x09, *range(0x0F, 0x12), *range(0x15, 0x30), 0x3A, 0x46, 0x57, 0x58, 0x59, 0x60, 0x64, 0x65]
    two = [0x02, 0x03, 0x06, 0x07, 0x08, 0x0C, 0x0D, 0x0E, 0x12, 0x13, 0x14, 0x3C, 0x3D, 0x3F, 0x40, 0x41]
    two += [0x43, 0x44, 0x45, 0x47, 0x48, 0x49, 0x4A, 0x51, 0x52, 0x56, 0x5A, 0x5D, 0x5E, 0x5F, 0x61, 0xF0]
    three = [0x04, 0x05, 0x0A, 0x0B, 0x42, 0x4B, 0xF2]
    four = [0x3E, 0x4C, 0x4D, 0x4E, 0x4F, 0x50, 0x55, 0x5B, 0x5C, 0x62, 0x63, 0xF1]
    return {number: size for size, ids in ((1, one), (2, two), (3, three), (4, four)) for number in ids}


SIZES: Final = _sizes()
SIGNED: Final = frozenset({0x02, 0x08, 0x3F, 0x45, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x5C, 0x5D, 0x62, 0x63})


@dataclass(frozen=True, slots=True)
class Advert:
    """A decoded advert: `objects` in order as (object id, raw integer).

    `counter` and `counter_bits` for the replay check: (n, 32) encrypted, (n, 8) plain with packet id, (0, 0) without.
    `unknown`: id at which reading stopped, None when everything was read. `plaintext`: the objects' bytes."""

    counter: int
    counter_bits: int
    objects: tuple[tuple[int, int], ...]
    plaintext: bytes = field(repr=False)
    unknown: int | None = None


def decode_advert(data: bytes, address: str, key: bytes | None) -> Advert:
    """Read the service data `data` of the device `address` ("A4:C1:38:00:11:22").

    With `key` (16 bytes) only an encrypted advert is taken. Raises BleError with reason bad-frame, unsupported-version,
    key-missing, wrong-key-or-forged or unencrypted-although-keyed."""
    if not data or len(data) > SERVICE_DATA_BYTES_MAX:
        raise BleError(BleReason.FRAME, f"service data: {len(data)} bytes, must be 1 to {SERVICE_DATA_BYTES_MAX}")
    info = data[0]
    if info >> _VERSION_SHIFT != _VERSION:
        raise BleError(BleReason.VERSION, f"device information: version {info >> _VERSION_SHIFT}, only 2 is read")
    mac, body = _address(info, address, data[1:])
    if info & _ENCRYPTED:
        if key is None:
            raise BleError(BleReason.KEY_MISSING, "the sensor encrypts; give its bind key as `key` of the meter")
        counter, plaintext = _decrypt(info, mac, body, key)
        objects, unknown = _objects(plaintext)
        return Advert(counter, 32, objects, plaintext, unknown)
    if key is not None:
        raise BleError(BleReason.DOWNGRADE, "a key is set, so an unencrypted advert may be forged and is not taken")
    objects, unknown = _objects(body)
    packet = next((raw for number, raw in objects if number == PACKET_ID), None)
    return Advert(packet or 0, 0 if packet is None else 8, objects, body, unknown)


def values_of(advert: Advert, registers: Mapping[str, Register]) -> dict[str, int]:
    """Register name -> integer in unit times 10^exponent. A register's key is the object id, "0x4f", or "0x4f#2"
    for the second of that id. Raises BleError value-absent naming the register."""
    values: dict[str, int] = {}
    for register in registers.values():
        wire = register.wire
        if not isinstance(wire, ObjectWire):
            raise BleError(BleReason.ABSENT, f"{register.name}: the profile gives no BTHome object for it")
        raw = _find(advert, register.name, wire.key)
        values[register.name] = round(raw * Fraction(10) ** (wire.scale - register.exponent))
    return values


def _find(advert: Advert, name: str, key: str) -> int:
    number, _, position = key.partition("#")
    found = [raw for object_id, raw in advert.objects if object_id == int(number, 16)]
    place = int(position or "1")
    if len(found) < place:
        stopped = "" if advert.unknown is None else f"; reading stopped at unknown object {advert.unknown:#04x}"
        raise BleError(BleReason.ABSENT, f"{name}: the advert has no object {key}{stopped}")
    return found[place - 1]


def _address(info: int, heard: str, body: bytes) -> tuple[bytes, bytes]:
    """The address that goes into the nonce: the one included in the advert, else the one it came from."""
    if not info & _ADDRESS_INCLUDED:
        return bytes.fromhex(heard.replace(":", "")), body
    if len(body) < _ADDRESS_BYTES:
        raise BleError(BleReason.FRAME, f"address: {len(body)} bytes left, 6 were announced")
    return body[:_ADDRESS_BYTES][::-1], body[_ADDRESS_BYTES:]


def _decrypt(info: int, mac: bytes, body: bytes, key: bytes) -> tuple[int, bytes]:
    if len(body) <= _COUNTER_BYTES + _MIC_BYTES:
        raise BleError(BleReason.FRAME, f"encrypted payload: {len(body)} bytes, counter and MIC alone take 8")
    sealed, counter = body[: -_COUNTER_BYTES - _MIC_BYTES], body[-_COUNTER_BYTES - _MIC_BYTES : -_MIC_BYTES]
    nonce = mac + b"\xd2\xfc" + bytes([info]) + counter
    try:
        plaintext = AESCCM(key, tag_length=_MIC_BYTES).decrypt(nonce, sealed + body[-_MIC_BYTES:], None)
    except InvalidTag:
        detail = "the message check failed; compare `key` of the meter with the sensor's app"
        raise BleError(BleReason.KEY_WRONG, detail) from None
    return int.from_bytes(counter, "little"), plaintext


def _objects(body: bytes) -> tuple[tuple[tuple[int, int], ...], int | None]:
    objects: list[tuple[int, int]] = []
    position = 0
    while position < len(body):
        number, position = body[position], position + 1
        if number in (_TEXT, _RAW):
            position += 1 + _length_byte(body, position, number)
            _check_end(body, position, number)
            continue
        size = SIZES.get(number)
        if size is None:
            return tuple(objects), number
        position += size
        _check_end(body, position, number)
        raw = int.from_bytes(body[position - size : position], "little", signed=number in SIGNED)
        objects.append((number, raw))
    return tuple(objects), None


def _length_byte(body: bytes, position: int, number: int) -> int:
    _check_end(body, position + 1, number)
    return body[position]


def _check_end(body: bytes, end: int, number: int) -> None:
    if end > len(body):
        raise BleError(BleReason.FRAME, f"object {number:#04x}: the advert ends {end - len(body)} bytes too early")
