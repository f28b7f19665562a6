"""Which keys this gateway believes, and for what: receipts, States, commands, descriptors, the log's notes.
It opens signed messages or refuses them; a key is never believed for a kind that it was not granted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tallystick_protocol import checkpoint, cose
from tallystick_protocol.batch import LogView
from tallystick_protocol.command import Command
from tallystick_protocol.errors import BadValue, UnknownKey
from tallystick_protocol.hello import State
from tallystick_protocol.ids import Kid
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.records import KeyGrant


class _ForGateway(Protocol):
    @property
    def gid(self) -> bytes: ...


M = TypeVar("M", bound=_ForGateway)


class Trust:
    """Keys granted at enrolment (or by key events later), for one gateway."""

    def __init__(self, gid: bytes, keys: Sequence[KeyGrant], log_origin: str, log_spki: bytes) -> None:
        self._gid = gid
        self._granted = [(PublicKey.from_spki(each.spki), each.may) for each in keys]
        self._log_origin = log_origin
        self._log_key = PublicKey.from_spki(log_spki)

    def state(self, envelope: bytes) -> State:
        """A State for this gateway; raises ProtocolError."""
        return self._mine(State.decode(self._open(envelope, cose.ContentType.STATE)))

    def receipt(self, envelope: bytes) -> Receipt:
        """A receipt for this gateway; raises ProtocolError."""
        return self._mine(Receipt.decode(self._open(envelope, cose.ContentType.RECEIPT)))

    def command(self, envelope: bytes) -> Command:
        """A command for this gateway whose signer may give its type; raises ProtocolError."""
        opened = cose.open_envelope(envelope, cose.ContentType.COMMAND, self._any_key)
        command = self._mine(Command.decode(opened.payload))
        if not any(key.kid == opened.kid and int(command.type) in may for key, may in self._granted):
            raise UnknownKey("command.kid", f"may not give command {command.type.name.lower()}")
        return command

    def log_view(self, note: bytes) -> LogView:
        """What a checkpoint note says after its log signature was checked; raises ProtocolError."""
        seen, epoch = checkpoint.open_in_any_epoch(note, self._log_origin, self._log_key)
        return LogView(checkpoint.log_id(self._log_key.spki, epoch), seen.size, seen.root)

    @property
    def log_for(self) -> bytes:
        """The log this gateway's batches are meant for."""
        return bytes(checkpoint.log_id(self._log_key.spki))

    def _open(self, envelope: bytes, kind: cose.ContentType) -> bytes:
        def find(kid: Kid) -> PublicKey | None:
            return next((key for key, may in self._granted if key.kid == kid and kind.kind in may), None)

        return cose.open_envelope(envelope, kind, find).payload

    def _any_key(self, kid: Kid) -> PublicKey | None:
        return next((key for key, _ in self._granted if key.kid == kid), None)

    def _mine(self, message: M) -> M:
        if message.gid != self._gid:
            raise BadValue("gid", "is another gateway's: the message was misrouted or replayed")
        return message
