"""The one shape both transports have: connect, send Hello and batches, receive States, receipts and commands.
It says nothing of what the bytes mean; a transport never retries and never acknowledges by itself."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Kind(Enum):
    """What an incoming message claims to be."""

    STATE = "state"
    RECEIPT = "receipt"
    COMMAND = "cmd"


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes from the aggregator (or from anybody in between: nothing is believed before its signature is checked)."""

    kind: Kind
    data: bytes


class Session(Protocol):
    """One connection. Every method raises UplinkError when the connection is gone."""

    async def send_hello(self, data: bytes) -> None: ...

    async def send_batch(self, epoch: int, seq: int, data: bytes) -> None: ...

    async def receive(self) -> Incoming:
        """The next message; waits without limit."""
        ...


class Transport(Protocol):
    """Makes connections; a failed attempt raises UplinkError and leaves nothing behind."""

    def connect(self) -> AbstractAsyncContextManager[Session]: ...
