"""From a sensor's bytes to the registers of its profile, whichever format it speaks: the table of formats by name.
It decides nothing about freshness and keeps no state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

from bleak.backends.scanner import AdvertisementData

from tallystick_edge.drivers import bthome
from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_layout import ATC1441, CHARACTERISTICS, PVVX, RUUVI_5, Layout, decode_frame, uuid_of_16
from tallystick_edge.profile import ObjectWire, RadioFormat, Register

COMPANY_RUUVI: Final = 0x0499  # Bluetooth Assigned Numbers, company identifiers
ENVIRONMENTAL: Final = uuid_of_16(0x181A)
VALUE_BYTES_MAX: Final = 512  # Core 5.4 Vol 3 Part F 3.2.9: longest attribute value


class Counted(Protocol):
    """What the replay check needs of a frame."""

    @property
    def counter(self) -> int: ...
    @property
    def counter_bits(self) -> int: ...
    @property
    def plaintext(self) -> bytes: ...


Values = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AdvertFormat:
    """`payload`: this format's bytes in an advert, None when it has none (a scan response, another format).

    `decode` (bytes, address, key, registers) gives the frame and the registers' values; raises BleError."""

    payload: Callable[[AdvertisementData], bytes | None]
    decode: Callable[[bytes, str, bytes | None, Mapping[str, Register]], tuple[Counted, Values]]
    encrypts: bool


def _bthome(data: bytes, address: str, key: bytes | None, registers: Mapping[str, Register]) -> tuple[Counted, Values]:
    advert = bthome.decode_advert(data, address, key)
    return advert, bthome.values_of(advert, registers)


def _tabled(layout: Layout) -> Callable[[bytes, str, bytes | None, Mapping[str, Register]], tuple[Counted, Values]]:
    def decode(
        data: bytes, address: str, key: bytes | None, registers: Mapping[str, Register]
    ) -> tuple[Counted, Values]:
        frame = decode_frame(layout, data, address)
        return frame, scaled(frame.values, registers.values())

    return decode


def _service(uuid: str, size: int | None = None) -> Callable[[AdvertisementData], bytes | None]:
    """Service data of `uuid`, and of `size` bytes where two formats share the service."""

    def payload(advert: AdvertisementData) -> bytes | None:
        data = advert.service_data.get(uuid)
        return data if data is None or size is None or len(data) == size else None

    return payload


def _ruuvi(advert: AdvertisementData) -> bytes | None:
    return advert.manufacturer_data.get(COMPANY_RUUVI)


ADVERTS: Final[Mapping[RadioFormat, AdvertFormat]] = {
    RadioFormat.BTHOME: AdvertFormat(_service(bthome.SERVICE_UUID), _bthome, True),
    RadioFormat.RUUVI_5: AdvertFormat(_ruuvi, _tabled(RUUVI_5), False),
    RadioFormat.ATC1441: AdvertFormat(_service(ENVIRONMENTAL, 13), _tabled(ATC1441), False),
    RadioFormat.PVVX: AdvertFormat(_service(ENVIRONMENTAL, 15), _tabled(PVVX), False),
}


def characteristics(registers: Iterable[Register]) -> tuple[int, ...]:
    """The 16-bit numbers of the characteristics that the registers stand in, in order. A register's key is "2a6e/name".

    Raises BleError value-absent for one that no layout knows."""
    found: dict[int, None] = {}
    for register in registers:
        number, _, name = wire_of(register).key.partition("/")
        try:
            layout = CHARACTERISTICS[int(number, 16)]
        except (KeyError, ValueError):
            raise BleError(BleReason.ABSENT, f"{register.name}: no characteristic {number!r} is known") from None
        if name not in layout.keys:
            raise BleError(BleReason.ABSENT, f"{register.name}: {layout.name} has no {name!r}")
        found[int(number, 16)] = None
    return tuple(found)


def read_values(data: bytes) -> dict[str, int]:
    """Values by "2a6e/name" of characteristics packed by `packed`. Raises BleError bad-frame."""
    values: dict[str, int] = {}
    position = 0
    while position < len(data):
        number = int.from_bytes(data[position : position + 2], "little")
        size = int.from_bytes(data[position + 2 : position + 4], "little")
        value = data[position + 4 : position + 4 + size]
        position += 4 + size
        if number not in CHARACTERISTICS or position > len(data):
            raise BleError(BleReason.FRAME, f"characteristic {number:04x}: unknown or cut short")
        frame = decode_frame(CHARACTERISTICS[number], value, "")
        values.update({f"{number:04x}/{name}": each for name, each in frame.values.items()})
    return values


def packed(values: Mapping[int, bytes]) -> bytes:
    """Characteristics as one evidence text: number (2), length (2), value, little-endian, one after the other."""
    for number, value in values.items():
        if len(value) > VALUE_BYTES_MAX:
            raise BleError(BleReason.FRAME, f"characteristic {number:04x}: {len(value)} bytes")
    return b"".join(
        number.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value for number, value in values.items()
    )


def scaled(values: Values, registers: Iterable[Register]) -> dict[str, int]:
    """Register name -> integer in unit times 10^exponent. Raises BleError value-absent naming the register."""
    found = {}
    for register in registers:
        wire = wire_of(register)
        if wire.key not in values:
            raise BleError(BleReason.ABSENT, f"{register.name}: the device sent no {wire.key}")
        found[register.name] = round(values[wire.key] * wire.times * Fraction(10) ** (wire.scale - register.exponent))
    return found


def wire_of(register: Register) -> ObjectWire:
    """The register's place. Raises BleError value-absent for a Modbus register."""
    if not isinstance(register.wire, ObjectWire):
        raise BleError(BleReason.ABSENT, f"{register.name}: the profile gives no place for it")
    return register.wire
