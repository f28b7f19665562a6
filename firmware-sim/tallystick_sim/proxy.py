"""A TCP relay on loopback that can turn into a black hole, as a broken network path does: silent, with no error.
It passes bytes or swallows them; it never looks into them and never answers for the other side."""

from __future__ import annotations

import asyncio
import contextlib

CHUNK_BYTES = 65_536  # one read; large enough for a whole batch, small enough to keep memory flat
CONNECT_TIMEOUT_S = 5.0


class Proxy:
    """Relays connections to one port of this machine. `cut` swallows everything from now on; `heal` ends that.

    Connections that lived through a cut are closed when it heals, as a NAT that forgot them would do."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()
        self._doomed: set[asyncio.Task[None]] = set()
        self.swallowed_bytes = 0

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1 and say which."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        self._passing.clear()
        self._doomed |= self._relays

    def heal(self) -> None:
        for task in self._doomed:
            task.cancel()
        self._doomed = set()
        self._passing.set()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._relays:
            task.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._relays.add(task)
        if not self._passing.is_set():
            self._doomed.add(task)
        try:
            await self._relay(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the other side is gone or the proxy ends: both ends find out by the closed connection
        finally:
            self._relays.discard(task)
            self._doomed.discard(task)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            there = asyncio.create_task(self._pump(reader, far_writer))
            back = asyncio.create_task(self._pump(far_reader, writer))
            try:
                await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (there, back):
                    task.cancel()
                await asyncio.gather(there, back, return_exceptions=True)
        finally:
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if not self._passing.is_set():
                    self.swallowed_bytes += len(chunk)
                    continue
                writer.write(chunk)
                await writer.drain()
