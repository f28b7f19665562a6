"""A message bus with exactly one service on it, org.bluez, on a private unix socket.
It routes calls, replies and signals, needs no dbus-daemon and no root, and never knows what Bluetooth is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dbus_fast import Message, MessageFlag, MessageType

from tallystick_sim.bluez.connection import Connection
from tallystick_sim.bluez.errors import BluezError, unknown_method
from tallystick_sim.bluez.match import MatchRule

BUS_NAME: Final = "org.freedesktop.DBus"
SERVICE_NAME: Final = "org.bluez"
SERVICE_UNIQUE: Final = ":1.0"
_SERVICE_NAMES: Final = frozenset({SERVICE_NAME, SERVICE_UNIQUE})

Handler = Callable[[Message], Message | None]
"""Answers a call to org.bluez; None means that no answer is ever sent."""


class Bus:
    """The socket, its clients, and the way between them and the one service."""

    def __init__(self, path: Path, handle: Handler, gone: Callable[[str], None]) -> None:
        self._path = path
        self._handle = handle
        self._gone = gone
        self._clients: set[Connection] = set()
        self._by_name: dict[str, Connection] = {}
        self._numbers = itertools.count(1)
        self._answers: dict[tuple[str, int], Callable[[Message], None]] = {}
        self._server: asyncio.AbstractServer | None = None

    @property
    def address(self) -> str:
        """What DBUS_SYSTEM_BUS_ADDRESS must hold for bleak to come here."""
        return f"unix:path={self._path}"

    @property
    def clients(self) -> int:
        return len(self._clients)

    async def listen(self) -> None:
        """Open the socket; a left-over file of an earlier run is replaced."""
        self._path.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connection, str(self._path))

    async def close(self) -> None:
        """Close the socket and every client; calling it twice is harmless."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_all()
        self._path.unlink(missing_ok=True)
        await asyncio.sleep(0)

    def drop_all(self) -> None:
        """Cut every client, as a dying dbus-daemon does."""
        for client in tuple(self._clients):
            client.abort()

    def signal(self, message: Message) -> None:
        """Broadcast to each client with a matching rule."""
        message.sender = SERVICE_UNIQUE
        for client in tuple(self._by_name.values()):
            if any(rule.accepts(message, _SERVICE_NAMES) for rule in client.rules):
                client.send(message)

    def call(self, message: Message, answer: Callable[[Message], None] | None = None) -> None:
        """Call an object of a client; `answer` gets the reply. A client that is gone is ignored."""
        message.sender = SERVICE_UNIQUE
        client = self._by_name.get(message.destination or "")
        if client is None:
            return
        serial = client.send(message)
        if answer is not None:
            self._answers[client.name, serial] = answer

    def _connection(self) -> Connection:
        client = Connection(self._incoming, self._closed)
        self._clients.add(client)
        return client

    def _closed(self, client: Connection) -> None:
        self._clients.discard(client)
        if self._by_name.pop(client.name, None) is not None:
            self._answers = {key: value for key, value in self._answers.items() if key[0] != client.name}
            self._gone(client.name)

    def _incoming(self, client: Connection, message: Message) -> None:
        match message.message_type:
            case MessageType.METHOD_CALL:
                self._answer(client, message)
            case MessageType.METHOD_RETURN | MessageType.ERROR:
                answer = self._answers.pop((client.name, message.reply_serial), None)
                if answer is not None:
                    answer(message)
            case _:
                pass  # no client of this bus has anything to broadcast

    def _answer(self, client: Connection, call: Message) -> None:
        reply = self._bus_method(client, call) if call.destination == BUS_NAME else self._handle(call)
        if reply is None or call.flags & MessageFlag.NO_REPLY_EXPECTED:
            return
        reply.sender = BUS_NAME if call.destination == BUS_NAME else SERVICE_UNIQUE
        reply.destination = client.name
        client.send(reply)

    def _bus_method(self, client: Connection, call: Message) -> Message:
        try:
            signature, body = self._bus_result(client, call)
        except BluezError as error:
            return Message.new_error(call, error.name, error.text)
        except ValueError as error:
            return Message.new_error(call, "org.freedesktop.DBus.Error.MatchRuleInvalid", str(error))
        return Message.new_method_return(call, signature, body)

    def _bus_result(self, client: Connection, call: Message) -> tuple[str, list[object]]:
        match call.member:
            case "Hello":
                client.name = f":1.{next(self._numbers)}"
                self._by_name[client.name] = client
                return "s", [client.name]
            case "AddMatch":
                client.rules.append(MatchRule.parse(call.body[0]))
                return "", []
            case "RemoveMatch":
                rule = MatchRule.parse(call.body[0])
                if rule in client.rules:
                    client.rules.remove(rule)
                return "", []
            case "GetNameOwner":
                return "s", [SERVICE_UNIQUE]
            case "NameHasOwner":
                return "b", [call.body[0] in _SERVICE_NAMES or call.body[0] in self._by_name]
            case _:
                raise unknown_method(call.interface, call.member)
