"""How a connected device is asked: a Shelly by JSON-RPC, others by reading their characteristics.
A dialogue keeps what it knows of the device behind one link, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from bleak import BleakClient
from bleak.exc import BleakDBusError

from tallystick_edge.drivers import shelly
from tallystick_edge.drivers.ble_formats import characteristics, packed, read_values, scaled
from tallystick_edge.drivers.ble_layout import uuid_of_16
from tallystick_edge.drivers.ble_times import BleTimes
from tallystick_edge.profile import Profile

_NOT_PAIRED: Final = "org.bluez.Error.NotPermitted"


class ShellyDialogue:
    """JSON-RPC over GATT; the device id is read once per link."""

    def __init__(self, profile: Profile, times: BleTimes) -> None:
        self._calls = shelly.components(profile.registers.values())
        self._times = times
        self._numbers = itertools.count(1)
        self._serial: str | None = None

    def begin(self) -> None:
        self._serial = None

    async def ask(self, client: BleakClient) -> tuple[Mapping[str, int], str | None, bytes]:
        gatt = _BleakGatt(client)
        await self._identify(gatt)
        values: dict[str, int] = {}
        frames: list[bytes] = []
        for component, registers in self._calls.items():
            result, frame = await self._call(gatt, component.method, {"id": component.id})
            values.update(shelly.values_of(result, registers))
            frames.append(frame)
        return values, self._serial, b"\n".join(frames)

    async def _identify(self, gatt: _BleakGatt) -> None:
        """Who is at the other end; firmware that wants pairing is paired with here."""
        if self._serial is not None:
            return
        try:
            info, _ = await self._call(gatt, "Shelly.GetDeviceInfo", {})
        except BleakDBusError as error:
            if error.dbus_error != _NOT_PAIRED:
                raise
            await gatt.pair()
            info, _ = await self._call(gatt, "Shelly.GetDeviceInfo", {})
        self._serial = shelly.device_id(info)

    async def _call(self, gatt: _BleakGatt, method: str, params: dict[str, int]) -> tuple[shelly.Result, bytes]:
        return await shelly.call(gatt, next(self._numbers), method, params, self._times.ready_s)


class ReadDialogue:
    """Reads each characteristic that the profile's registers stand in."""

    def __init__(self, profile: Profile) -> None:
        self._registers = tuple(profile.registers.values())
        self._numbers = characteristics(self._registers)

    def begin(self) -> None:
        """Nothing is known of the device but its address."""

    async def ask(self, client: BleakClient) -> tuple[Mapping[str, int], str | None, bytes]:
        raw = packed({n: bytes(await client.read_gatt_char(uuid_of_16(n))) for n in self._numbers})
        return scaled(read_values(raw), self._registers), None, raw


class _BleakGatt:
    """bleak's client as the RPC code wants it."""

    def __init__(self, client: BleakClient) -> None:
        self._client = client

    async def read(self, uuid: str) -> bytes:
        return bytes(await self._client.read_gatt_char(uuid))

    async def write(self, uuid: str, data: bytes) -> None:
        await self._client.write_gatt_char(uuid, data, response=True)

    async def pair(self) -> None:
        await self._client.pair()
