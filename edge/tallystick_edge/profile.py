"""A meter's profile: which registers it has, what they mean, how to recognise it, and where that is written down.
Profiles are data (TOML files beside this module); nothing here talks to a meter or knows a make by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PROFILES = Path(__file__).with_name("profiles")  # importlib.resources takes half a MiB of memory to find the same
PROFILE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TURNAROUND_MS = 20  # usual for a DIN-rail meter; only the cost model of merged reads uses it
PROFILE_BYTES_MAX = 65_536  # the largest of ours has 4 kB; a profile is read whole into memory


class ProfileKind(StrEnum):
    """Which driver reads it."""

    MODBUS = "modbus"
    BLE_ADVERT = "ble-advert"
    BLE_GATT = "ble-gatt"


class RadioFormat(StrEnum):
    """How a Bluetooth device says its values. Adverts: BTHome v2, Ruuvi data format 5, the two of ATC_MiThermometer.
    Connected: Shelly's JSON-RPC, characteristics that are read, characteristics that notify or indicate."""

    NONE = "none"
    BTHOME = "bthome"
    RUUVI_5 = "ruuvi-5"
    ATC1441 = "atc1441"
    PVVX = "pvvx"
    SHELLY_RPC = "shelly-rpc"
    GATT_READ = "gatt-read"
    GATT_NOTIFY = "gatt-notify"


class RegisterKind(StrEnum):
    """A counter never falls and may be billed; a gauge may fall by design and is never priced."""

    COUNTER = "counter"
    GAUGE = "gauge"


class WireType(StrEnum):
    """Encoding of a Modbus value; `text` is UTF-8 padded with NUL or blanks and only serves identity."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    TEXT = "text"


class WordOrder(StrEnum):
    """Order of the 16-bit words of a longer value; inside a word Modbus is always high byte first."""

    HIGH_FIRST = "high-first"
    LOW_FIRST = "low-first"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """`count` registers from wire address `address` of one function code (3 holding, 4 input)."""

    function: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """First address behind the span."""
        return self.address + self.count

    def covers(self, other: Span) -> bool:
        """Whether `other` lies inside this span."""
        return self.function == other.function and self.address <= other.address and other.end <= self.end

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a register."""
        return self.function == other.function and self.address < other.end and other.address < self.end


@dataclass(frozen=True, slots=True)
class ModbusWire:
    """Where and how a value stands in the register map. raw times 10^scale is in the register's unit.

    `absent`: raw words by which the meter says that it has no value.
    Registers of one `atomic` group are always read in one request.
    `powers`: registers that say a further power of ten. `plus`: the rest of a counter kept in two registers."""

    span: Span
    type: WireType
    words: WordOrder
    scale: int
    absent: tuple[tuple[int, ...], ...] = ()
    atomic: str | None = None
    powers: tuple[PowerWire, ...] = ()
    plus: PlusWire | None = None


@dataclass(frozen=True, slots=True)
class PowerWire:
    """A register that says by which power of ten the value beside it counts: as a number, or as a unit code.

    `codes`: unit code -> power of ten, None when the register is the power itself."""

    wire: ModbusWire
    codes: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PlusWire:
    """The finer part of a counter, read in one request with the coarser one; its raw value is below `below`."""

    wire: ModbusWire
    below: int


@dataclass(frozen=True, slots=True)
class ObjectWire:
    """A value found by name: a BTHome object id, a path in a JSON answer, "2a6e/temperature" of a characteristic.
    raw times `times` times 10^scale is in the register's unit. `sum`: single measurements, added up to a counter."""

    key: str
    scale: int
    times: int = 1
    sum: bool = False


@dataclass(frozen=True, slots=True)
class Register:
    """One value of the meter as the rest of the program sees it: an integer in `unit` times 10^`exponent`.

    `quantity`: OBIS code where one exists.
    `modulus`: the value at which a counter starts again at 0, None when unknown.
    `rated_max_per_h`: most that can be counted in an hour at rated power, in value units; None for gauges.
    `step`: by how much the value moves at once where `scale` does not say it, in value units."""

    name: str
    quantity: str
    unit: str
    exponent: int
    kind: RegisterKind
    wire: ModbusWire | ObjectWire
    modulus: int | None = None
    rated_max_per_h: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A value by which the meter is recognised: the whole text, a part of it, or a number from .. to."""

    wire: ModbusWire
    equals: str | None = None
    contains: str | None = None
    between: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """How to tell this meter from others and where its serial number stands (None: it tells none).

    `weak`: why the probes prove little; such a profile is tried last, and named with a question mark."""

    probes: tuple[Probe, ...]
    serial: ModbusWire | None
    weak: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for: at most `registers_max`, and never across a `forbidden` hole.

    `turnaround_ms`: how long the meter usually thinks; the cost model weighs one more request by it."""

    registers_max: int
    forbidden: tuple[Span, ...] = ()
    turnaround_ms: int = TURNAROUND_MS


@dataclass(frozen=True, slots=True)
class Source:
    """The document the map was taken from, and the page in it.

    `checked`: the independent source it was compared with. `unchecked`: what nobody could compare yet; counters of
    such a profile are billed only when the plan says who compared them with the meter's display."""

    document: str
    page: str
    note: str | None = None
    checked: str | None = None
    unchecked: str | None = None


@dataclass(frozen=True, slots=True)
class RawRead:
    """Words of one answered request."""

    span: Span
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Vector:
    """Raw input (`reads` for Modbus, `payload` for Bluetooth) and the values it must give.

    `absent`: registers for which the meter answers that it has no value."""

    name: str
    reads: tuple[RawRead, ...]
    payload: bytes
    expect: Mapping[str, int]
    serial: str | None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile; `sha256` is of the file's bytes and goes into the channel's descriptor."""

    name: str
    sha256: bytes
    kind: ProfileKind
    vendor: str
    model: str
    source: Source
    registers: Mapping[str, Register]
    vectors: tuple[Vector, ...]
    identity: Identity | None
    limits: Limits | None
    format: RadioFormat = RadioFormat.NONE


class ProfileError(ValueError):
    """A profile that cannot be used: "<file>: <key>: <reason>".
    Next step: correct that key, or name another profile."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}")
        self.file = file
        self.key = key
        self.reason = reason


def profile_names(own: Path | None = None) -> tuple[str, ...]:
    """Names of all profiles that come with the program, and of those in the folder `own`, sorted.

    Raises ProfileError when a file in `own` takes the name of one that comes with the program."""
    names = {path.stem for path in PROFILES.glob("*.toml")}
    if own is not None:
        added = {path.stem for path in own.glob("*.toml")}
        for name in sorted(added & names):
            raise ProfileError(f"{name}.toml", "name", "is the name of a profile that comes with the program")
        names |= added
    return tuple(sorted(names))


def load_profile(name: str, own: Path | None = None) -> Profile:
    """The profile of that name, from the program or from the folder `own`. Raises ProfileError: file, key, reason."""
    from tallystick_edge.profile_toml import parse_profile

    file = f"{name}.toml"
    if not PROFILE_NAME.fullmatch(name):
        raise ProfileError(file, "name", "is not lower case letters and digits joined by single hyphens")
    names = profile_names(own)
    if name not in names:
        raise ProfileError(file, "name", f"no such profile; there are: {', '.join(names)}")
    if name in profile_names():
        data = (PROFILES / file).read_bytes()
    else:
        data = read_own(Path() if own is None else own / file)
    return parse_profile(name, data)


def read_own(path: Path) -> bytes:
    """The bytes of a profile file, at most as many as a profile may have. Raises ProfileError."""
    try:
        with path.open("rb") as file:
            return file.read(PROFILE_BYTES_MAX + 1)
    except OSError as error:
        raise ProfileError(path.name, "(file)", f"cannot be read: {error.strerror or error}") from None
