"""The emulated bluetoothd itself, asked over its socket by stock bleak and by a bare D-Bus client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from support.ble import PLUG, SENSOR, Truth, emulated_air, until
from tallystick_sim.bluez import BluezEmulator, BthomeSensor, Characteristic, Peripheral, Service, ShellyPlug
from tallystick_sim.bluez.match import MatchRule
from tallystick_sim.bluez.names import ADAPTER, CHARACTERISTIC, PROPERTIES, uuid_of_16

WEATHER, THERMOMETER = uuid_of_16(0x181A), uuid_of_16(0x2A6E)
HCI = "/org/bluez/hci0"


@pytest.fixture
async def air() -> AsyncIterator[BluezEmulator]:
    async with emulated_air() as emulator:
        yield emulator


@contextlib.asynccontextmanager
async def dbus() -> AsyncIterator[MessageBus]:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    try:
        yield bus
    finally:
        bus.disconnect()


async def ask(bus: MessageBus, path: str, interface: str, member: str, signature: str = "", *body: object) -> Message:
    message = Message(
        destination="org.bluez", path=path, interface=interface, member=member, signature=signature, body=list(body)
    )
    reply = await asyncio.wait_for(bus.call(message), 60)
    assert reply is not None
    return reply


async def found(air: BluezEmulator, peripheral: Peripheral) -> BLEDevice:
    """The device as a scanner hands it over."""
    heard: list[BLEDevice] = []
    async with BleakScanner(lambda device, _: heard.append(device)):
        air.advertise(peripheral)
        await until(lambda: heard, "the advert")
    return heard[0]


def thermometer() -> tuple[Peripheral, Characteristic]:
    characteristic = Characteristic(THERMOMETER, ("read", "write", "write-without-response", "notify"), b"\x01\x02\x03")
    return Peripheral(SENSOR, "thermo", services=(Service(WEATHER, (characteristic,)),)), characteristic


async def test_adverts_reach_only_those_who_scan(air: BluezEmulator) -> None:
    sensor = BthomeSensor(SENSOR, Truth(5))
    air.add(sensor.peripheral)
    assert not sensor.advertise(air)
    async with BleakScanner(lambda device, advert: None):
        assert sensor.advertise(air)
    assert not sensor.advertise(air)


async def test_unchanged_adverts_are_told_once_unless_duplicates_were_asked_for(air: BluezEmulator) -> None:
    plug = ShellyPlug(PLUG, Truth())
    air.add(plug.peripheral)
    async with BleakScanner(lambda device, advert: None):
        assert [plug.advertise(air) for _ in range(3)] == [True, False, False]
        plug.peripheral.rssi -= 10
        assert plug.advertise(air)
    async with BleakScanner(lambda device, advert: None, bluez={"filters": {"DuplicateData": True}}):
        assert [plug.advertise(air) for _ in range(3)] == [True, True, True]


async def test_passive_scan_hears_what_its_pattern_names(air: BluezEmulator) -> None:
    sensor, plug, heard = BthomeSensor(SENSOR, Truth(5)), ShellyPlug(PLUG, Truth()), []
    air.add(sensor.peripheral)
    air.add(plug.peripheral)
    patterns = {"or_patterns": [(0, 0x16, b"\xd2\xfc")]}
    async with BleakScanner(lambda device, _: heard.append(device.address), scanning_mode="passive", bluez=patterns):
        await until(lambda: sensor.advertise(air), "the monitor to be active")
        assert not plug.advertise(air)
        await until(lambda: heard, "the advert")
    assert set(heard) == {SENSOR}


async def test_a_scanner_started_twice_by_one_client_is_in_progress(air: BluezEmulator) -> None:
    async with dbus() as bus:
        assert (await ask(bus, HCI, ADAPTER, "StartDiscovery")).message_type is MessageType.METHOD_RETURN
        assert (await ask(bus, HCI, ADAPTER, "StartDiscovery")).error_name == "org.bluez.Error.InProgress"
    await until(lambda: not air.adapter.discovering, "the end of a discovery whose client has gone")


async def test_value_is_read_from_an_offset_and_refused_beyond_its_end(air: BluezEmulator) -> None:
    peripheral, _ = thermometer()
    air.add(peripheral)
    async with BleakClient(await found(air, peripheral)) as client, dbus() as bus:
        path = client.services.get_characteristic(THERMOMETER).obj[0]
        assert bytes(await client.read_gatt_char(THERMOMETER)) == b"\x01\x02\x03"
        reply = await ask(bus, path, CHARACTERISTIC, "ReadValue", "a{sv}", {"offset": Variant("q", 2)})
        assert bytes(reply.body[0]) == b"\x03"
        reply = await ask(bus, path, CHARACTERISTIC, "ReadValue", "a{sv}", {"offset": Variant("q", 9)})
        assert (reply.error_name, reply.body) == ("org.bluez.Error.InvalidArguments", ["Invalid offset"])


async def test_writes_are_kept_and_limited(air: BluezEmulator) -> None:
    peripheral, characteristic = thermometer()
    air.add(peripheral)
    async with BleakClient(await found(air, peripheral)) as client:
        await client.write_gatt_char(THERMOMETER, b"hello", response=True)
        assert characteristic.value == b"hello"
        with pytest.raises(BleakGATTProtocolError):
            await client.write_gatt_char(THERMOMETER, bytes(513), response=True)
        with pytest.raises(BleakDBusError):
            await client.write_gatt_char(THERMOMETER, bytes(245), response=False)


async def test_notifications_reach_the_client_until_it_stops_them(air: BluezEmulator) -> None:
    peripheral, characteristic = thermometer()
    air.add(peripheral)
    got: list[bytes] = []
    async with BleakClient(await found(air, peripheral)) as client:
        assert not air.notify(characteristic, b"a")
        await client.start_notify(THERMOMETER, lambda _, value: got.append(bytes(value)))
        assert air.notify(characteristic, b"b")
        await until(lambda: got, "the notification")
        await client.stop_notify(THERMOMETER)
        assert not air.notify(characteristic, b"c")
    assert got == [b"b"]


async def test_removed_device_cannot_be_connected_until_heard_again(air: BluezEmulator) -> None:
    peripheral, _ = thermometer()
    air.add(peripheral)
    device = await found(air, peripheral)
    async with dbus() as bus:
        reply = await ask(bus, HCI, ADAPTER, "RemoveDevice", "o", air.adapter.device_path(peripheral))
        assert reply.message_type is MessageType.METHOD_RETURN
    with pytest.raises(BleakError):
        await BleakClient(device).connect()
    async with BleakClient(await found(air, peripheral)) as client:
        assert client.is_connected


async def test_link_loss_is_told_to_the_client(air: BluezEmulator) -> None:
    peripheral, _ = thermometer()
    air.add(peripheral)
    lost = asyncio.Event()
    client = BleakClient(await found(air, peripheral), disconnected_callback=lambda _: lost.set())
    await client.connect()
    air.faults.link_loss(peripheral)
    await asyncio.wait_for(lost.wait(), 60)
    assert not client.is_connected


async def test_pairing_opens_what_needs_it(air: BluezEmulator) -> None:
    peripheral, _ = thermometer()
    peripheral.pairing_required = True
    air.add(peripheral)
    async with BleakClient(await found(air, peripheral)) as client:
        with pytest.raises(BleakDBusError, match="Not paired"):
            await client.read_gatt_char(THERMOMETER)
        await client.pair()
        assert bytes(await client.read_gatt_char(THERMOMETER)) == b"\x01\x02\x03"


async def test_what_bluetoothd_does_not_have_is_an_error_reply(air: BluezEmulator) -> None:
    async with dbus() as bus:
        unknown = await ask(bus, HCI, ADAPTER, "MakeCoffee")
        nowhere = await ask(bus, "/org/bluez/hci9", ADAPTER, "StartDiscovery")
        fixed = await ask(bus, HCI, PROPERTIES, "Set", "ssv", ADAPTER, "Address", Variant("s", "x"))
        missing = await ask(bus, HCI, PROPERTIES, "Get", "ss", ADAPTER, "Flavour")
        elsewhere = await ask(bus, HCI, PROPERTIES, "GetAll", "s", "org.bluez.Nothing")
    assert unknown.error_name == "org.freedesktop.DBus.Error.UnknownMethod"
    assert nowhere.error_name == "org.freedesktop.DBus.Error.UnknownObject"
    assert fixed.error_name == "org.freedesktop.DBus.Error.PropertyReadOnly"
    assert missing.error_name == elsewhere.error_name == "org.freedesktop.DBus.Error.InvalidArgs"


async def test_hostile_bytes_only_end_their_own_connection(air: BluezEmulator) -> None:
    async with dbus() as bus:
        for bytes_ in (b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n" + b"l\1\0\1" + b"\xff" * 12, b"x" * 20_000):
            reader, writer = await asyncio.open_unix_connection(air.address.removeprefix("unix:path="))
            writer.write(bytes_)
            with contextlib.suppress(ConnectionError, socket.error):
                await asyncio.wait_for(reader.read(), 60)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        assert (await ask(bus, "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")).error_name is None


@pytest.mark.parametrize(
    ("rule", "heard"),
    [
        ("type=signal,interface=a.B,member=C,path=/x/y", True),
        ("type='signal',interface='a.B',path_namespace='/x'", True),
        ("type='signal',sender='org.bluez',arg0path='/p/'", True),
        ("type='signal',sender='org.other'", False),
        ("member='D'", False),
        ("path_namespace='/xx'", False),
        ("arg0path='/q/'", False),
        ("type='method_call'", False),
    ],
)
def test_match_rules_quoted_and_unquoted(rule: str, heard: bool) -> None:
    signal = Message(
        message_type=MessageType.SIGNAL, path="/x/y", interface="a.B", member="C", signature="o", body=["/p/q"]
    )
    assert MatchRule.parse(rule).accepts(signal, frozenset({"org.bluez", ":1.0"})) is heard


def test_rule_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        MatchRule.parse("type=signal,nonsense")
