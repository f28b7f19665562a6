"""Answers GET /metrics on 127.0.0.1, one short connection at a time, without an HTTP library: aiohttp takes 12 MiB.
It never listens on another address, changes nothing, and never keeps a connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from tallystick_edge.metrics import CONTENT_TYPE

ADDRESS = "127.0.0.1"
REQUEST_S = 5.0  # a scraper on this machine needs milliseconds
REQUEST_BYTES_MAX = 8 * 1024
CONNECTIONS_MAX = 4  # more at once is not a scraper
PORT_AGAIN_S = 60.0  # another program has the port; metering goes on
log = logging.getLogger("tallystick.metrics")


class MetricsServer:
    """`run` it until cancelled. `text`: makes one scrape."""

    def __init__(self, port: int, text: Callable[[], str]) -> None:
        self._port, self._text = port, text
        self._open = 0
        self.port: int | None = None
        self.listening = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                server = await asyncio.start_server(self._serve, ADDRESS, self._port, limit=REQUEST_BYTES_MAX)
            except OSError as error:
                log.error("no figures on port %d: %s; set another [metrics] port", self._port, error.strerror)
                await asyncio.sleep(PORT_AGAIN_S)
                continue
            self.port = server.sockets[0].getsockname()[1]
            self.listening.set()
            async with server:
                await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_S):
                    request = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(request.split(b"\r\n", 1)[0]))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # not a scraper, or one that went
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _answer(self, line: bytes) -> bytes:
        match line.split(b" "):
            case [b"GET", b"/metrics", _]:
                return _response("200 OK", CONTENT_TYPE, self._text())
            case [b"GET", *_]:
                return _response("404 Not Found", "text/plain", "the figures are at /metrics\n")
            case _:
                return _response("405 Method Not Allowed", "text/plain", "only GET /metrics\n")


def _response(status: str, kind: str, text: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
