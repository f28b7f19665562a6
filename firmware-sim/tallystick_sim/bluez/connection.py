"""One client's socket on the emulated bus: SASL handshake, message framing, match rules.
It moves messages and never looks into what they ask for."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Callable
from typing import Any, Final, cast

from dbus_fast import Message
from dbus_fast._private.unmarshaller import Unmarshaller

from tallystick_sim.bluez.match import MatchRule

MESSAGE_BYTES_MAX: Final = 1 << 20  # bleak's largest call is a 512-byte write; anything bigger is a broken client
AUTH_BYTES_MAX: Final = 16 << 10  # as dbus-daemon: a handshake line longer than this is hostile
UNREAD_BYTES_MAX: Final = 64 << 20  # a client that stops reading is dropped, as dbus-daemon does
HEADER_BYTES: Final = 16
GUID: Final = b"7a11757c700000000000000000000001"


class Connection(asyncio.Protocol):
    """A client from connect to close. `name` is empty until it has said Hello."""

    def __init__(self, incoming: Callable[[Connection, Message], None], closed: Callable[[Connection], None]) -> None:
        self.name = ""
        self.rules: list[MatchRule] = []
        self._incoming = incoming
        self._closed = closed
        self._buffer = bytearray()
        self._authenticated = False
        self._serials = itertools.count(1)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._authenticated:
            self._handshake()
        if self._authenticated:
            self._messages()

    def send(self, message: Message) -> int:
        """Write `message` under the next serial, which is returned; a closed client is ignored."""
        message.serial = next(self._serials)
        if self._transport is not None:
            if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
                self.abort()
            else:
                self._transport.write(message._marshall(False))
        return message.serial

    def abort(self) -> None:
        """Cut the socket at once, unsent bytes included."""
        if self._transport is not None:
            self._transport.abort()

    def _handshake(self) -> None:
        while not self._authenticated and (end := self._buffer.find(b"\r\n")) >= 0:
            line = bytes(self._buffer[:end]).lstrip(b"\0")
            del self._buffer[: end + 2]
            if line == b"BEGIN":
                self._authenticated = True
            else:
                self._write(_handshake_answer(line))
        if not self._authenticated and len(self._buffer) > AUTH_BYTES_MAX:
            self.abort()

    def _messages(self) -> None:
        while len(self._buffer) >= HEADER_BYTES:
            size = _message_size(self._buffer)
            if size > MESSAGE_BYTES_MAX:
                self.abort()
                return
            if len(self._buffer) < size:
                return
            frame = bytes(self._buffer[:size])
            del self._buffer[:size]
            message = Unmarshaller(cast(Any, io.BytesIO(frame))).unmarshall()
            if message is None:
                self.abort()
                return
            if self.name:
                message.sender = self.name
            self._incoming(self, message)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _handshake_answer(line: bytes) -> bytes:
    if line.startswith(b"AUTH"):
        return b"OK " + GUID + b"\r\n"
    if line == b"NEGOTIATE_UNIX_FD":
        return b"AGREE_UNIX_FD\r\n"
    return b"ERROR\r\n"


def _message_size(header: bytearray) -> int:
    """Bytes of the message a 16-byte header announces (D-Bus specification, "Message Format")."""
    order: Final = "little" if header[0] == ord("l") else "big"
    body = int.from_bytes(header[4:8], order)
    fields = int.from_bytes(header[12:16], order)
    return HEADER_BYTES + (fields + 7) // 8 * 8 + body
