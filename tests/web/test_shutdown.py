"""SIGTERM ends the server within two seconds, also while people watch."""

from __future__ import annotations

import asyncio
import http.cookiejar
import time
import urllib.request

from support.browser import CityServer, city_server

STREAMS = 50
LIMIT_S = 2.0


def cookie_of(server: CityServer) -> str:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.open(f"{server.url}/demo/operator", timeout=10).close()
    return "; ".join(f"{one.name}={one.value}" for one in jar)


async def watch(port: int, cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /situation/live HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    assert b"200 OK" in await reader.readline()
    await reader.readuntil(b"event: full")
    return reader, writer


async def test_sigterm_ends_fifty_open_streams_within_two_seconds() -> None:
    with city_server() as server:
        cookie = cookie_of(server)
        port = int(server.url.rsplit(":", 1)[1])
        streams = await asyncio.gather(*(watch(port, cookie) for _ in range(STREAMS)))
        started = time.monotonic()
        server.process.terminate()
        code = await asyncio.to_thread(server.process.wait, 10)
        took_s = time.monotonic() - started
        for _, writer in streams:
            writer.close()
        assert code == 0
        assert took_s <= LIMIT_S, f"{took_s:.2f} s"
