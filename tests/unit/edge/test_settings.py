"""A configure command: obeyed once, durable before it counts, told in a signed event, in force after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.edge import EDGE_TOML, HandClock
from support.edge_online import FAST, Gateway, until
from support.real_aggregator import RealAggregator
from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways import commands as office
from tallystick_edge import app as app_module
from tallystick_edge.agent import Agent, Pace
from tallystick_edge.app import App
from tallystick_edge.clock import SystemEntropy, system_clock
from tallystick_edge.config import EdgeConfig
from tallystick_edge.config_toml import load_config
from tallystick_edge.enrolment import client_context
from tallystick_edge.errors import EdgeError
from tallystick_edge.settings import SETTINGS_FILE, Configure, in_force, load_settings
from tallystick_edge.uplink.https import HttpsTransport
from tallystick_edge.uplink.worker import Uplink
from tallystick_protocol.codes import Reason
from tallystick_protocol.configure import Settings

HOUR_MS = 3_600_000
CONFIG = EDGE_TOML.replace("every_s = 1", "every_s = 5")


def test_what_is_set_is_kept_and_later_commands_lie_over_earlier_ones(tmp_path: Path) -> None:
    changes: list[int] = []
    configure = Configure(tmp_path, lambda: changes.append(1))
    assert configure([("poll", 30_000)]) is None
    assert configure([("seal", 5_000), ("poll", 0)]) is None
    assert configure([("seal", 5_000), ("poll", 0)]) is None  # told again after a crash
    assert load_settings(tmp_path) == Settings(0, 5_000, None)
    assert len(changes) == 3


def test_what_is_beyond_the_limits_changes_nothing(tmp_path: Path) -> None:
    configure = Configure(tmp_path, lambda: pytest.fail("nothing was set"))
    assert configure([("poll", 10)]) is Reason.CONFIGURATION
    assert configure([]) is Reason.CONFIGURATION
    assert load_settings(tmp_path) is None


def test_zero_and_nothing_leave_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "edge.toml").write_text(CONFIG)
    config = load_config(tmp_path / "edge.toml")
    assert in_force(config, Settings(0, None, None)) == config
    changed = in_force(config, Settings(30_000, 10_000, 60_000))
    assert [each.every_ms for each in changed.meters] == [30_000]
    assert (changed.uplink.seal_every_ms, changed.uplink.heartbeat_ms) == (10_000, 60_000)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(b"\x81\x02")
    with pytest.raises(EdgeError, match=r"settings\.cbor: is damaged"):
        load_settings(tmp_path)


async def test_the_agent_goes_on_with_other_settings_after_a_clean_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "edge.toml").write_text(CONFIG)
    seen: list[int] = []
    started = asyncio.Event()

    def drivers(config: EdgeConfig, *_: object) -> list[object]:
        seen.append(config.meters[0].every_ms)
        return []

    async def talk(
        self: App, identity: object, core: object, agent: object, plans: object, configure: Configure
    ) -> None:
        if len(seen) == 1:
            assert configure([("poll", 30_000)]) is None
        else:
            started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(app_module, "make_drivers", drivers)
    monkeypatch.setattr(App, "_talk", talk)
    app = App(load_config(tmp_path / "edge.toml"), system_clock(), SystemEntropy())
    running = asyncio.create_task(app.run())
    async with asyncio.timeout(60):
        await started.wait()
    app.stop()
    await running
    assert seen == [5_000, 30_000]


async def test_a_command_that_a_full_disk_cannot_keep_is_obeyed_later_and_ends_nothing(tmp_path: Path) -> None:
    clock = HandClock()
    aggregator = RealAggregator(_made(tmp_path / "aggregator"), clock)
    await aggregator.start()
    gateway: Gateway[RealAggregator] = Gateway(tmp_path / "edge", aggregator, clock=clock)
    enrolment = await gateway.enrol()
    what = aggregator.aggregator, bytes(gateway.identity.gid), Settings(poll_ms=30_000), HOUR_MS, clock.utc_ms()
    aggregator.database.write_now(office.configure, *what)
    in_the_way = gateway.data / f"{SETTINGS_FILE}.new"  # what is written beside a file: nothing can be written here
    in_the_way.mkdir()
    context = client_context(enrolment, gateway.data, gateway.identity)
    last_command = lambda: gateway.core.chain.last_command  # noqa: E731
    transport = HttpsTransport(enrolment.info.server, gateway.identity.gid.hex(), context, last_command)
    configure = Configure(gateway.data, lambda: None)
    uplink = Uplink(gateway.core, transport, enrolment.trust, FAST, gateway.entropy, configure)
    agent = Agent(gateway.core, [], clock, Pace(1_000, 60_000, 60_000))
    running = asyncio.create_task(agent.hand_over(uplink))
    await asyncio.sleep(1)
    assert not running.done()
    assert last_command() == 0
    in_the_way.rmdir()
    await until(lambda: last_command() == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert load_settings(gateway.data) == Settings(poll_ms=30_000)
    await aggregator.stop()
    aggregator.database.close()


async def test_from_the_office_to_the_gateway_and_its_answer_in_the_books(tmp_path: Path) -> None:
    clock = HandClock()
    aggregator = RealAggregator(_made(tmp_path / "aggregator"), clock)
    await aggregator.start()
    gateway: Gateway[RealAggregator] = Gateway(tmp_path / "edge", aggregator, clock=clock)
    changed = asyncio.Event()
    gateway.configure = Configure(gateway.data, changed.set)
    gid, now = bytes(gateway.identity.gid), clock.utc_ms()
    await gateway.enrol()

    def say(settings: Settings, ttl_ms: int = HOUR_MS) -> None:
        aggregator.database.write_now(office.configure, aggregator.aggregator, gid, settings, ttl_ms, now)

    with pytest.raises(BadInput, match=r"configure\.poll"):
        say(Settings(poll_ms=10))
    say(Settings(poll_ms=30_000))
    say(Settings(seal_ms=9_000))
    async with gateway.online():
        await until(lambda: gateway.core.chain.last_command == 2)
        gateway.core.seal()
        await until(lambda: gateway.core.waiting_count() == 0)
    rows = aggregator.database.read_now(office.told, gid, now)
    assert [(row.number, row.type, row.result) for row in rows] == [(2, "configure", "done"), (1, "configure", "done")]
    assert changed.is_set()
    assert load_settings(gateway.data) == Settings(30_000, 9_000, None)
    await aggregator.stop()
    gateway.core.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
