"""SIGTERM ends the server also while people watch: each stream is ended, none is waited for until it is cut off."""

from __future__ import annotations

import http.cookiejar
import socket
import urllib.request

from support.browser import CityServer, city_server

STREAMS = 50
LAST_CHUNK = b"0\r\n\r\n"  # RFC 9112, 7.1: a body that is whole; what is cut off lacks it


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


def rest_of(stream: socket.socket) -> bytes:
    """What comes until the server closes."""
    with stream:
        pieces = iter(lambda: stream.recv(65_536), b"")
        return b"".join(pieces)


def test_sigterm_ends_fifty_open_streams_and_cuts_none_off() -> None:
    with city_server("--uses", "40") as server:
        cookie = cookie_of(server)
        port = int(server.url.rsplit(":", 1)[1])
        streams = [watch(port, cookie) for _ in range(STREAMS)]
        server.process.terminate()
        ends = [rest_of(one)[-len(LAST_CHUNK) :] for one in streams]
        assert server.process.wait(60) == 0
    assert ends == [LAST_CHUNK] * STREAMS
