"""The HTTPS transport: PUT batches, POST Hello, long-poll commands; TLS with the CA pin and a client certificate.
It is imported only when it is used, because aiohttp costs a small gateway 12 MiB."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
from tallystick_protocol import cbor
from tallystick_protocol.errors import ProtocolError

from tallystick_edge.errors import UplinkError
from tallystick_edge.uplink.problem import problem_text
from tallystick_edge.uplink.transport import Incoming, Kind, Session

REQUEST_S = 30  # an answer takes one database transaction; a black hole is noticed after this
LONG_POLL_S = 120  # the aggregator answers earlier; a longer silence is a dead connection
LONG_POLL_MIN_S = 10  # an empty answer that came sooner was no long poll
POLL_NEXT_S = 1  # time to obey what came before asking what comes after it
POLL_AGAIN_S = 30  # after a refused or hasty answer; nothing urgent comes this way
ANSWER_BYTES_MAX = 128 * 1024  # a State of 512 channels has 20 kB
INBOX_MAX = 64  # a window of receipts and a State, many times over
CBOR_TYPE = "application/cbor"


class HttpsTransport:
    """`server`: "https://host:port". The context holds the CA pin and the client certificate."""

    def __init__(self, server: str, gid: str, context: ssl.SSLContext, last_command: Callable[[], int]) -> None:
        self._base = f"{server.rstrip('/')}/v1/gateways/{gid}"
        self._context = context
        self._last_command = last_command

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        """One keep-alive connection for requests, one for the long poll."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=2)
        async with aiohttp.ClientSession(connector=connector) as http:
            session = _HttpsSession(http, self._base, self._last_command)
            poll = asyncio.create_task(session.poll_commands())
            try:
                yield session
            finally:
                poll.cancel()
                with suppress(asyncio.CancelledError):
                    await poll


class _HttpsSession:
    def __init__(self, http: aiohttp.ClientSession, base: str, last_command: Callable[[], int]) -> None:
        self._http = http
        self._base = base
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue(INBOX_MAX)
        self._greeted = asyncio.Event()
        self._last_command = last_command

    async def send_hello(self, data: bytes) -> None:
        answer = await self._request("POST", "/hello", data)
        await self._inbox.put(Incoming(Kind.STATE, answer))
        self._greeted.set()

    async def send_batch(self, epoch: int, seq: int, data: bytes) -> None:
        answer = await self._request("PUT", f"/batches/{epoch}/{seq}", data)
        await self._inbox.put(Incoming(Kind.RECEIPT, answer))

    async def receive(self) -> Incoming:
        return await self._inbox.get()

    async def poll_commands(self) -> None:
        """Ask for commands for ever; trouble here never disturbs the batches."""
        await self._greeted.wait()
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            wait_s = POLL_AGAIN_S
            try:
                path = f"/commands?after={self._last_command()}"
                found = _commands(await self._request("GET", path, None, LONG_POLL_S))
                for envelope in found:
                    await self._inbox.put(Incoming(Kind.COMMAND, envelope))
                if found or loop.time() - asked >= LONG_POLL_MIN_S:
                    wait_s = POLL_NEXT_S
            except (UplinkError, ProtocolError):
                pass  # the next Hello or batch finds out whether the connection is gone
            await asyncio.sleep(wait_s)

    async def _request(self, method: str, path: str, data: bytes | None, total_s: int = REQUEST_S) -> bytes:
        timeout = aiohttp.ClientTimeout(total=total_s)
        headers = {} if data is None else {"Content-Type": CBOR_TYPE}
        try:
            async with self._http.request(
                method, self._base + path, data=data, headers=headers, timeout=timeout
            ) as answer:
                body = await answer.content.read(ANSWER_BYTES_MAX + 1)
                while not answer.content.at_eof() and len(body) <= ANSWER_BYTES_MAX:
                    body += await answer.content.read(ANSWER_BYTES_MAX + 1 - len(body))
                if len(body) > ANSWER_BYTES_MAX:
                    raise UplinkError(f"{method} {path}: the answer is longer than {ANSWER_BYTES_MAX} bytes")
                if answer.status >= 500 or "json" in answer.content_type:
                    raise UplinkError(f"{method} {path}: {answer.status}: {problem_text(body)}")
                return body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UplinkError(f"{method} {path}: {type(error).__name__}: {error}") from error


def _commands(body: bytes) -> list[bytes]:
    if not body:
        return []
    value = cbor.decode(body, ANSWER_BYTES_MAX, field="commands")
    return [each for each in value if isinstance(each, bytes)] if isinstance(value, list) else []
