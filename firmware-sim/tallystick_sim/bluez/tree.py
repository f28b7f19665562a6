"""The object tree of org.bluez: objects, their interfaces and properties, and the signals of each change.
It never decides what is in the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dbus_fast import Message, MessageType, Variant

from tallystick_sim.bluez.errors import BluezError, unknown_object
from tallystick_sim.bluez.names import OBJECT_MANAGER, PROPERTIES, variant, variants

Interfaces = dict[str, dict[str, object]]


class ObjectTree:
    """path -> interface -> property -> value, told to `signal` whenever it changes."""

    def __init__(self, signal: Callable[[Message], None]) -> None:
        self._objects: dict[str, Interfaces] = {}
        self._signal = signal

    def __contains__(self, path: object) -> bool:
        return path in self._objects

    def add(self, path: str, interfaces: Interfaces) -> None:
        """Put an object in and say InterfacesAdded."""
        self._objects[path] = interfaces
        written = {name: variants(properties) for name, properties in interfaces.items()}
        self._say("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, written])

    def remove(self, path: str) -> None:
        """Take an object out, its children first, and say InterfacesRemoved for each; a missing one is ignored."""
        for child in sorted((p for p in self._objects if p.startswith(path + "/")), reverse=True):
            self._take_out(child)
        if path in self._objects:
            self._take_out(path)

    def change(self, path: str, interface: str, properties: Mapping[str, object]) -> None:
        """Set properties and say PropertiesChanged with exactly these."""
        self._objects[path][interface].update(properties)
        self._say(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, variants(properties), []])

    def properties(self, path: str, interface: str) -> Mapping[str, object]:
        """Properties now. Raises BluezError UnknownObject, or InvalidArgs for an interface the object has not."""
        if path not in self._objects:
            raise unknown_object(path)
        try:
            return self._objects[path][interface]
        except KeyError:
            name = "org.freedesktop.DBus.Error.InvalidArgs"
            raise BluezError(name, f"no interface {interface} on {path}") from None

    def property(self, path: str, interface: str, name: str) -> Variant:
        """One property as a variant. Raises BluezError like `properties`."""
        properties = self.properties(path, interface)
        if name not in properties:
            raise BluezError("org.freedesktop.DBus.Error.InvalidArgs", f"no property {name} on {interface}")
        return variant(name, properties[name])

    def managed(self) -> dict[str, dict[str, dict[str, Variant]]]:
        """Everything, as GetManagedObjects answers it."""
        return {
            path: {name: variants(properties) for name, properties in interfaces.items()}
            for path, interfaces in self._objects.items()
        }

    def _take_out(self, path: str) -> None:
        names = list(self._objects.pop(path))
        self._say("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [path, names])

    def _say(self, path: str, interface: str, member: str, signature: str, body: list[object]) -> None:
        self._signal(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )
