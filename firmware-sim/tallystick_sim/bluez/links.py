"""Connections to simulated devices: Connect, Disconnect, Pair, and GATT reads, writes and notifications.
It never hears adverts; that is `adapter.py`."""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

from tallystick_sim.bluez.adapter import Adapter
from tallystick_sim.bluez.errors import (
    does_not_exist,
    failed,
    invalid_arguments,
    not_connected,
    not_permitted,
    not_supported,
)
from tallystick_sim.bluez.names import CHARACTERISTIC, DEVICE, SERVICE
from tallystick_sim.bluez.peripheral import VALUE_BYTES_MAX, Characteristic, Peripheral
from tallystick_sim.bluez.tree import ObjectTree

FIRST_HANDLE: Final = 0x000A
ATT_WRITE_HEADER: Final = 3  # opcode and handle: a write command carries MTU - 3 bytes (Core Vol 3 Part F 3.4.5)


class Links:
    """Who is connected, and the characteristics of those who are."""

    def __init__(self, tree: ObjectTree, adapter: Adapter) -> None:
        self._tree = tree
        self._adapter = adapter
        self._characteristics: dict[str, tuple[Peripheral, Characteristic]] = {}

    def connect(self, path: str) -> bool:
        """Bring the link up; False when nobody answers, so that the call stays open as bluetoothd's does.

        Raises BluezError Failed when the device is there and refuses."""
        peripheral = self._adapter.peripheral(path)
        if not peripheral.present:
            return False
        if not peripheral.connectable:
            raise failed("Software caused connection abort")
        if not peripheral.connected:
            peripheral.link(True)
            self._tree.change(path, DEVICE, {"Connected": True})
        asyncio.get_running_loop().call_soon(self._resolve, path, peripheral)
        return True

    def pair(self, path: str) -> bool:
        """Just Works pairing, which connects first; False as in `connect`."""
        if not self.connect(path):
            return False
        self._adapter.peripheral(path).paired = True
        self._tree.change(path, DEVICE, {"Paired": True})
        return True

    def disconnect(self, path: str) -> None:
        """End the link in order; ending none is harmless."""
        self.drop(self._adapter.peripheral(path))

    def drop(self, peripheral: Peripheral) -> None:
        """The link is lost: services leave the tree, Connected falls."""
        if not peripheral.connected:
            return
        peripheral.link(False)
        path = self._adapter.device_path(peripheral)
        for char in [c for c, (owner, _) in self._characteristics.items() if owner is peripheral]:
            del self._characteristics[char]
        for service in self._service_paths(path, peripheral):
            self._tree.remove(service)
        if path in self._tree:
            self._tree.change(path, DEVICE, {"Connected": False, "ServicesResolved": False})

    def drop_all(self) -> None:
        for peripheral in self._adapter.peripherals:
            self.drop(peripheral)

    def owner(self, path: str) -> Peripheral:
        """The device a device path or characteristic path belongs to. Raises BluezError DoesNotExist."""
        return self._characteristics[path][0] if path in self._characteristics else self._adapter.peripheral(path)

    def read(self, path: str, offset: int) -> bytes:
        """ReadValue: the value from `offset`. Raises BluezError as bluetoothd does."""
        characteristic = self._usable(path, {"read"}, "Read not permitted")
        value = characteristic.read() if offset == 0 else characteristic.value
        if offset > len(value):
            raise invalid_arguments("Invalid offset")
        return value[offset : offset + VALUE_BYTES_MAX]

    def write(self, path: str, data: bytes, kind: str, offset: int) -> None:
        """WriteValue with `kind` "request" or "command". Raises BluezError as bluetoothd does."""
        flag = "write-without-response" if kind == "command" else "write"
        characteristic = self._usable(path, {flag}, "Write not permitted")
        if len(data) + offset > VALUE_BYTES_MAX:
            raise invalid_arguments("Invalid Length")
        if kind == "command" and len(data) > self._characteristics[path][0].mtu - ATT_WRITE_HEADER:
            raise failed("Failed to initiate write")
        characteristic.write(characteristic.value[:offset] + data if offset else data)

    def start_notify(self, path: str) -> None:
        """Raises BluezError NotSupported, or Failed without a link."""
        characteristic = self._usable(path, {"notify", "indicate"}, None)
        characteristic.notifying = True

    def stop_notify(self, path: str) -> None:
        _, characteristic = self._at(path)
        characteristic.notifying = False

    def notify(self, characteristic: Characteristic, value: bytes) -> bool:
        """Send a notification; False when no client asked for it."""
        characteristic.value = value
        if not characteristic.notifying:
            return False
        for path, (_, candidate) in self._characteristics.items():
            if candidate is characteristic:
                self._tree.change(path, CHARACTERISTIC, {"Value": value})
                return True
        return False

    def _at(self, path: str) -> tuple[Peripheral, Characteristic]:
        try:
            return self._characteristics[path]
        except KeyError:
            raise does_not_exist() from None

    def _usable(self, path: str, flags: set[str], refusal: str | None) -> Characteristic:
        peripheral, characteristic = self._at(path)
        if not peripheral.connected or not peripheral.present:
            raise not_connected()
        if not flags & set(characteristic.flags):
            raise not_permitted(refusal) if refusal else not_supported()
        if peripheral.pairing_required and not peripheral.paired:
            raise not_permitted("Not paired")
        return characteristic

    def _resolve(self, path: str, peripheral: Peripheral) -> None:
        """Service discovery: put services and characteristics into the tree, then say they are complete."""
        if not peripheral.connected or path not in self._tree:
            return
        if not any(owner is peripheral for owner, _ in self._characteristics.values()):
            self._publish(path, peripheral)
        self._tree.change(path, DEVICE, {"ServicesResolved": True})

    def _publish(self, path: str, peripheral: Peripheral) -> None:
        handles = itertools.count(FIRST_HANDLE)
        for service in peripheral.services:
            service_path = f"{path}/service{next(handles):04x}"
            self._tree.add(service_path, {SERVICE: {"UUID": service.uuid, "Primary": True, "Device": path}})
            for characteristic in service.characteristics:
                char_path = f"{service_path}/char{next(handles):04x}"
                next(handles)  # the value handle follows its declaration
                self._characteristics[char_path] = (peripheral, characteristic)
                self._tree.add(char_path, {CHARACTERISTIC: _properties(service_path, characteristic, peripheral.mtu)})

    def _service_paths(self, path: str, peripheral: Peripheral) -> list[str]:
        handles = itertools.count(FIRST_HANDLE)
        paths = []
        for service in peripheral.services:
            paths.append(f"{path}/service{next(handles):04x}")
            for _ in service.characteristics:
                next(handles), next(handles)
        return paths


def _properties(service_path: str, characteristic: Characteristic, mtu: int) -> dict[str, object]:
    return {
        "UUID": characteristic.uuid,
        "Service": service_path,
        "Flags": list(characteristic.flags),
        "Value": characteristic.value,
        "Notifying": False,
        "MTU": mtu,
    }
