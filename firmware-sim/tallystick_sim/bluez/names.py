"""Interface names and property types of the org.bluez D-Bus API (BlueZ 5.66, doc/org.bluez.*.rst).
It only says how a value is written on the bus and never holds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dbus_fast import Variant

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
SERVICE: Final = "org.bluez.GattService1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
MONITOR_MANAGER: Final = "org.bluez.AdvertisementMonitorManager1"
MONITOR: Final = "org.bluez.AdvertisementMonitor1"

type_of_property: Final[Mapping[str, str]] = {
    "Adapter": "o",
    "Address": "s",
    "AddressType": "s",
    "Alias": "s",
    "Class": "u",
    "Connected": "b",
    "Device": "o",
    "Discoverable": "b",
    "Discovering": "b",
    "Flags": "as",
    "MTU": "q",
    "ManufacturerData": "a{qv}",
    "Name": "s",
    "Notifying": "b",
    "Paired": "b",
    "Powered": "b",
    "Primary": "b",
    "RSSI": "n",
    "Roles": "as",
    "Service": "o",
    "ServiceData": "a{sv}",
    "ServicesResolved": "b",
    "SupportedFeatures": "as",
    "SupportedMonitorTypes": "as",
    "Trusted": "b",
    "UUID": "s",
    "UUIDs": "as",
    "Value": "ay",
}


def variant(name: str, value: object) -> Variant:
    """`value` as the D-Bus variant bluetoothd uses for property `name`; KeyError for one not in the table."""
    signature = type_of_property[name]
    if isinstance(value, Mapping):
        value = {key: Variant("ay", bytes(data)) for key, data in value.items()}
    return Variant(signature, value)


def variants(properties: Mapping[str, object]) -> dict[str, Variant]:
    return {name: variant(name, value) for name, value in properties.items()}


def uuid_of_16(number: int) -> str:
    """The 128-bit form of a 16-bit Bluetooth UUID."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"
