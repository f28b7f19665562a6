"""What an installer sees of the air: real bleak, the emulated bluetoothd, one device of every kind and a phone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ble import KEY, WAIT_S, beacon, emulated_air
from tallystick_edge import radio_probe
from tallystick_edge.cli import main
from tallystick_edge.config import AdapterConfig, EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.drivers.ble_probe import Heard, KeyNeed, is_private, recognise
from tallystick_edge.profile import Profile, load_profile, profile_names
from tallystick_edge.radio_probe import Row, as_json, as_text, look_around
from tallystick_sim.bluez import (
    Bicycle,
    BluezEmulator,
    BthomeSensor,
    ClimateStation,
    Peripheral,
    RuuviTag,
    ShellyPlug,
    Thermometer,
    WasteScale,
)
from tallystick_sim.bluez.errors import BluezError

Output = pytest.CaptureFixture[str]
HEAD = """version = 1
[gateway]
name = "cellar"
data = "data"
[uplink]
transport = "https"
claim = "claim.toml"
"""
PLAIN, SEALED, PLUG, WHEEL = "A4:C1:38:00:00:01", "A4:C1:38:00:00:02", "7C:2C:67:00:00:03", "C0:00:00:00:00:04"
SCALE, RUUVI, ATC, STATION, PHONE = (f"C0:00:00:00:00:{n:02X}" for n in (5, 6, 7, 8, 9))
RESOLVABLE = "5A:11:22:33:44:55"
DEVICES = 10


@dataclass
class Truth:
    """What they measure."""

    ml: int = 87_654_321

    def volume_ml(self) -> int:
        return self.ml

    def energy_mwh(self) -> int:
        return 0

    def power_w(self) -> int:
        return 0

    def temperature_mdeg(self) -> int:
        return 24_300

    def humidity_ppm(self) -> int:
        return 534_900

    def turns(self) -> int:
        return 1_000


@contextlib.asynccontextmanager
async def house() -> AsyncIterator[BluezEmulator]:
    """Everything there is, advertising."""
    truth = Truth()
    devices = [
        BthomeSensor(PLAIN, truth),
        BthomeSensor(SEALED, truth, KEY),
        ShellyPlug(PLUG, truth),
        Bicycle(WHEEL, truth),
        WasteScale(SCALE),
        RuuviTag(RUUVI, truth),
        Thermometer(ATC, truth),
        ClimateStation(STATION, truth),
    ]
    others = [
        Peripheral(PHONE, "Speaker \x1b[2J", manufacturer_data={76: b"\x10"}, rssi=-50),
        Peripheral(RESOLVABLE, None, address_type="random", manufacturer_data={76: b"\x10"}, rssi=-90),
    ]
    devices[0].peripheral.rssi = -88
    async with emulated_air() as air:
        for device in devices:
            air.add(device.peripheral)
        for other in others:
            air.add(other)

        def advertise() -> None:
            for device in devices:
                device.advertise(air)
            for other in others:
                air.advertise(other)

        async with beacon(advertise):
            yield air


async def probe(folder: Path, *arguments: str) -> int:
    """The command as typed, in a thread of its own, since it begins its own loop."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        return await asyncio.to_thread(main, ["probe", "--bluetooth", "--seconds", "1", *arguments])
    finally:
        os.chdir(before)


def is_whole(found: Mapping[str, Heard]) -> bool:
    """Everything of the house was heard; a second advert says nothing new."""
    return len(found) == DEVICES


async def looked(config: EdgeConfig | None) -> tuple[dict[str, dict[str, Any]], str]:
    """What the command prints, as JSON by address and as a table."""
    async with house():
        rows = await look_around(AdapterConfig("radio"), WAIT_S, config, every_profile(), is_whole)
    found = json.loads(as_json(rows, config, WAIT_S))["found"]
    return {row["address"]: row for row in found}, as_text(rows, config)


async def test_each_kind_is_named_and_its_lines_are_accepted_as_they_stand(tmp_path: Path) -> None:
    found, said = await looked(None)
    named = {address: (row["what"], row["profiles"], row["key"]) for address, row in found.items()}
    assert named == {
        PLAIN: ("BTHome v2", ["bthome-water"], "none"),
        SEALED: ("BTHome v2, encrypted", ["bthome-water"], "needed"),
        PLUG: ("Shelly", ["shelly-plug-gen3"], "none"),
        WHEEL: ("Cycling Speed and Cadence service", ["bicycle-csc"], "none"),
        SCALE: ("Weight Scale service", ["waste-scale"], "none"),
        RUUVI: ("Ruuvi data format 5", ["ruuvi-tag"], "none"),
        ATC: ("atc1441 thermometer", ["xiaomi-thermometer-atc"], "none"),
        STATION: ("Environmental Sensing service", ["environmental-sensing"], "none"),
        PHONE: (None, [], None),
        RESOLVABLE: (None, [], None),
    }
    assert found[PLAIN]["values"] == {"water": 87_654_321}
    lines = {address: row["edge_toml"] for address, row in found.items()}
    assert {address for address, text in lines.items() if text is None} == {PHONE, RESOLVABLE}
    text = HEAD + "\n".join(text for text in lines.values() if text).replace('key = ""', f'key = "{KEY.hex()}"')
    (tmp_path / "edge.toml").write_text(text)
    config = load_config(tmp_path / "edge.toml")
    assert {meter.address for meter in config.meters} == found.keys() - {PHONE, RESOLVABLE}
    numbers = [channel.number for meter in config.meters for channel in meter.channels]
    assert numbers == list(range(1, len(numbers) + 1))
    table = said.splitlines()
    assert next(line for line in table if PLAIN in line).endswith("BTHome v2: bthome-water, 87654.321 l  weak")
    assert next(line for line in table if SEALED in line).endswith("needs the key from its app")
    assert next(line for line in table if RESOLVABLE in line).endswith("its address changes: a phone or a watch  weak")
    assert "\x1b" not in said


PLANNED = f"""
[[adapter]]
id = "attic"
kind = "bluetooth"
device = "hci0"
[[meter]]
id = "hot-water"
adapter = "attic"
address = "{SEALED}"
profile = "bthome-water"
key = "KEY"
every_s = 60
[[meter.channel]]
number = 7
register = "water"
"""


@pytest.mark.parametrize(
    ("key", "says", "value"), [(KEY, "the key fits; is hot-water", 87_654_321), (bytes(16), "is not its key", None)]
)
async def test_what_is_configured_is_named_and_its_key_is_tried(
    tmp_path: Path, key: bytes, says: str, value: int | None
) -> None:
    (tmp_path / "edge.toml").write_text(HEAD + PLANNED.replace("KEY", key.hex()))
    rows, said = await looked(load_config(tmp_path / "edge.toml"))
    assert says in said
    mine = rows[SEALED]
    assert (mine["planned"], mine["edge_toml"], mine["values"].get("water")) == ("hot-water", None, value)
    assert 'adapter = "attic"' in rows[PLAIN]["edge_toml"]
    assert "[[adapter]]" not in rows[PLAIN]["edge_toml"]
    assert "number = 8 " in next(row["edge_toml"] for row in rows.values() if row["edge_toml"])
    assert key.hex() not in json.dumps(rows)


async def test_progress_is_told_every_five_seconds(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(radio_probe, "TELL_S", 0.01)
    await radio_probe.tell_progress(0.025, lambda: 3)
    assert capsys.readouterr().err.splitlines()[-1].endswith(" s left, 3 devices heard")


async def test_silence_and_what_keeps_a_scan_from_starting_have_a_next_step(tmp_path: Path, capsys: Output) -> None:
    async def refused() -> str:
        assert await probe(tmp_path) == 1
        return capsys.readouterr().err

    async with emulated_air() as air:
        assert await probe(tmp_path, "--json") == 1
        said = capsys.readouterr()
        assert json.loads(said.out) == {"found": [], "seconds": 1}
        assert said.err.startswith("listening for 1 s\n")
        assert "press the sensor's button" in await refused()
        air.faults.refuse("StartDiscovery", BluezError("org.freedesktop.DBus.Error.AccessDenied", "Rejected send"))
        assert "usermod -aG bluetooth" in await refused()
        air.faults.in_progress()
        assert "another program scans" in await refused()
        air.faults.powered_off()
        assert "bluetoothctl power on" in await refused()
        air.faults.adapter_gone()
        assert "rfkill unblock bluetooth; `doctor`" in await refused()
        await air.faults.bus_away()
        assert "apt install bluez" in await refused()
    for arguments in (["--serial", "/dev/ttyUSB0"], ["--find-speed"], ["--line", "rs485"]):
        assert await probe(tmp_path, *arguments) == 1
        assert "does not go with --bluetooth" in capsys.readouterr().err
    assert main(["probe", "--adapter", "hci0", "--tcp", "127.0.0.1"]) == 1
    assert "goes with --bluetooth" in capsys.readouterr().err


def every_profile() -> list[Profile]:
    return [load_profile(name) for name in profile_names()]


def test_a_sensor_that_no_profile_reads_is_named_all_the_same() -> None:
    heard = Heard(PLAIN, service_data={"0000fcd2-0000-1000-8000-00805f9b34fb": bytes.fromhex("40 00 09 01 61")})
    known = recognise(heard, every_profile())
    assert known is not None
    assert (known.what, known.profiles, known.key) == ("BTHome v2", (), KeyNeed.NONE)
    assert "no object 0x4f" in known.detail


def test_a_sensor_whose_address_changes_is_named_and_gets_no_lines() -> None:
    heard = Heard(
        PLAIN, rotates=True, service_data={"0000fcd2-0000-1000-8000-00805f9b34fb": bytes.fromhex("404f00000000")}
    )
    known = recognise(heard, every_profile())
    assert known is not None
    assert known.profiles != ()
    assert json.loads(as_json([Row(heard, known, None)], None, 1))["found"][0]["edge_toml"] is None


def test_addresses_that_change_are_told_from_those_that_stay() -> None:
    kinds = {"5A:11:22:33:44:55": True, "3A:11:22:33:44:55": True, "DA:11:22:33:44:55": False}
    assert {address: is_private(address, "random") for address in kinds} == kinds
    assert not any(is_private(address, "public") for address in kinds)
