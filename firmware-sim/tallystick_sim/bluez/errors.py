"""The D-Bus errors bluetoothd answers with, as exceptions of the emulator.
It names them once and never decides when one is due."""

from __future__ import annotations


class BluezError(Exception):
    """An error reply: `name` is the full D-Bus error name, `text` its only body argument."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


def failed(text: str) -> BluezError:
    return BluezError("org.bluez.Error.Failed", text)


def in_progress() -> BluezError:
    return BluezError("org.bluez.Error.InProgress", "Operation already in progress")


def not_ready() -> BluezError:
    return BluezError("org.bluez.Error.NotReady", "Resource Not Ready")


def not_connected() -> BluezError:
    return failed("Not connected")


def not_permitted(text: str) -> BluezError:
    return BluezError("org.bluez.Error.NotPermitted", text)


def not_supported() -> BluezError:
    return BluezError("org.bluez.Error.NotSupported", "Operation is not supported")


def does_not_exist() -> BluezError:
    return BluezError("org.bluez.Error.DoesNotExist", "Does Not Exist")


def invalid_arguments(text: str = "Invalid arguments in method call") -> BluezError:
    return BluezError("org.bluez.Error.InvalidArguments", text)


def unknown_object(path: str) -> BluezError:
    return BluezError("org.freedesktop.DBus.Error.UnknownObject", f"no object {path}")


def unknown_method(interface: str | None, member: str | None) -> BluezError:
    return BluezError("org.freedesktop.DBus.Error.UnknownMethod", f"no method {interface}.{member}")
