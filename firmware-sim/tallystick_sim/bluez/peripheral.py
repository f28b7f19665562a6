"""A simulated Bluetooth device: what it advertises and the GATT services it offers once connected.
It is pure state with hooks and never touches the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MTU_DEFAULT: Final = 247  # what BlueZ and an ESP32 agree on: 251-byte link packets less the L2CAP header
VALUE_BYTES_MAX: Final = 512  # Bluetooth Core 5.4, Vol 3 Part F 3.2.9: longest attribute value


@dataclass(slots=True, eq=False)
class Characteristic:
    """One characteristic; `on_read` and `on_write` make it behave, without them it keeps a value.

    `flags` as BlueZ writes them: "read", "write", "write-without-response", "notify", "indicate"."""

    uuid: str
    flags: tuple[str, ...]
    value: bytes = b""
    on_read: Callable[[], bytes] | None = None
    on_write: Callable[[bytes], None] | None = None
    notifying: bool = False

    def read(self) -> bytes:
        if self.on_read is not None:
            self.value = self.on_read()
        return self.value

    def write(self, data: bytes) -> None:
        self.value = data
        if self.on_write is not None:
            self.on_write(data)


@dataclass(slots=True, eq=False)
class Service:
    """A primary GATT service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


@dataclass(slots=True, eq=False)
class Peripheral:
    """A device in the air. `present` is False while it is out of range or without power.

    `service_data` by 128-bit UUID text, `manufacturer_data` by company number; `on_link` hears True and False.
    `pairing_required`: reads and writes are refused until the client has paired."""

    address: str
    name: str | None = None
    address_type: str = "public"
    services: tuple[Service, ...] = ()
    service_data: dict[str, bytes] = field(default_factory=dict)
    manufacturer_data: dict[int, bytes] = field(default_factory=dict)
    rssi: int = -60
    mtu: int = MTU_DEFAULT
    present: bool = True
    connectable: bool = True
    pairing_required: bool = False
    connected: bool = False
    paired: bool = False
    on_link: Callable[[bool], None] | None = None

    def link(self, up: bool) -> None:
        """The link came up or went down."""
        self.connected = up
        if not up:
            for service in self.services:
                for characteristic in service.characteristics:
                    characteristic.notifying = False
        if self.on_link is not None:
            self.on_link(up)
