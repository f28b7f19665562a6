"""What is in the air: one scan of some seconds, and which profiles know each device that was heard.
For installing and for finding out; it connects to nothing, keeps nothing and bills nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from tallystick_edge.drivers.ble_errors import BleError, BleReason
from tallystick_edge.drivers.ble_formats import ADVERTS, ENVIRONMENTAL, wire_of
from tallystick_edge.drivers.ble_layout import uuid_of_16
from tallystick_edge.drivers.ble_scanner import reason_of
from tallystick_edge.drivers.shelly import SERVICE_UUID as SHELLY_SERVICE
from tallystick_edge.profile import Profile, ProfileKind, RadioFormat, Register, RegisterKind

CALL_S: Final = 10.0
COMPANY_SHELLY: Final = 0x0BA9  # Bluetooth Assigned Numbers: Allterco Robotics
SERVICES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {  # of the Bluetooth SIG; characteristics of each
    uuid_of_16(0x1816): ("Cycling Speed and Cadence service", ("2a5b",)),
    uuid_of_16(0x181D): ("Weight Scale service", ("2a9d",)),
    ENVIRONMENTAL: ("Environmental Sensing service", ("2a6d", "2a6e", "2a6f")),
}
FORMATS: Final[Mapping[RadioFormat, str]] = {
    RadioFormat.BTHOME: "BTHome v2",
    RadioFormat.RUUVI_5: "Ruuvi data format 5",
    RadioFormat.ATC1441: "atc1441 thermometer",
    RadioFormat.PVVX: "pvvx thermometer",
}


class KeyNeed(StrEnum):
    """Whether a device's adverts can be read without a key, and whether the one that is known fits."""

    NONE = "none"
    NEEDED = "needed"
    FITS = "fits"
    WRONG = "wrong"


@dataclass(slots=True)
class Heard:
    """A device as its adverts add up: address as BlueZ writes it, `rssi` of the last one in dBm."""

    address: str
    name: str | None = None
    rssi: int = 0
    adverts: int = 0
    rotates: bool = False  # a private address, which a phone changes every quarter of an hour
    services: set[str] = field(default_factory=set)
    service_data: dict[str, bytes] = field(default_factory=dict)
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)

    def take(self, device: BLEDevice, advert: AdvertisementData) -> None:
        """A device says some things in its adverts and others in its scan responses."""
        self.name = advert.local_name or device.name or self.name
        self.rssi = advert.rssi
        self.adverts += 1
        self.rotates = is_private(self.address, _address_type(device))
        self.services.update(uuid.lower() for uuid in advert.service_uuids)
        self.service_data.update(advert.service_data)
        self.manufacturer_data.update(advert.manufacturer_data)

    def advert(self) -> AdvertisementData:
        """All of it as one advert, which is what formats look at."""
        services = sorted(self.services)
        return AdvertisementData(
            self.name,
            self.manufacturer_data,
            self.service_data,
            services,
            tx_power=None,
            rssi=self.rssi,
            platform_data=(),
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What a device was recognised as. `profiles`: those that read it (of an encrypted one, those that may).

    `values`: what the first of them reads now, by register. `detail`: why nothing can be read, where that is so."""

    what: str
    profiles: tuple[Profile, ...]
    key: KeyNeed = KeyNeed.NONE
    values: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""


Enough = Callable[[Mapping[str, Heard]], bool]
"""Whether what was heard so far will do, by address."""


async def listen(device: str | None, seconds: float, enough: Enough) -> dict[str, Heard]:
    """All devices whose adverts come within `seconds`, by address; ends before once `enough` says so, asked at each.

    `device`: adapter as BlueZ names it, None for the first. Raises BleError when scanning does not start."""
    found: dict[str, Heard] = {}
    done = asyncio.Event()

    def take(one: BLEDevice, advert: AdvertisementData) -> None:
        address = one.address.upper()
        found.setdefault(address, Heard(address)).take(one, advert)
        if enough(found):
            done.set()

    scanner = BleakScanner(take, bluez={**({"adapter": device} if device else {}), "filters": {"DuplicateData": True}})
    try:
        async with asyncio.timeout(CALL_S):
            await scanner.start()
    except Exception as error:  # bleak and dbus-fast let out whatever broke below; all of it means: not scanning
        raise not_scanning(error) from error
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await done.wait()
    finally:
        with suppress(Exception):  # whatever bleak lets out when the bus died meanwhile; what was heard was heard
            async with asyncio.timeout(CALL_S):
                await scanner.stop()
    return found


def not_scanning(error: Exception) -> BleError:
    """Why the scan did not start. A bus or BlueZ that says no to this user is told from one that is not there."""
    text = str(error) or type(error).__name__
    if isinstance(error, PermissionError) or "AccessDenied" in text or "NotPermitted" in text:
        return BleError(BleReason.NOT_PERMITTED, text)
    if isinstance(error, TimeoutError) or "ServiceUnknown" in text:
        return BleError(BleReason.BUS_GONE, "BlueZ does not answer" if isinstance(error, TimeoutError) else text)
    return BleError(reason_of(error), text)


def recognise(heard: Heard, profiles: Iterable[Profile], key: bytes | None = None) -> Known | None:
    """What a device is, by what it advertises; None for one that no profile and no format knows. `key`: as planned."""
    mine = [one for one in profiles if one.kind is not ProfileKind.MODBUS]
    for format, name in FORMATS.items():
        data = ADVERTS[format].payload(heard.advert())
        if data is not None:
            return _by_advert(name, [one for one in mine if one.format is format], data, heard.address, key)
    if SHELLY_SERVICE in heard.services or COMPANY_SHELLY in heard.manufacturer_data:
        return Known("Shelly", tuple(one for one in mine if one.format is RadioFormat.SHELLY_RPC))
    for uuid, (name, numbers) in SERVICES.items():
        if uuid in heard.services:
            return Known(name, tuple(one for one in mine if _reads(one, numbers)))
    return None


def _by_advert(name: str, profiles: Sequence[Profile], data: bytes, address: str, key: bytes | None) -> Known:
    """Profiles of a format whose registers the bytes hold."""
    good: list[tuple[Profile, Mapping[str, int]]] = []
    trouble = BleError(BleReason.ABSENT, "no profile reads this format")
    for profile in profiles:
        format = ADVERTS[profile.format]
        try:
            _, values = format.decode(data, address, key if format.encrypts else None, profile.registers)
            good.append((profile, values))
        except BleError as error:
            trouble = error
    if good:
        need = KeyNeed.NONE if key is None else KeyNeed.FITS
        return Known(_named(name, key is not None), tuple(profile for profile, _ in good), need, good[0][1])
    match trouble.reason:
        case BleReason.KEY_MISSING:
            return Known(_named(name, True), tuple(profiles), KeyNeed.NEEDED)
        case BleReason.KEY_WRONG:
            return Known(_named(name, True), tuple(profiles), KeyNeed.WRONG, detail=trouble.detail)
        case _:
            return Known(name, (), detail=trouble.detail)


def _named(name: str, encrypted: bool) -> str:
    return f"{name}, encrypted" if encrypted else name


def _reads(profile: Profile, numbers: Sequence[str]) -> bool:
    if profile.format not in (RadioFormat.GATT_READ, RadioFormat.GATT_NOTIFY):
        return False
    return all(wire_of(one).key.partition("/")[0] in numbers for one in profile.registers.values())


def billed(profile: Profile) -> tuple[Register, ...]:
    """The registers to put into a plan: counters, or everything of a device that has none."""
    registers = tuple(profile.registers.values())
    return tuple(one for one in registers if one.kind is RegisterKind.COUNTER) or registers


def is_private(address: str, kind: str | None) -> bool:
    """Whether a random address is of the kinds that change: resolvable and non-resolvable (Core Vol 6 Part B 1.3.2)."""
    return kind == "random" and int(address[:2], 16) >> 6 in (0b00, 0b01)


def _address_type(device: BLEDevice) -> str | None:
    details = device.details
    properties = details.get("props", {}) if isinstance(details, dict) else {}
    kind = properties.get("AddressType")
    return kind if isinstance(kind, str) else None
