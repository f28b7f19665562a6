"""The log's forms, each line read back by what reads it; and no secret in any of them, whatever goes wrong."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.aggregator import Authority
from tallystick_edge.identity import load_identity
from tallystick_edge.logs import LogForm, log_lines
from tallystick_protocol.claim import new_claim

BIND_KEY = "00112233445566778899aabbccddeeff"
CONFIG = f"""\
version = 1
[gateway]
name = "test"
data = "data"
[uplink]
transport = "https"
claim = "claim.toml"
[[line]]
id = "line"
kind = "tcp"
host = "127.0.0.1"
port = 9
[[adapter]]
id = "radio"
kind = "bluetooth"
[[meter]]
id = "washer"
line = "line"
unit = 1
profile = "eastron-sdm120"
every_s = 1
[[meter.channel]]
number = 1
register = "energy_import"
[[meter]]
id = "water"
adapter = "radio"
address = "A4:C1:38:5A:10:0E"
profile = "bthome-water"
key = "{BIND_KEY}"
every_s = 30
[[meter.channel]]
number = 2
register = "water"
"""
CLAIM = new_claim(b"\x5a" * 16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gateway with every secret it may have, and nothing that answers."""
    (tmp_path / "edge.toml").write_text(CONFIG)
    ca = Authority.make().certificate.public_bytes(Encoding.PEM).decode()
    claim = f'version = 1\nserver = "https://127.0.0.1:9"\nclaim = "{CLAIM}"\nca_pem = """\n{ca}"""\n'
    (tmp_path / "claim.toml").write_text(claim)
    load_identity(tmp_path / "data")
    return tmp_path


def secrets(folder: Path) -> list[str]:
    """Every text that must not be in a log, without line ends."""
    keys = [(folder / "data" / name).read_text().splitlines()[1:-1] for name in ("proof.pem", "tls.pem")]
    return [BIND_KEY, BIND_KEY.upper(), CLAIM, CLAIM.split("-")[1], *(line for key in keys for line in key)]


def run(folder: Path, *words: str, environment: dict[str, str] | None = None) -> str:
    """The log of an agent whose line, radio and server are all dead."""
    config = ("--config", str(folder / "edge.toml"))
    command = [sys.executable, "-m", "tallystick_edge", "run", "--verbose", *words, *config]
    dead = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere", **(environment or {})}
    log = folder / "log"
    with log.open("wb") as file:
        running = subprocess.Popen(command, stderr=file, stdin=subprocess.DEVNULL, env={**os.environ, **dead})
    end = time.monotonic() + 60
    told = ("does not open", "meter water", "not enrolled yet")
    while time.monotonic() < end and not all(word in log.read_text() for word in told):
        time.sleep(0.1)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    return log.read_text()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_each_form_is_read_back_and_holds_no_secret(folder: Path, form: str) -> None:
    hidden = secrets(folder)
    text = run(folder, environment={"JOURNAL_STREAM": "9:99"}) if form == "journal" else run(folder, "--log", form)
    lines = text.splitlines()
    match form:
        case "json":
            rows = [json.loads(line) for line in lines]
            assert all({"t_ms", "level", "where", "text"} <= row.keys() for row in rows)
            assert any(row["level"] == "warning" and row["where"] == "agent" for row in rows)
        case "journal":
            assert all(line[0] == "<" and line[1].isdigit() and line[2] == ">" for line in lines)
            assert any(line.startswith("<4>tallystick.agent meter washer: ") for line in lines)
        case _:
            assert any(" WARNING tallystick.agent meter washer: " in line for line in lines)
    found = [secret for secret in hidden if secret in text]
    assert not found, f"in the log: {found}"


def test_a_traceback_stays_with_its_record(capsys: pytest.CaptureFixture[str]) -> None:
    for form in (LogForm.JOURNAL, LogForm.JSON):
        log_lines(form, verbose=False)
        try:
            raise OSError("the card is gone")
        except OSError:
            logging.getLogger("tallystick.test").exception("a flush failed")
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("<3>") for line in lines[:-1])
    row = json.loads(lines[-1])
    assert (row["level"], row["where"], row["text"]) == ("error", "test", "a flush failed")
    assert row["traceback"].endswith("OSError: the card is gone")


def test_an_unknown_form_is_refused(folder: Path) -> None:
    command = [sys.executable, "-m", "tallystick_edge", "status", "--log", "xml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "invalid" in done.stderr
