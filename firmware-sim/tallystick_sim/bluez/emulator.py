"""An org.bluez that is not there, on a private unix socket, for stock bleak to talk to.
It joins bus, tree, adapter, links and faults, answers their D-Bus methods, and never needs root or a radio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from dbus_fast import Message, Variant

from tallystick_sim.bluez.adapter import Adapter
from tallystick_sim.bluez.bus import Bus
from tallystick_sim.bluez.errors import BluezError, invalid_arguments, not_connected, unknown_method, unknown_object
from tallystick_sim.bluez.faults import Faults, LoseLink, Refuse, Silence
from tallystick_sim.bluez.links import Links
from tallystick_sim.bluez.names import (
    ADAPTER,
    CHARACTERISTIC,
    DEVICE,
    MONITOR_MANAGER,
    OBJECT_MANAGER,
    PROPERTIES,
    variants,
)
from tallystick_sim.bluez.peripheral import Characteristic, Peripheral
from tallystick_sim.bluez.tree import ObjectTree

Result = tuple[str, list[object]]
NOTHING: Result = ("", [])


class BluezEmulator:
    """A whole bluetoothd with one adapter. Give `address` to the agent as DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, socket: Path, adapter: str = "hci0") -> None:
        self._bus = Bus(socket, self._handle, self._client_gone)
        self._tree = ObjectTree(self._bus.signal)
        self.adapter = Adapter(self._tree, self._bus.call, adapter)
        self._links = Links(self._tree, self.adapter)
        self.faults = Faults(self._bus, self.adapter, self._links)
        self._methods = self._table()

    @property
    def address(self) -> str:
        return self._bus.address

    @property
    def clients(self) -> int:
        """Bus connections open now."""
        return self._bus.clients

    async def start(self) -> None:
        await self._bus.listen()

    async def stop(self) -> None:
        await self._bus.close()

    def add(self, peripheral: Peripheral) -> None:
        """Put a device within reach."""
        self.adapter.add(peripheral)

    def advertise(self, peripheral: Peripheral) -> bool:
        """One advert goes out; True when a client was told of it."""
        return self.adapter.advertise(peripheral)

    def notify(self, characteristic: Characteristic, value: bytes) -> bool:
        """One notification goes out; True when a client was told of it."""
        return self._links.notify(characteristic, value)

    def _client_gone(self, client: str) -> None:
        self.adapter.client_gone(client)

    def _handle(self, call: Message) -> Message | None:
        """Answer one call, or None for a call that is never answered."""
        try:
            result = self._result(call)
        except BluezError as error:
            return Message.new_error(call, error.name, error.text)
        return None if result is None else Message.new_method_return(call, *result)

    def _result(self, call: Message) -> Result | None:
        match self.faults.take(call.member or ""):
            case Refuse(error):
                raise error
            case Silence():
                return None
            case LoseLink():
                self._links.drop(self._links.owner(_path(call)))
                raise not_connected()
            case None:
                pass
        if _path(call) not in self._tree and _path(call) not in ("/", "/org/bluez"):
            raise unknown_object(_path(call))
        method = self._methods.get((call.interface or "", call.member or ""))
        if method is None:
            raise unknown_method(call.interface, call.member)
        return method(call)

    def _table(self) -> dict[tuple[str, str], Callable[[Message], Result | None]]:
        adapter, links = self.adapter, self._links
        return {
            (OBJECT_MANAGER, "GetManagedObjects"): lambda _: ("a{oa{sa{sv}}}", [self._tree.managed()]),
            (PROPERTIES, "Get"): lambda c: ("v", [self._tree.property(_path(c), c.body[0], c.body[1])]),
            (PROPERTIES, "GetAll"): lambda c: ("a{sv}", [variants(self._tree.properties(_path(c), c.body[0]))]),
            (PROPERTIES, "Set"): self._set,
            (ADAPTER, "SetDiscoveryFilter"): self._set_filter,
            (ADAPTER, "StartDiscovery"): _by_client(adapter.start_discovery),
            (ADAPTER, "StopDiscovery"): _by_client(adapter.stop_discovery),
            (ADAPTER, "RemoveDevice"): self._remove_device,
            (MONITOR_MANAGER, "RegisterMonitor"): _by_client_and_object(adapter.register_monitor),
            (MONITOR_MANAGER, "UnregisterMonitor"): _by_client_and_object(adapter.unregister_monitor),
            (DEVICE, "Connect"): lambda c: NOTHING if links.connect(_path(c)) else None,
            (DEVICE, "Pair"): lambda c: NOTHING if links.pair(_path(c)) else None,
            (DEVICE, "Disconnect"): _by_path(links.disconnect),
            (CHARACTERISTIC, "ReadValue"): self._read,
            (CHARACTERISTIC, "WriteValue"): self._write,
            (CHARACTERISTIC, "StartNotify"): _by_path(links.start_notify),
            (CHARACTERISTIC, "StopNotify"): _by_path(links.stop_notify),
        }

    def _set(self, call: Message) -> Result:
        interface, name, value = call.body
        match (interface, name):
            case (_, "Powered") if interface == ADAPTER:
                self.faults.powered_on() if value.value else self.faults.powered_off()
            case (_, "Trusted") if interface == DEVICE:
                self._tree.change(_path(call), DEVICE, {"Trusted": value.value})
            case _:
                raise BluezError("org.freedesktop.DBus.Error.PropertyReadOnly", f"{interface}.{name} cannot be set")
        return NOTHING

    def _set_filter(self, call: Message) -> Result:
        duplicates = call.body[0].get("DuplicateData", Variant("b", False))
        self.adapter.set_filter(call.sender or "", bool(duplicates.value))
        return NOTHING

    def _remove_device(self, call: Message) -> Result:
        self.faults.forget(self.adapter.peripheral(call.body[0]))
        return NOTHING

    def _read(self, call: Message) -> Result:
        return "ay", [self._links.read(_path(call), _option(call.body[0], "offset", 0))]

    def _write(self, call: Message) -> Result:
        options: dict[str, Variant] = call.body[1]
        kind = str(options["type"].value) if "type" in options else "request"
        self._links.write(_path(call), bytes(call.body[0]), kind, _option(options, "offset", 0))
        return NOTHING


@contextlib.asynccontextmanager
async def running(socket: Path, adapter: str = "hci0") -> AsyncIterator[BluezEmulator]:
    """An emulator that listens on `socket` inside the block and is closed after it."""
    emulator = BluezEmulator(socket, adapter)
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


def _path(call: Message) -> str:
    return call.path or "/"


def _by_client(action: Callable[[str], None]) -> Callable[[Message], Result]:
    def method(call: Message) -> Result:
        action(call.sender or "")
        return NOTHING

    return method


def _by_client_and_object(action: Callable[[str, str], None]) -> Callable[[Message], Result]:
    def method(call: Message) -> Result:
        action(call.sender or "", call.body[0])
        return NOTHING

    return method


def _by_path(action: Callable[[str], None]) -> Callable[[Message], Result]:
    def method(call: Message) -> Result:
        action(_path(call))
        return NOTHING

    return method


def _option(options: dict[str, Variant], name: str, default: int) -> int:
    value = options[name].value if name in options else default
    if not isinstance(value, int) or value < 0:
        raise invalid_arguments()
    return value
