"""The agent as a whole, in this process and as one of its own: devices apart, a clean end, one agent per folder."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from support.edge import EDGE_TOML, sample
from tallystick_edge import agent as agent_module
from tallystick_edge import app as app_module
from tallystick_edge.app import App, DataLock
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config_toml import load_config
from tallystick_edge.errors import ConfigError, EdgeError, JournalError
from tallystick_edge.identity import load_identity
from tallystick_edge.journal import Flush, Journal
from tallystick_edge.ports import Driver, Sink

CONFIG = EDGE_TOML.replace('"mqtt"', '"mqtt"\nclaim = "claim.toml"').replace('"127.0.0.1"', '"127.0.0.1"\nport = 9')


class Steady:
    """A driver whose meter answers."""

    def __init__(self) -> None:
        self.value = 1_000

    async def run(self, sink: Sink) -> None:
        while True:
            self.value += 1
            sink.sample(replace(sample(self.value * 1_000, self.value, 0), values={"energy_import": self.value}))
            await asyncio.sleep(0.01)


class Broken:
    """A driver that dies again and again."""

    def __init__(self) -> None:
        self.starts = 0

    async def run(self, sink: Sink) -> None:
        self.starts += 1
        raise OSError("the adapter is gone")


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text(CONFIG)
    return path


def use_drivers(monkeypatch: pytest.MonkeyPatch, *drivers: Driver) -> None:
    named: Sequence[tuple[str, Driver]] = [(f"driver {index}", driver) for index, driver in enumerate(drivers)]
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: named)
    monkeypatch.setattr(agent_module, "DRIVER_AGAIN_MS", 20)


async def run_until(config_file: Path, condition: Callable[[], bool]) -> None:
    app = App(load_config(config_file), system_clock(), SystemEntropy())

    async def look() -> None:
        try:
            async with asyncio.timeout(60):
                while not condition():  # noqa: ASYNC110 - what it waits for happens in several places
                    await asyncio.sleep(0.02)
        finally:
            app.stop()

    looking = asyncio.create_task(look())
    await app.run()
    await looking


async def test_one_dead_device_never_stops_another(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    steady = Steady()
    use_drivers(monkeypatch, broken, steady)
    await run_until(config_file, lambda: broken.starts > 3 and steady.value > 1_011)
    journal = Journal.open(config_file.parent / "data" / "journal.sqlite", bytes(32))
    assert broken.starts > 3
    value = journal.load().channels[1].value
    assert value is not None
    assert value > 1_010


async def test_metering_and_sealing_go_on_without_an_enrolment(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = Steady()
    use_drivers(monkeypatch, steady)
    await run_until(config_file, lambda: steady.value > 1_010)
    journal = Journal.open(config_file.parent / "data" / "journal.sqlite", bytes(32))
    assert journal.load().pending == []  # sealed at the end
    assert journal.waiting_count() >= 1


async def test_a_commit_that_fails_is_survived_by_opening_the_journal_again(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_drivers(monkeypatch, Steady())
    failures, flushed = iter([True, False, True]), []
    real = Journal.flush

    def flaky(self: Journal, flush: Flush) -> None:
        if next(failures, False):
            raise JournalError("disk I/O error")
        real(self, flush)
        flushed.append(flush)

    monkeypatch.setattr(Journal, "flush", flaky)
    monkeypatch.setattr(agent_module, "STORE_AGAIN_MS", 10)
    await run_until(config_file, lambda: len(flushed) >= 3)
    assert next(failures, None) is None
    journal = Journal.open(config_file.parent / "data" / "journal.sqlite", bytes(32))
    assert journal.waiting_count() >= 1


def test_a_second_agent_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with DataLock(tmp_path), pytest.raises(EdgeError, match="another agent runs"), DataLock(tmp_path):
        pass
    with DataLock(tmp_path):
        pass


def test_programs_that_start_at_once_on_an_empty_folder_make_one_key(tmp_path: Path) -> None:
    """`enrol` beside the first start: the agent went on with a key that was replaced on the disk."""
    data, together = tmp_path / "data", Barrier(8)

    def start(_: int) -> bytes:
        together.wait(60)
        return bytes(load_identity(data).gid)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(start, range(8))) == {bytes(load_identity(data).gid)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_cleanly_and_status_reads_what_is_there(number: signal.Signals, config_file: Path) -> None:
    command = [sys.executable, "-OO", "-m", "tallystick_edge"]
    options = ["--config", str(config_file)]
    run = [sys.executable, "-X", "importtime", *command[1:], "run", *options]
    said: list[str] = []
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "runs with 1 drivers" in line:
                break
        process.send_signal(number)
        said += process.stderr.readlines()
        assert process.wait(60) == 0
    rest = "".join(said)
    assert "ended cleanly" in rest
    assert "Traceback" not in rest
    imported = {line.rpartition("|")[2].strip() for line in said if line.startswith("import time:")}
    assert "asyncio" in imported
    assert not imported & {"inspect", "ast", "argparse"}  # 0.7 MiB of a small board, for nothing an agent does
    status = subprocess.run([*command, "status", *options, "--json"], capture_output=True, text=True, check=True)
    standing = json.loads(status.stdout)
    assert (standing["epoch"], standing["enrolled"], standing["waiting"]) == (1, False, 0)
    for name in ("proof.pem", "tls.pem"):
        assert (config_file.parent / "data" / name).stat().st_mode & 0o777 == 0o600


def test_enrol_without_a_claim_says_what_to_do(config_file: Path) -> None:
    command = [sys.executable, "-m", "tallystick_edge", "enrol", "--config", str(config_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "put the site's claim.toml there" in done.stderr


@pytest.mark.parametrize("setting", ["fast", "60,1", "0,1,1", "60,-1,1", "100000,1,1"])
def test_a_clock_setting_that_is_none_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TALLYSTICK_CLOCK", setting)
    with pytest.raises(ConfigError, match="TALLYSTICK_CLOCK"):
        system_clock()
