"""The radio as bluetoothd shows it: power, discovery sessions, advertisement monitors, and adverts heard.
It never connects to a device; that is `links.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dbus_fast import Message, MessageFlag, MessageType

from tallystick_sim.bluez.errors import does_not_exist, failed, in_progress, not_ready
from tallystick_sim.bluez.names import ADAPTER, DEVICE, MONITOR, MONITOR_MANAGER, PROPERTIES
from tallystick_sim.bluez.peripheral import Peripheral
from tallystick_sim.bluez.tree import Interfaces, ObjectTree

MONITOR_FETCH_S: Final = 0.02  # bluetoothd reads a monitor after its reply; bleak exports it in between
RSSI_THRESHOLD_DB: Final = 8  # BlueZ src/adapter.c RSSI_THRESHOLD: smaller changes are not told without DuplicateData
AD_SERVICE_DATA_16: Final = 0x16  # Bluetooth Assigned Numbers 2.3, common data types
AD_MANUFACTURER: Final = 0xFF
SIG_BASE_UUID: Final = "-0000-1000-8000-00805f9b34fb"  # Core Vol 3 Part B 2.5.1: what a 16-bit UUID abbreviates

Pattern = tuple[int, int, bytes]  # offset, AD type, content
Reach = Callable[[Message, Callable[[Message], None] | None], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """An advert's content as last told to the clients."""

    service_data: dict[str, bytes]
    manufacturer_data: dict[int, bytes]
    rssi: int


class Adapter:
    """One adapter, `name` like hci0, with the peripherals around it.

    `muted` and `wedged` silence the air without any error; `wedged` ends with the next power-on."""

    def __init__(self, tree: ObjectTree, reach: Reach, name: str = "hci0") -> None:
        self.path = f"/org/bluez/{name}"
        self.muted = False
        self.wedged = False
        self._tree = tree
        self._reach = reach
        self._around: dict[str, Peripheral] = {}
        self._heard: dict[str, Heard] = {}
        self._discoveries: dict[str, bool] = {}  # client -> whether it wants duplicates
        self._wants_duplicates: dict[str, bool] = {}
        self._monitors: dict[tuple[str, str], tuple[Pattern, ...]] = {}
        self.plug_in()

    @property
    def plugged(self) -> bool:
        return self.path in self._tree

    @property
    def powered(self) -> bool:
        return self.plugged and self._tree.properties(self.path, ADAPTER)["Powered"] is True

    @property
    def discovering(self) -> bool:
        return bool(self._discoveries)

    def plug_in(self) -> None:
        """The adapter appears, powered and with no device known."""
        if not self.plugged:
            self.wedged = False
            self._tree.add(self.path, _adapter_object())

    def pull_out(self) -> None:
        """The adapter and every device under it disappear; discoveries and monitors end silently."""
        self._discoveries.clear()
        self._monitors.clear()
        self._forget_all()
        self._tree.remove(self.path)

    def set_powered(self, on: bool) -> None:
        """Power off ends every discovery and link; power on does not start them again, as in bluetoothd."""
        if on == self.powered:
            return
        if on:
            self.wedged = False
        else:
            self._discoveries.clear()
            self._tree.change(self.path, ADAPTER, {"Discovering": False})
        self._tree.change(self.path, ADAPTER, {"Powered": on})

    def device_path(self, peripheral: Peripheral) -> str:
        return f"{self.path}/dev_{peripheral.address.upper().replace(':', '_')}"

    def add(self, peripheral: Peripheral) -> None:
        """Put a device within reach; it is in the tree only once heard."""
        self._around[self.device_path(peripheral)] = peripheral

    def peripheral(self, path: str) -> Peripheral:
        """The device at `path`. Raises BluezError DoesNotExist."""
        try:
            return self._around[path]
        except KeyError:
            raise does_not_exist() from None

    @property
    def peripherals(self) -> tuple[Peripheral, ...]:
        return tuple(self._around.values())

    def advertise(self, peripheral: Peripheral) -> bool:
        """One advert of a device in its present state goes out; True when clients were told of it."""
        if self.muted or self.wedged or not self.powered or not peripheral.present:
            return False
        if not self._discoveries and not self._monitored(peripheral):
            return False
        path, before = self.device_path(peripheral), self._heard.get(self.device_path(peripheral))
        now = Heard(dict(peripheral.service_data), dict(peripheral.manufacturer_data), peripheral.rssi)
        if before is not None and not self._worth_telling(before, now):
            return False
        self._heard[path] = now
        if path in self._tree:
            self._tree.change(path, DEVICE, _advert_properties(peripheral))
        else:
            self._tree.add(path, {DEVICE: self._device_object(peripheral)})
        return True

    def forget(self, path: str) -> None:
        """The device leaves bluetoothd's tree; the next advert brings it back."""
        self._heard.pop(path, None)
        self._tree.remove(path)

    def client_gone(self, client: str) -> None:
        """A bus client closed: its discovery and monitors end with it."""
        self._wants_duplicates.pop(client, None)
        self._monitors = {key: patterns for key, patterns in self._monitors.items() if key[0] != client}
        if self._discoveries.pop(client, None) is not None:
            self._tell_discovering()

    def set_filter(self, client: str, duplicates: bool) -> None:
        self._wants_duplicates[client] = duplicates

    def start_discovery(self, client: str) -> None:
        """Raises BluezError NotReady without power, InProgress when this client already discovers."""
        if not self.powered:
            raise not_ready()
        if client in self._discoveries:
            raise in_progress()
        self._discoveries[client] = self._wants_duplicates.get(client, False)
        self._heard.clear()  # a new session tells every device once more
        self._tell_discovering()

    def stop_discovery(self, client: str) -> None:
        """Raises BluezError Failed when this client does not discover."""
        if self._discoveries.pop(client, None) is None:
            raise failed("No discovery started")
        self._tell_discovering()

    def register_monitor(self, client: str, path: str) -> None:
        """Passive scanning: fetch the patterns from the client a little later, then activate."""
        self._monitors[client, path] = ()
        asyncio.get_running_loop().call_later(MONITOR_FETCH_S, self._fetch_monitor, client, path)

    def unregister_monitor(self, client: str, path: str) -> None:
        """Raises BluezError DoesNotExist for a monitor never registered."""
        if self._monitors.pop((client, path), None) is None:
            raise does_not_exist()

    def _fetch_monitor(self, client: str, path: str) -> None:
        def got(reply: Message) -> None:
            if reply.message_type is MessageType.METHOD_RETURN and (client, path) in self._monitors:
                patterns = reply.body[0]["Patterns"].value
                self._monitors[client, path] = tuple((int(o), int(t), bytes(c)) for o, t, c in patterns)
                self._reach(_to_monitor(client, path, MONITOR, "Activate"), None)

        self._reach(_to_monitor(client, path, PROPERTIES, "GetAll", "s", [MONITOR]), got)

    def _monitored(self, peripheral: Peripheral) -> bool:
        fields = _advert_fields(peripheral)
        return any(
            kind == wanted and data[offset : offset + len(content)] == content
            for patterns in self._monitors.values()
            for offset, wanted, content in patterns
            for kind, data in fields
        )

    def _worth_telling(self, before: Heard, now: Heard) -> bool:
        if any(self._discoveries.values()):
            return True
        same = (before.service_data, before.manufacturer_data) == (now.service_data, now.manufacturer_data)
        return not same or abs(before.rssi - now.rssi) >= RSSI_THRESHOLD_DB

    def _tell_discovering(self) -> None:
        if self.plugged:
            self._tree.change(self.path, ADAPTER, {"Discovering": self.discovering})

    def _forget_all(self) -> None:
        for path in self._around:
            self.forget(path)

    def _device_object(self, peripheral: Peripheral) -> dict[str, object]:
        named: dict[str, object] = {"Name": peripheral.name} if peripheral.name else {}
        return {
            "Address": peripheral.address,
            "AddressType": peripheral.address_type,
            "Alias": peripheral.name or peripheral.address.replace(":", "-"),
            "Adapter": self.path,
            "Paired": peripheral.paired,
            "Trusted": False,
            "Connected": peripheral.connected,
            "ServicesResolved": False,
            "UUIDs": [service.uuid for service in peripheral.services],
            **named,
            **_advert_properties(peripheral),
        }


def _adapter_object() -> Interfaces:
    return {
        ADAPTER: {
            "Address": "00:00:00:00:5E:01",
            "Name": "simulated",
            "Alias": "simulated",
            "Class": 0,
            "Powered": True,
            "Discoverable": False,
            "Discovering": False,
            "UUIDs": [],
            "Roles": ["central", "peripheral"],
        },
        MONITOR_MANAGER: {"SupportedMonitorTypes": ["or_patterns"], "SupportedFeatures": []},
    }


def _advert_properties(peripheral: Peripheral) -> dict[str, object]:
    properties: dict[str, object] = {"RSSI": peripheral.rssi}
    if peripheral.service_data:
        properties["ServiceData"] = peripheral.service_data
    if peripheral.manufacturer_data:
        properties["ManufacturerData"] = peripheral.manufacturer_data
    return properties


def _advert_fields(peripheral: Peripheral) -> list[tuple[int, bytes]]:
    services = [
        (AD_SERVICE_DATA_16, int(uuid[4:8], 16).to_bytes(2, "little") + data)
        for uuid, data in peripheral.service_data.items()
        if uuid.endswith(SIG_BASE_UUID)
    ]
    companies = peripheral.manufacturer_data.items()
    return services + [(AD_MANUFACTURER, company.to_bytes(2, "little") + data) for company, data in companies]


def _to_monitor(
    client: str, path: str, interface: str, member: str, signature: str = "", body: list[object] | None = None
) -> Message:
    return Message(
        destination=client,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=body or [],
        flags=MessageFlag.NONE if body else MessageFlag.NO_REPLY_EXPECTED,
    )
