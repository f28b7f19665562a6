"""What systemd hears of the agent, over a real datagram socket; and what counts as progress."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from support.edge import EDGE_TOML
from tallystick_edge import app as app_module
from tallystick_edge.app import App
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config_toml import load_config
from tallystick_edge.core import Core
from tallystick_edge.errors import JournalError, JournalFull
from tallystick_edge.notify import Notify
from tallystick_edge.ports import Sink
from tallystick_edge.sample import Fault, Sample
from tallystick_edge.vitals import OTHER, PATIENCE_S, REASONS_MAX, Vitals, allowed_s
from tallystick_protocol.codes import MeterState

DAY_S = 86_400


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """systemd's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + address[1:] if address.startswith("@") else address)
        heard.setblocking(False)
        yield heard


def words(heard: socket.socket) -> list[str]:
    found: list[str] = []
    while True:
        try:
            found.append(heard.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_ready_alive_and_stopping(tmp_path: Path, abstract: bool) -> None:
    address = f"@tallystick-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with manager(address) as heard:
        notify = Notify({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"})
        notify.ready()
        notify.alive("12 values read")
        notify.stopping()
        assert words(heard) == ["READY=1", "WATCHDOG=1\nSTATUS=12 values read", "STOPPING=1"]
        assert notify.watchdog_s == 3.0


def test_without_systemd_nothing_is_sent_and_a_dead_socket_is_no_error(tmp_path: Path) -> None:
    Notify({}).ready()
    Notify({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    Notify({"NOTIFY_SOCKET": "vsock:2:1234"}).ready()
    assert Notify({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


class _Time:
    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_driver_or_a_store_that_does_not_move_is_a_stall() -> None:
    time = _Time()
    vitals = Vitals(time, {"line a": 100, "line b": 400}, flush_s=1)
    time.seconds += 90
    vitals.stored()
    assert vitals.stall() is None
    time.seconds += 20
    vitals.stored()
    stall = vitals.stall()
    assert stall is not None
    assert (stall.what, stall.seconds) == ("line a", 110)
    vitals.fault("line a", Fault("m", 0, "timeout", "no answer"))  # a silent meter is progress of the line
    assert vitals.stall() is None
    time.seconds += 70
    stall = vitals.stall()
    assert stall is not None
    assert stall.what == "the store"


def test_kinds_of_faults_have_a_limit() -> None:
    vitals = Vitals(_Time(), {"line": 100}, flush_s=1)
    for number in range(REASONS_MAX + 10):
        vitals.fault("line", Fault("m", 0, f"invented-{number}", ""))
    assert len(vitals.faults) == REASONS_MAX + 1
    assert vitals.faults["m", OTHER] == 10


def test_a_lazy_meter_gives_its_line_more_time(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(EDGE_TOML)
    assert allowed_s(load_config(tmp_path / "edge.toml")) == {"line line": 660}
    (tmp_path / "edge.toml").write_text(EDGE_TOML.replace("every_s = 1", "every_s = 3600"))
    assert allowed_s(load_config(tmp_path / "edge.toml")) == {"line line": 6 * 3600 + 60}


class _Answers:
    async def run(self, sink: Sink) -> None:
        clock = system_clock()
        for wh in count(1_000):
            values = {"energy_import": wh}
            sink.sample(Sample("washer", clock.uptime_ms(), clock.utc_ms(), values, "4711", MeterState.OK))
            await asyncio.sleep(0.01)


class _Hangs:
    async def run(self, sink: Sink) -> None:
        await asyncio.Event().wait()


async def heard_until(tmp_path: Path, enough: Callable[[list[str]], bool]) -> list[str]:
    """What a running agent says until that is enough, and to its end."""
    (tmp_path / "edge.toml").write_text(EDGE_TOML)
    with manager(str(tmp_path / "notify")) as heard:
        notify = Notify({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000"})
        app = App(load_config(tmp_path / "edge.toml"), system_clock(), SystemEntropy(), notify)
        running = asyncio.create_task(app.run())
        said: list[str] = []
        async with asyncio.timeout(60):
            while not enough(said):
                await asyncio.sleep(0.02)
                said += words(heard)
        app.stop()
        with suppress(JournalError):  # of a store that fails to its end
            await running
        return said + words(heard)


def feeds(said: list[str]) -> int:
    return sum(each.startswith("WATCHDOG=1") for each in said)


def stalls(said: list[str]) -> bool:
    return any(each.startswith("STATUS=") for each in said)


async def test_a_working_agent_feeds_the_watchdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: [("line line", _Answers())])
    said = await heard_until(tmp_path, lambda said: feeds(said) > 2)
    assert "READY=1" in said
    assert said[-1] == "STOPPING=1"


@pytest.mark.parametrize("broken", ["driver", "store"])
async def test_a_hanging_driver_or_a_failing_store_starves_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    driver = _Hangs() if broken == "driver" else _Answers()
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: [("line line", driver)])
    monkeypatch.setattr(app_module, "allowed_s", lambda _: {"line line": 0.2 if broken == "driver" else 60})
    if broken == "store":
        monkeypatch.setattr("tallystick_edge.vitals.PATIENCE_S", 0.05)
        monkeypatch.setattr(Core, "flush", _fails(JournalError("the card is gone")))
    what = "line line" if broken == "driver" else "the store"
    said = await heard_until(tmp_path, stalls)
    stalled = next(index for index, each in enumerate(said) if each.startswith("STATUS="))
    assert said[stalled].startswith(f"STATUS={what} has not moved")
    assert not feeds(said[stalled:])


async def test_a_full_disk_is_not_cured_by_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "make_drivers", lambda *_: [("line line", _Answers())])
    monkeypatch.setattr("tallystick_edge.agent.STORE_AGAIN_MS", 20)
    time, tries = _Time(), 0
    made = partial(Vitals, time, {"line line": 10 * DAY_S}, 0.05)
    monkeypatch.setattr(app_module, "vitals_of", lambda _: made())

    def later() -> None:
        nonlocal tries
        tries += 1
        time.seconds += 2 / 3 * PATIENCE_S  # two refusals in a row would be a store that does not move

    monkeypatch.setattr(Core, "flush", _fails(JournalFull("full"), later))
    said = await heard_until(tmp_path, lambda said: stalls(said) or (tries > 10 and feeds(said) > 3))
    assert not stalls(said)


def _fails(error: Exception, then: Callable[[], None] = lambda: None) -> object:
    def fail(core: Core) -> None:
        if core.desk.held_count:  # the clean end finds nothing left to flush
            core.desk.flushed()
            then()
            raise error

    return fail
