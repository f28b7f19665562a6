"""The proxy is a faithful relay, and a silent black hole when cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tallystick_sim.proxy import Proxy


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_relays_and_swallows_and_closes_what_lived_through_the_cut(echo_port: int) -> None:
    proxy = Proxy(echo_port)
    port = await proxy.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"one\n")
    assert await asyncio.wait_for(reader.readline(), 60) == b"one\n"

    proxy.cut()
    writer.write(b"two\n")
    new_reader, new_writer = await asyncio.open_connection("127.0.0.1", port)
    new_writer.write(b"three\n")
    for silent in (reader, new_reader):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(silent.readline(), 0.2)
    async with asyncio.timeout(60):
        while proxy.swallowed_bytes < len(b"two\n"):  # noqa: ASYNC110 - the proxy only counts
            await asyncio.sleep(0.01)
    assert proxy.swallowed_bytes == len(b"two\n")

    proxy.heal()
    assert await asyncio.wait_for(reader.readline(), 60) == b""
    assert await asyncio.wait_for(new_reader.readline(), 60) == b""
    again_reader, again_writer = await asyncio.open_connection("127.0.0.1", port)
    again_writer.write(b"four\n")
    assert await asyncio.wait_for(again_reader.readline(), 60) == b"four\n"
    for w in (writer, new_writer, again_writer):
        w.close()
    await proxy.stop()


async def test_a_dead_target_closes_the_connection() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    dead_port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    proxy = Proxy(dead_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    await proxy.stop()
