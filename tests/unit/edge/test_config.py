"""Configuration and claim files: what is right is read exactly, what is wrong is named with file, key and next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.edge_file import GOOD
from tallystick_edge.claim_file import load_claim
from tallystick_edge.cli import main
from tallystick_edge.config import LineKind, Parity, TransportKind
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import ConfigError
from tallystick_edge.metering.counter import STILL_MS
from tallystick_edge.plan import make_plan
from tallystick_protocol.claim import new_claim

METER_AT_THE_SAME_UNIT = """\
[[meter]]
id = "other"
line = "rs485"
unit = 11
profile = "eastron-sdm630"
every_s = 5
"""
THE_SAME_REGISTER = """\
[[meter.channel]]
number = 2
register = "energy_import"
"""
THE_SAME_WIRES = """\
[[line]]
id = "again"
kind = "rtu"
device = "/dev/ttyUSB0"
"""
SENSORS = "".join(
    f"""\
[[meter]]
id = "{name}"
adapter = "radio"
address = "A4:c1:38:00:11:22"
profile = "bthome-water"
every_s = 30
"""
    for name in ("cold", "warm")
)
THE_SAME_SERIAL = "".join(
    f"""\
[[meter]]
id = "{name}"
line = "rs485"
unit = {unit}
profile = "eastron-sdm120"
serial = "77"
every_s = 30
"""
    for name, unit in (("one", 1), ("two", 2))
)
CHARGE_POINTS = "".join(
    f"""\
[[charge_point]]
id = "box-{channel}"
file = "sessions.jsonl"
channel = {channel}
"""
    for channel in (21, 22)
)
BAD = [
    ('version = 1\n', 'version = 9\n', "version", "install the agent that knows 9"),
    ('name = "cellar"\n', '', "gateway.name", "is missing"),
    ('name = "cellar"', 'name = "The Cellar"', "gateway.name", "use 1 to 32 of a-z"),
    ('transport = "https"', 'transport = "carrier-pigeon"', "uplink.transport", 'one of "https", "mqtt"'),
    ('baud = 19200', 'baud = "fast"', "line[1].baud", "write a whole number from 300"),
    ('baud = 19200', 'baud = true', "line[1].baud", "write a whole number"),
    ('baud = 19200', 'bauds = 19200', "line[1].bauds", "is not a key this version knows"),
    ('device = "/dev/ttyUSB0"', 'host = "x"', "line[1].device", "is missing"),
    ('line = "rs485"', 'line = "rs232"', "meter[1].line", "write one of rs485"),
    ('line = "rs485"', '', "meter[1].line", "either line (and unit) or adapter"),
    ('unit = 11', 'unit = 300', "meter[1].unit", "from 1 to 247"),
    ('every_s = 5', 'every_s = 0.00001', "meter[1].every_s", "seconds from 0.1"),
    ('number = 1\n', 'number = 11\n', "meter.channel", "uses 11 twice"),
    ('end_w = 8', 'end_w = 20', "use[1].end_w", "smaller end_w"),
    ('heat_wh = 0', 'heat_wh = 5', "use[1].programme[1].heat_wh", "start the list with heat_wh = 0"),
    ('meter = "washer-1"', 'meter = "washer-9"', "use[1].meter", "write one of washer-1"),
    ('[gateway]', '[gateway', "file", "is not TOML"),
    ('every_s = 5', 'evry_s = 5', "meter[1].every_s", "is missing (there is: line, unit, evry_s"),
    ('device = "/dev/ttyUSB0"', 'device = ""', "line[1].device", "is empty"),
    ('[[meter]]', f'{METER_AT_THE_SAME_UNIT}[[meter]]', "meter", "other and washer-1 are both unit 11 of line rs485"),
    ('[[use]]', f'{THE_SAME_REGISTER}[[use]]', "meter washer-1.channel", "1 and 2 are both energy_import"),
    ('[[adapter]]', f'{THE_SAME_WIRES}[[adapter]]', "line", "rs485 and again are both /dev/ttyUSB0"),
    ('[[meter]]', f'{SENSORS}[[meter]]', "meter", "cold and warm are both A4:C1:38:00:11:22"),
    ('[[meter]]', f'{THE_SAME_SERIAL}[[meter]]', "meter", "one and two are both eastron-sdm120 77"),
    ('unit = 11', 'unit = 11\nrestarted = "Eva"', "meter[1].restarted", "this meter has no key"),
    ('[[meter]]', f'{CHARGE_POINTS}[[meter]]', "charge_point", "/sessions.jsonl"),
]  # fmt: skip


def write(folder: Path, text: str) -> Path:
    path = folder / "edge.toml"
    path.write_text(text)
    return path


def test_a_good_file_is_read_exactly(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert (config.name, config.data, config.flush_ms) == ("cellar", tmp_path / "data", 500)
    assert config.uplink.transport is TransportKind.HTTPS
    assert config.uplink.claim == tmp_path / "claim.toml"
    [line] = config.lines
    assert (line.kind, line.baud, line.parity) == (LineKind.RTU, 19_200, Parity.EVEN)
    assert config.meters[0].every_ms == 5_000
    assert config.uses[0].end_after_ms == 120_000


@pytest.mark.parametrize(("right", "wrong", "key", "says"), BAD, ids=[f"{b[2]}:{b[3]}" for b in BAD])
def test_a_wrong_file_names_file_key_reason_and_next_step(
    tmp_path: Path, right: str, wrong: str, key: str, says: str
) -> None:
    assert right in GOOD
    path = write(tmp_path, GOOD.replace(right, wrong, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.key == key
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "Next: " in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="check the path"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('profile = "eastron-sdm120"', 'profile = "unknown-9"', "there are:"),
        ('register = "energy_import"', 'register = "energy"', "use one of"),
        ('power = "power"', 'power = "voltage"', "name a register in W or Wh"),
        ('profile = "eastron-sdm120"', 'profile = "bthome-water"', "is ble-advert, and the meter is on a line"),
        (
            'line = "rs485"\nunit = 11',
            'adapter = "radio"\naddress = "A4:C1:38:00:11:22"',
            "is modbus, and the meter is on an adapter",
        ),
        ('\nenergy = "energy_import"', '\nenergy = "energy_total"', "add [[meter.channel]]"),
        ('[[meter.channel]]\nnumber = 1\nregister = "energy_import"\n', "", "nothing of this meter would be kept"),
    ],
)
def test_a_plan_that_does_not_fit_its_profile_is_refused(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    assert right in GOOD
    config = load_config(write(tmp_path, GOOD.replace(right, wrong, 1)))
    with pytest.raises(ConfigError) as caught:
        make_plan(config)
    assert says in str(caught.value)


def test_a_register_that_a_wash_hangs_on_is_believed_without_waiting_for_time(tmp_path: Path) -> None:
    def still_ms(text: str) -> set[int]:
        plans = make_plan(load_config(write(tmp_path, text)))
        return {each.rule.still_ms for plan in plans.values() for each in plan.counters}

    assert still_ms(GOOD) == {0}
    assert still_ms(GOOD[: GOOD.index("[[use]]")]) == {STILL_MS}


def test_a_bind_key_is_never_printed(tmp_path: Path) -> None:
    secret = "231d39c1d7cc1ab1aee224cd096db93"  # one digit short
    meter = f'[[meter]]\nid = "water"\nadapter = "radio"\naddress = "A4:C1:38:5A:10:0E"\nkey = "{secret}"\n'
    text = GOOD.replace("[[use]]", meter + 'profile = "bthome-v2"\nevery_s = 5\n[[use]]')
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert secret not in str(caught.value)
    config = load_config(write(tmp_path, text.replace(secret, secret + "2")))
    assert secret not in repr(config)


CLAIM = new_claim(bytes(range(16)))
CLAIM_TOML = f"""\
version = 1
server = "https://tally.example:8443"
claim = "{CLAIM}"
site = "Via Roma 12"
ca_pem = '''
-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----
'''
[mqtt]
host = "broker.example"
"""


def test_a_claim_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "claim.toml"
    path.write_text(CLAIM_TOML)
    file = load_claim(path)
    assert (file.info.server, file.info.mqtt_host, file.info.mqtt_port) == (
        "https://tally.example:8443",
        "broker.example",
        8883,
    )


def test_a_mistyped_claim_names_the_group_and_not_the_claim(tmp_path: Path) -> None:
    path = tmp_path / "claim.toml"
    wrong = CLAIM[:5] + ("B" if CLAIM[5] != "B" else "C") + CLAIM[6:]
    path.write_text(CLAIM_TOML.replace(CLAIM, wrong))
    with pytest.raises(ConfigError, match="group 2") as caught:
        load_claim(path)
    assert wrong not in str(caught.value)


def test_a_claim_over_plain_http_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claim.toml"
    path.write_text(CLAIM_TOML.replace("https://", "http://"))
    with pytest.raises(ConfigError, match="https://tally"):
        load_claim(path)


def test_check_config_says_what_was_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, GOOD)
    assert main(["check-config", "--config", str(path), "--json"]) == 0
    assert '"channels": 2' in capsys.readouterr().out  # its energy and its washes
    assert not (tmp_path / "data").exists()


def test_a_refusal_is_one_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(write(tmp_path, GOOD))]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "start the agent" in error


def test_every_command_helps_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run", "enrol", "status", "check-config", "read", "probe", "replay", "check-profile"):
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0
        said = " ".join(capsys.readouterr().out.split())
        assert f"example: tallystick-edge {name}" in said or f"examples: tallystick-edge {name}" in said


def test_reading_a_register_that_is_not_there_is_refused_before_a_line_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD.replace('register = "energy_import"', 'register = "energy"', 1))
    assert main(["read", "--config", str(path), "--timeout", "1"]) == 1
    assert "use one of" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "soon", "100000"])
def test_a_waiting_time_that_is_none_is_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["read", "--config", str(write(tmp_path, GOOD)), "--timeout", text])
    assert "is no waiting time" in capsys.readouterr().err
