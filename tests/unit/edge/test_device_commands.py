"""What a person types at a meter: probe, read, replay, check-profile, against a simulated meter in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tallystick_edge.cli import main
from tallystick_edge.config import LineConfig, LineKind, Parity
from tallystick_edge.drivers.modbus_probe import Scan, probe_line, scan_order
from tallystick_edge.link_options import line_of, other_speeds, speed_of, units_of
from tallystick_edge.profile import load_profile
from tallystick_sim.modbus.line import SerialLine
from tallystick_sim.modbus.timing import LineTiming

Output = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def meter() -> Iterator[str]:
    """HOST:PORT of a simulated SDM630 under unit 7."""
    command = [sys.executable, "-m", "tallystick_sim", "meter", "eastron-sdm630", "--tcp", "0", "--unit", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        yield said.split(" at ")[1].split(";")[0]
        process.terminate()
        assert process.wait(60) == 0


def config(folder: Path, address: str, meters: str) -> list[str]:
    host, port = address.split(":")
    text = f"""version = 1
[gateway]
name = "cellar"
data = "data"
[uplink]
transport = "https"
claim = "claim.toml"
[[line]]
id = "tcp"
kind = "tcp"
host = "{host}"
port = {port}
{meters}"""
    (folder / "edge.toml").write_text(text)
    return ["--config", str(folder / "edge.toml")]


HOUSE = """[[meter]]
id = "house"
line = "tcp"
unit = 7
profile = "eastron-sdm630"
every_s = 5
"""


HOT_WATER = """[[adapter]]
id = "radio"
kind = "bluetooth"
[[meter]]
id = "hot-water"
adapter = "radio"
address = "A4:C1:38:00:11:22"
profile = "bthome-water"
every_s = 30
[[meter.channel]]
number = 4
register = "water"
"""


def test_probe_names_what_answers_and_what_does_not(meter: str, tmp_path: Path, capsys: Output) -> None:
    silent = HOUSE.replace("house", "cellar").replace("unit = 7", "unit = 9")
    assert main(["probe", *config(tmp_path, meter, HOUSE + silent), "--units", "1-12", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    row = {"unit": 7, "profile": "eastron-sdm630", "serial": "20260001", "doubt": None, "planned": "house"}
    row["differs"] = None
    assert said == {"found": [row], "asked": 12, "not_asked": [], "silent": ["cellar"]}
    assert main(["probe", "--tcp", meter, "--units", "1-12"]) == 0
    assert capsys.readouterr().out == "  7  eastron-sdm630  serial 20260001\n"


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('profile = "eastron-sdm630"', 'profile = "eastron-sdm630"\nserial = "777"', "serial 777"),
        ('profile = "eastron-sdm630"', 'profile = "eastron-sdm120"', "eastron-sdm120"),
    ],
)
def test_probe_says_where_the_configuration_and_the_meter_differ(
    right: str, wrong: str, says: str, meter: str, tmp_path: Path, capsys: Output
) -> None:
    assert main(["probe", *config(tmp_path, meter, HOUSE.replace(right, wrong)), "--units", "7"]) == 0
    said = capsys.readouterr().out
    assert said == f"  7  eastron-sdm630  serial 20260001  is house, but the configuration says {says}\n"


def test_a_meter_at_another_speed_is_found_and_the_speed_named(tmp_path: Path, capsys: Output) -> None:
    line = tmp_path / "rs485"
    command = [sys.executable, "-m", "tallystick_sim", "meter", "eastron-sdm120", "--serial", str(line)]
    with subprocess.Popen([*command, "--baud", "19200"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is there
        probe = ["probe", "--serial", str(line), "--units", "1-2"]
        assert main(probe) == 1
        assert "`probe --find-speed`" in capsys.readouterr().err
        assert main([*probe, "--find-speed"]) == 0
        said = capsys.readouterr()
        process.terminate()
    assert said.out == "  1  eastron-sdm120  serial 20260001\n"
    step = 'Next: write baud = 19200 and parity = "N" for this line'
    assert f"somebody answers at 19200 8N1. {step}" in said.err


def test_other_speeds_are_each_usual_one_once_and_not_the_own() -> None:
    own = LineConfig("rs485", LineKind.RTU, device="/dev/ttyUSB0", baud=19_200, parity=Parity.EVEN)
    found = [speed_of(each) for each in other_speeds(own)]
    assert found[:2] == ["9600 8N1", "19200 8N1"]
    assert len(found) == len(set(found)) == 20
    assert "19200 8E1" not in found


def test_a_network_has_no_speed_to_find(capsys: Output) -> None:
    assert main(["probe", "--tcp", "localhost", "--find-speed"]) == 1
    assert "localhost is no serial line. Next: leave it out, or name" in capsys.readouterr().err


def test_nobody_there_is_said_with_the_next_step(meter: str, capsys: Output) -> None:
    assert main(["probe", "--tcp", meter, "--units", "1-3"]) == 1
    assert "nobody answers" in capsys.readouterr().err


def test_a_dump_read_back_gives_the_same_values(meter: str, tmp_path: Path, capsys: Output) -> None:
    dump = tmp_path / "house.json"
    assert main(["read", "--tcp", meter, "--unit", "7", "--raw"]) == 0
    dump.write_text(capsys.readouterr().out)
    assert main(["replay", str(dump), "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)["meters"]
    assert replayed[0]["values"].keys() == load_profile("eastron-sdm630").registers.keys()
    assert replayed[0]["values"]["voltage"] == 2_305
    assert replayed[0]["serial"] == "20260001"
    played = [sys.executable, "-m", "tallystick_sim", "meter", str(dump), "--tcp", "0", "--unit", "3"]
    with subprocess.Popen(played, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split(" at ")[1].split(";")[0]
        assert main(["read", "--tcp", address, "--unit", "3", "--json"]) == 0
        process.terminate()
    again = json.loads(capsys.readouterr().out)["meters"]
    assert again[0]["values"] == replayed[0]["values"]


def test_a_configured_meter_is_read_by_its_id_and_shown_as_its_display_says(
    meter: str, tmp_path: Path, capsys: Output
) -> None:
    assert main(["read", *config(tmp_path, meter, HOUSE), "house"]) == 0
    said = capsys.readouterr().out
    assert "house  unit 7  eastron-sdm630  serial 20260001" in said
    assert "voltage          230.5 V" in said
    assert "kWh" in said
    assert main(["read", *config(tmp_path, meter, HOUSE), "garage"]) == 1
    assert "'garage' is not configured. Next: write one of house" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["read", "--unit", "7", "--profile", "eastron-sdm72d", "--tcp"], "wrong-meter: register 0xfc02 says '112'"),
        (["read", "--unit", "4", "--profile", "eastron-sdm630", "--tcp"], "refused"),
        (["read", "--unit", "4", "--tcp"], "4 does not answer"),
        (["read", "--unit", "7", "--profile", "bthome-water", "--tcp"], "is ble-advert, and this is a Modbus line"),
        (["read", "--unit", "7", "--profile", "nothing", "--tcp"], "no such profile"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_next_step(
    arguments: list[str], said: str, meter: str, capsys: Output
) -> None:
    assert main([*arguments, meter]) == 1
    out = capsys.readouterr()
    assert said in out.out + out.err
    assert "Next: " in out.out + out.err


def test_registers_are_read_without_any_profile(meter: str, capsys: Output) -> None:
    assert main(["read", "--tcp", meter, "--unit", "7", "--registers", "3:0xFC02:1", "--registers", "4:0:2"]) == 0
    assert capsys.readouterr().out == "function 3  0xfc02  0070\nfunction 4  0x0000  4366 8000\n"


@pytest.mark.parametrize("text", ["4:0x48", "5:0:1", "4:0:126", "4:0xFFFF:2", "4:x:1", "4:0:0"])
def test_registers_that_cannot_be_are_refused(text: str, capsys: Output) -> None:
    with pytest.raises(SystemExit):
        main(["read", "--tcp", "localhost", "--registers", text])
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("no json", "file: is not JSON"),
        ("[1]", "file: is not an object of readings, version"),
        ('{"version": 2, "readings": []}', "version: is not 1"),
        ('{"version": 1, "readings": [{}]}', "readings[0]: is not an object of meter"),
        ("UNIT", "readings[0].unit: is not a whole number"),
        ("WORDS", "readings[0].reads[0].words: is not 1 to 125 registers"),
        ("DIGIT", "readings[0].reads[0].words: has a digit"),
        ("ADDRESS", "readings[0].reads[0].address: is not written as"),
        ("END", "readings[0].reads[0].address: reaches beyond"),
    ],
)
def test_a_bad_dump_is_refused_with_its_place(text: str, place: str, tmp_path: Path, capsys: Output) -> None:
    good = (
        '{"version": 1, "readings": [{"meter": "m", "unit": 1, "utc_ms": 0, "profile": null, "profile_sha256": null,'
        ' "reads": [{"function": 4, "address": "0x0048", "words": "449a 5225"}]}]}'
    )
    changes = {
        "UNIT": ('"unit": 1', '"unit": true'),
        "WORDS": ("449a 5225", "449a 522"),
        "DIGIT": ("449a 5225", "449a 522x"),
        "ADDRESS": ("0x0048", "72"),
        "END": ("0x0048", "0xFFFF"),
    }
    (tmp_path / "dump.json").write_text(good.replace(*changes[text]) if text in changes else text)
    assert main(["replay", str(tmp_path / "dump.json")]) == 1
    assert f"dump.json: {place}" in capsys.readouterr().err


def test_check_profile_names_the_first_value_that_is_wrong(tmp_path: Path, capsys: Output) -> None:
    from importlib import resources

    good = resources.files("tallystick_edge.profiles").joinpath("eastron-sdm120.toml").read_text("utf-8")
    path = tmp_path / "my-meter.toml"
    path.write_text(good.replace('name = "eastron-sdm120"', 'name = "my-meter"'))
    assert main(["check-profile", str(path)]) == 0
    assert "my-meter: 5 registers, 2 vectors decode as they say" in capsys.readouterr().out
    path.write_text(path.read_text().replace("voltage = 2305, current = 8870", "voltage = 2304, current = 8870"))
    assert main(["check-profile", str(path)]) == 1
    assert "my-meter.toml: vector[0].expect.voltage: is 2304, but the words say 2305" in capsys.readouterr().err


def test_a_profile_that_nobody_checked_is_billed_only_when_somebody_compared_it(tmp_path: Path, capsys: Output) -> None:
    water = """[[meter]]
id = "flat-3"
line = "tcp"
unit = 3
profile = "dynaflox-ultrad"
every_s = 60
[[meter.channel]]
number = 1
register = "water"
"""
    assert main(["check-config", *config(tmp_path, "localhost:502", water)]) == 1
    error = capsys.readouterr().err
    assert "meter flat-3.compared: profile dynaflox-ultrad has not been checked" in error
    compared = water.replace("every_s = 60", 'every_s = 60\ncompared = "A. Rossi, 2026-11-29"')
    assert main(["check-config", *config(tmp_path, "localhost:502", compared)]) == 0


def test_plan_addresses_come_first_then_the_near_ones_then_the_rest() -> None:
    assert scan_order([200, 3, 99], range(1, 248))[:5] == [200, 3, 99, 1, 2]
    order = scan_order([200, 3], [250 - place for place in range(3, 250)])
    assert sorted(order) == list(range(1, 248))
    assert max(order[2:33]) == 32
    assert units_of("5,1-3") == [5, 1, 2, 3]


async def test_a_scan_ends_in_time_and_says_what_it_left(tmp_path: Path) -> None:
    import argparse

    line = SerialLine(LineTiming(9_600), link=tmp_path / "rs485")
    line.open()
    options = argparse.Namespace(serial=line.port, tcp=None, rtu_tcp=None, baud=9_600, parity="N", stop_bits=1)
    scan = Scan()
    found = [each async for each in probe_line(line_of(options, None), range(1, 248), seconds=0.5, scan=scan)]
    line.close()
    assert found == []
    assert 1 <= len(scan.asked) < 247
    assert scan.asked + scan.left == list(range(1, 248))


def test_a_sensor_that_cannot_be_heard_is_said_with_the_next_step(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    arguments = config(tmp_path, "localhost:502", HOT_WATER)
    assert main(["read", *arguments, "hot-water", "--timeout", "2"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("meter=hot-water fault=bluetooth-service-gone ")
    assert "Next: `doctor` looks at the adapter; BlueZ must run" in said


def test_a_serial_line_that_a_running_agent_uses_is_left_alone(tmp_path: Path, capsys: Output) -> None:
    from tallystick_edge.app import DataLock

    arguments = config(tmp_path, "localhost:502", HOUSE)
    text = (tmp_path / "edge.toml").read_text().replace('kind = "tcp"\nhost = "localhost"\nport = 502', "")
    (tmp_path / "edge.toml").write_text(
        text.replace('id = "tcp"', f'id = "tcp"\nkind = "rtu"\ndevice = "{tmp_path}/no"')
    )
    (tmp_path / "data").mkdir()
    with DataLock(tmp_path / "data"):
        for command in (["probe"], ["read"], ["read", "--registers", "3:0:1"]):
            assert main([command[0], *arguments, *command[1:]]) == 1
            assert "is in use by the agent that runs here. Next: stop it first" in capsys.readouterr().err
    assert main(["probe", *arguments, "--units", "1"]) == 1
    assert "Next: check the cable, the device path" in capsys.readouterr().err
