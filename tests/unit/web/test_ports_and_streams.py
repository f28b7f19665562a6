"""Ports that are taken, and live streams: slow viewers, many viewers, an end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.city_seed import Seed, add_use
from support.city_server import StartedClock, prepare
from tallystick_cloud.city import live, service
from tallystick_cloud.city.live import QUEUE_MAX, Hub, Room, TooManyViewers, Viewer
from tallystick_cloud.clock import real_utc_ms
from tallystick_cloud.db import Database
from tallystick_cloud.errors import PortError
from tallystick_cloud.http.listeners import PORT_TRIES_MAX, open_socket, port_of
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages

SEED = Seed(gateways=3, uses=5, alarms=2)
ROME = Wording("en", ZoneInfo("Europe/Rome"))


def test_a_port_in_use_means_the_next_free_one_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    first = open_socket("127.0.0.1", 0)
    wanted = port_of(first)
    with caplog.at_level(logging.WARNING):
        second = open_socket("127.0.0.1", wanted)
    assert wanted < port_of(second) <= wanted + PORT_TRIES_MAX
    assert f"port {wanted} is in use; taking {port_of(second)}" in caplog.text
    first.close()
    second.close()


def test_a_host_that_is_not_ours_is_refused_with_its_name() -> None:
    with pytest.raises(PortError, match=r"192\.0\.2\.1"):
        open_socket("192.0.2.1", 0)


def test_a_slow_viewer_gets_the_newest_whole_state_and_a_short_queue() -> None:
    room = Room(ROME)
    viewer = Viewer(room)
    for number in range(100):
        viewer.put(b"event: tick\ndata: %d\n\n" % number)
        assert len(viewer.queue) <= QUEUE_MAX
    assert any(one.startswith(b"event: full") for one in viewer.queue)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[tuple[Hub, Database, StartedClock]]:
    database = prepare(tmp_path, SEED)
    clock = StartedClock(real_utc_ms(), SEED.now_ms)
    found = Hub(database, Pages(clock), clock)
    task = asyncio.create_task(found.run())
    yield found, database, clock
    found.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    database.close()


async def next_event(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, object]]:
    async with asyncio.timeout(60):
        text = (await anext(stream)).decode()
    kind, data = text.removesuffix("\n\n").split("\n")
    return kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_a_viewer_gets_everything_once_then_only_changes(hub: tuple[Hub, Database, StartedClock]) -> None:
    found, database, clock = hub
    stream = found.stream(SEED.community, ROME)
    assert (await anext(stream)).startswith(b"retry: ")
    kind, first = await next_event(stream)
    assert kind == "full"
    assert {"k", "c", "g", "p", "a", "s", "t"} <= set(first)
    now = Seed(SEED.community, SEED.name, SEED.gateways, clock.utc_ms())
    database.write_now(add_use, now, 77, 0, now.now_ms - 2_000, 1_500_000_000)
    found.publish("batch", {"community": SEED.community})
    kind, second = await next_event(stream)
    assert kind == "tick"
    assert set(second["k"]) >= {"uses", "fees"}  # type: ignore[call-overload]
    assert "a" not in second
    await stream.aclose()
    assert found.viewers == 0


async def test_many_viewers_cost_one_look_per_tick(
    hub: tuple[Hub, Database, StartedClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _, _ = hub
    looks = 0
    real = service.look

    def counted(*arguments: object) -> object:
        nonlocal looks
        looks += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(live, "look", counted)
    streams = [found.stream(SEED.community, ROME) for _ in range(200)]
    for stream in streams:
        await anext(stream)
    loop = asyncio.get_running_loop()
    began, before = loop.time(), looks
    async with asyncio.timeout(60):
        while looks < before + 3:
            found.publish("batch", {"community": SEED.community})
            await asyncio.sleep(0.02)
    most = 2 + (loop.time() - began) / live.TICK_S
    assert looks - before <= most, "a few per second, however many watch and whatever happens"
    for stream in streams:
        await stream.aclose()


async def test_closing_ends_every_stream(hub: tuple[Hub, Database, StartedClock]) -> None:
    found, _, _ = hub
    stream = found.stream(SEED.community, ROME)
    await anext(stream)
    found.close()
    async with asyncio.timeout(60):
        assert [one async for one in stream] == []


async def test_one_stream_too_many_is_refused(
    hub: tuple[Hub, Database, StartedClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _, _ = hub
    monkeypatch.setattr(live, "VIEWERS_MAX", 1)
    first = found.stream(SEED.community, ROME)
    await anext(first)
    with pytest.raises(TooManyViewers):
        await anext(found.stream(SEED.community, ROME))
    await first.aclose()
