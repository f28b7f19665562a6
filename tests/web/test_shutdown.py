"""SIGTERM ends the server within two seconds, also while people watch."""

from __future__ import annotations

import http.cookiejar
import socket
import time
import urllib.request

import pytest
from support.browser import CityServer, city_server

pytestmark = pytest.mark.alone
STREAMS = 50
LIMIT_S = 2.0


def cookie_of(server: CityServer) -> str:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.open(f"{server.url}/demo/operator", timeout=60).close()
    return "; ".join(f"{one.name}={one.value}" for one in jar)


def watch(port: int, cookie: str) -> socket.socket:
    """An open stream that has got its first whole state."""
    found = socket.create_connection(("127.0.0.1", port), timeout=60)
    found.sendall(f"GET /situation/live HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    seen = b""
    while b"event: full" not in seen:
        piece = found.recv(65_536)
        assert piece, seen[:200]
        seen += piece
    return found


def test_sigterm_ends_fifty_open_streams_within_two_seconds() -> None:
    with city_server("--uses", "40") as server:
        cookie = cookie_of(server)
        port = int(server.url.rsplit(":", 1)[1])
        streams = [watch(port, cookie) for _ in range(STREAMS)]
        started = time.monotonic()
        server.process.terminate()
        code = server.process.wait(60)
        took_s = time.monotonic() - started
        for one in streams:
            one.close()
        assert code == 0
        assert took_s <= LIMIT_S, f"{took_s:.2f} s"
