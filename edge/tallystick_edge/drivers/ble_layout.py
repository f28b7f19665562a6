"""Radio formats whose values stand at fixed places, as a table: which bytes, which sign and factor, what means none.
A pure decoder: it keeps no state and knows neither adapters nor profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick_edge.drivers.ble_errors import BleError, BleReason

_SIG_BASE: Final = "-0000-1000-8000-00805f9b34fb"  # Core Vol 3 Part B 2.5.1


def uuid_of_16(number: int) -> str:
    """The 128-bit form of a 16-bit Bluetooth UUID, as bleak writes it."""
    return f"0000{number:04x}{_SIG_BASE}"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one value stands: raw = `size` bytes, of them `bits` (low bit, count); value = raw x `times` + `plus`.

    `absent`: raw by which the device says that it has none. `when`: bits of the first byte (flags), of which one is set
    when the value is there at all; those behind it move up when it is not. `shared`: the next reads the same bytes."""

    key: str
    size: int
    signed: bool = False
    bits: tuple[int, int] | None = None
    times: int = 1
    plus: int = 0
    absent: int | None = None
    when: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A format. `head`: bytes it begins with. `counter`: key of the packet counter and its bits, for the replay check.

    `longer`: newer devices may add bytes. `refuse`: flag bits that change what the values mean, with what to do."""

    name: str
    order: Literal["little", "big"]
    spots: tuple[Spot, ...]
    head: bytes = b""
    counter: tuple[str, int] | None = None
    address: Literal["", "forwards", "backwards"] = ""
    longer: bool = False
    refuse: Mapping[int, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(spot.key for spot in self.spots)


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: `values` by key, without those the device has none of. Counter as in `bthome.Advert`."""

    counter: int
    counter_bits: int
    values: Mapping[str, int]
    plaintext: bytes = field(repr=False)


def decode_frame(layout: Layout, data: bytes, address: str) -> Frame:
    """Read `data` of the device `address`. Raises BleError bad-frame, naming what is out of place."""
    if not data.startswith(layout.head):
        raise BleError(BleReason.FRAME, f"{layout.name}: begins with {data[:2].hex()}, not {layout.head.hex()}")
    flags = data[0] if data else 0
    for bit, why in layout.refuse.items():
        if flags & bit:
            raise BleError(BleReason.FRAME, f"{layout.name}: {why}")
    position, raws = len(layout.head), {}
    if layout.address:
        position += _check_address(layout, data[position : position + 6], address)
    for spot in layout.spots:
        if spot.when and not flags & spot.when:
            continue
        if position + spot.size > len(data):
            raise BleError(BleReason.FRAME, f"{layout.name}: {len(data)} bytes end before {spot.key}")
        raws[spot.key] = int.from_bytes(data[position : position + spot.size], layout.order, signed=spot.signed)
        position += 0 if spot.shared else spot.size
    if position < len(data) and not layout.longer:
        raise BleError(BleReason.FRAME, f"{layout.name}: {len(data)} bytes, {position} expected")
    values = {spot.key: value for spot in layout.spots if (value := _value(spot, raws.get(spot.key))) is not None}
    key, bits = layout.counter or ("", 0)
    return Frame(raws.get(key, 0), bits if key in values else 0, values, data)


def _value(spot: Spot, raw: int | None) -> int | None:
    if raw is None:
        return None
    if spot.bits is not None:
        low, count = spot.bits
        raw = raw >> low & (1 << count) - 1
    return None if raw == spot.absent else raw * spot.times + spot.plus


def _check_address(layout: Layout, found: bytes, address: str) -> int:
    """A frame that names another device than the one it came from was made by a third."""
    own = bytes.fromhex(address.replace(":", ""))
    if found != (own if layout.address == "forwards" else own[::-1]):
        raise BleError(BleReason.FRAME, f"{layout.name}: names the address {found.hex()}, it came from {address}")
    return len(found)


_NO_INT16: Final = -(2**15)
_NO_UINT16: Final = 2**16 - 1

# Ruuvi data format 5 (RAWv2), docs.ruuvi.com, "Data format 5": manufacturer data of company 0x0499.
RUUVI_5: Final = Layout(
    "ruuvi-5",
    "big",
    (
        Spot("temperature", 2, signed=True, times=5, absent=_NO_INT16),  # 0.005 degrees
        Spot("humidity", 2, times=25, absent=_NO_UINT16),  # 0.0025 %
        Spot("pressure", 2, plus=50_000, absent=_NO_UINT16),  # Pa above 50 kPa
        Spot("acceleration_x", 2, signed=True, absent=_NO_INT16),
        Spot("acceleration_y", 2, signed=True, absent=_NO_INT16),
        Spot("acceleration_z", 2, signed=True, absent=_NO_INT16),
        Spot("battery", 2, bits=(5, 11), plus=1_600, absent=2**11 - 1, shared=True),  # mV above 1.6 V
        Spot("power", 2, bits=(0, 5), times=2, plus=-40, absent=2**5 - 1),  # dBm
        Spot("movements", 1, absent=255),
        Spot("sequence", 2, absent=_NO_UINT16),
        Spot("address", 6),
    ),
    head=b"\x05",
    counter=("sequence", 16),
)

# atc1441/ATC_MiThermometer, README, "Advertising format of the custom firmware": service data of 0x181A.
ATC1441: Final = Layout(
    "atc1441",
    "big",
    (
        Spot("temperature", 2, signed=True),  # 0.1 degrees
        Spot("humidity", 1),  # %
        Spot("battery_percent", 1),
        Spot("battery", 2),  # mV
        Spot("packet", 1),
    ),
    counter=("packet", 8),
    address="forwards",
)

# pvvx/ATC_MiThermometer, README, "Custom format (all data little-endian)": service data of 0x181A.
PVVX: Final = Layout(
    "pvvx",
    "little",
    (
        Spot("temperature", 2, signed=True),  # 0.01 degrees
        Spot("humidity", 2),  # 0.01 %
        Spot("battery", 2),  # mV
        Spot("battery_percent", 1),
        Spot("packet", 1),
        Spot("flags", 1),
    ),
    counter=("packet", 8),
    address="backwards",
)

# Bluetooth SIG, GATT Specification Supplement: the value of each characteristic. By its 16-bit number.
CHARACTERISTICS: Final[Mapping[int, Layout]] = {
    0x2A6E: Layout("temperature", "little", (Spot("temperature", 2, signed=True, absent=_NO_INT16),)),  # 0.01 degrees
    0x2A6F: Layout("humidity", "little", (Spot("humidity", 2, absent=_NO_UINT16),)),  # 0.01 %
    0x2A6D: Layout("pressure", "little", (Spot("pressure", 4),)),  # 0.1 Pa
    0x2A5B: Layout(  # CSC Measurement: cumulative, wheel and crank each with the time of the last turn in 1/1024 s
        "csc-measurement",
        "little",
        (
            Spot("flags", 1),
            Spot("wheel_revolutions", 4, when=0x01),
            Spot("wheel_time", 2, when=0x01),
            Spot("crank_revolutions", 2, when=0x02),
            Spot("crank_time", 2, when=0x02),
        ),
        longer=True,
    ),
    0x2A9D: Layout(  # Weight Measurement
        "weight-measurement",
        "little",
        (
            Spot("flags", 1),
            Spot("weight", 2, times=5, absent=_NO_UINT16),  # 0.005 kg; 0xFFFF: could not be measured
            Spot("year", 2, when=0x02, absent=0),
            Spot("month", 1, when=0x02, absent=0),
            Spot("day", 1, when=0x02, absent=0),
            Spot("hour", 1, when=0x02),
            Spot("minute", 1, when=0x02),
            Spot("second", 1, when=0x02),
            Spot("user", 1, when=0x04),
            Spot("bmi", 2, when=0x08),
            Spot("height", 2, when=0x08),
        ),
        longer=True,
        refuse={0x01: "the scale weighs in pounds; set it to kilograms"},
    ),
}
