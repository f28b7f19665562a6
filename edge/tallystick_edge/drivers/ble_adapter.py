"""Switches a Bluetooth adapter's power through D-Bus, for when a scanner hears nothing.
It never scans or connects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from tallystick_edge.drivers.ble_errors import BleError, BleReason

_BLUEZ: Final = "org.bluez"
_ADAPTER: Final = "org.bluez.Adapter1"


async def power_cycle(device: str | None, call_s: float, settle_s: float) -> None:
    """Power off, wait `settle_s`, power on. `device` is "hci0", None for the first adapter.

    Raises BleError bluetooth-service-gone, adapter-gone or refused."""
    async with _bus(call_s) as bus:
        path = await _path(bus, device, call_s)
        await _set_powered(bus, path, False, call_s)
        await asyncio.sleep(settle_s)
        await _set_powered(bus, path, True, call_s)


async def power_on(device: str | None, call_s: float) -> None:
    """Power on; harmless when it is on. Raises as `power_cycle`."""
    async with _bus(call_s) as bus:
        await _set_powered(bus, await _path(bus, device, call_s), True, call_s)


@asynccontextmanager
async def _bus(call_s: float) -> AsyncIterator[MessageBus]:
    bus = MessageBus(bus_type=BusType.SYSTEM)
    try:
        async with asyncio.timeout(call_s):
            await bus.connect()
        yield bus
    except (OSError, EOFError, TimeoutError, DBusError) as error:
        raise BleError(BleReason.BUS_GONE, f"D-Bus: {error!r}; is bluetoothd running?") from error
    finally:
        bus.disconnect()


async def _path(bus: MessageBus, device: str | None, call_s: float) -> str:
    if device is not None:
        return f"/org/bluez/{device}"
    reply = await _call(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", [], call_s)
    paths: list[str] = sorted(path for path, interfaces in reply.body[0].items() if _ADAPTER in interfaces)
    if not paths:
        raise BleError(BleReason.ADAPTER_GONE, "no Bluetooth adapter; plug one in or enable the built-in one")
    return paths[0]


async def _set_powered(bus: MessageBus, path: str, on: bool, call_s: float) -> None:
    body = [_ADAPTER, "Powered", Variant("b", on)]
    await _call(bus, path, "org.freedesktop.DBus.Properties", "Set", "ssv", body, call_s)


async def _call(
    bus: MessageBus, path: str, interface: str, member: str, signature: str, body: list[object], call_s: float
) -> Message:
    message = Message(destination=_BLUEZ, path=path, interface=interface, member=member, signature=signature, body=body)
    async with asyncio.timeout(call_s):
        reply = await bus.call(message)
    if reply is None or reply.message_type is MessageType.ERROR:
        name = "no reply" if reply is None else f"{reply.error_name}: {reply.body}"
        gone = reply is not None and str(reply.error_name).endswith("UnknownObject")
        raise BleError(BleReason.ADAPTER_GONE if gone else BleReason.REFUSED, f"{member} on {path}: {name}")
    return reply
