"""A serial device server: a TCP port whose bytes go to a serial line and back unchanged (RTU over TCP).
It frames nothing and waits for nothing, as the cheap converters do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from types import TracebackType

CHUNK = 4_096


class SerialBridge:
    """Use it as an async context manager; `port` is what the agent connects to. One master at a time: the next one
    takes over, as with most such converters. `connections`: how many there have been."""

    def __init__(self, device: str, baud: int, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._device, self._baud = device, baud
        self._server: asyncio.Server | None = None
        self._fd = -1
        self._writer: asyncio.StreamWriter | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def __aenter__(self) -> SerialBridge:
        self._fd = os.open(self._device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd)
        mode = termios.tcgetattr(self._fd)
        mode[4] = mode[5] = getattr(termios, f"B{self._baud}")
        termios.tcsetattr(self._fd, termios.TCSANOW, mode)
        asyncio.get_running_loop().add_reader(self._fd, self._from_line)
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        if self._server:
            self._server.close()
        if self._writer:
            self._writer.transport.abort()
        await asyncio.gather(*self._serving, return_exceptions=True)
        os.close(self._fd)

    def freeze(self) -> None:
        """The converter hangs: its connections stay open and nothing comes any more."""
        asyncio.get_running_loop().remove_reader(self._fd)

    def thaw(self) -> None:
        """It works again for whoever connects anew."""
        asyncio.get_running_loop().add_reader(self._fd, self._from_line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        if self._writer is not None:
            self._writer.transport.abort()
        self._writer = writer
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                os.write(self._fd, data)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def _from_line(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            data = os.read(self._fd, CHUNK)
            if self._writer is not None and not self._writer.transport.is_closing():
                self._writer.write(data)
