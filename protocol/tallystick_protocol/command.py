"""What a gateway is told to do, by a key that may give this type of command; obeyed once, durably counted before.
It never carries money and never overrides what the person who uses the asset decided.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from tallystick_protocol import cbor
from tallystick_protocol.codes import CommandType
from tallystick_protocol.errors import BadType, BadValue
from tallystick_protocol.ids import GID_BYTES, NONCE_BYTES, Gid
from tallystick_protocol.schema import POSITIVE, UINT, Bytes, Code, Field, MapMessage, Nullable

Arg: TypeAlias = "int | bytes | str | bool | tuple[Arg, ...] | None"
"""One argument; the shape of each command's arguments is in tallystick.cddl."""

COMMAND_BYTES_MAX = 8 * 1024
ARGS_MAX = 64


class _Args:
    """An array of plain values without maps, nested arrays as tuples."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, tuple):
            raise BadType(at, "must be an array")
        if len(value) > ARGS_MAX:
            raise BadValue(at, f"holds {len(value)} arguments, the limit is {ARGS_MAX}")
        cbor.encode(value, field=at)
        _no_maps(value, at)

    def read(self, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            raise BadType(at, "must be an array")
        args = _frozen(value)
        self.check(args, at)
        return args

    def write(self, value: Any) -> Any:
        return value


@dataclass(frozen=True, slots=True)
class Command(MapMessage):
    """Obeyed when `cmd_seq` is above the last obeyed one and time is trusted or `hello_nonce` is this boot's."""

    NAME = "command"
    VERSION = 1
    SIZE_MAX = COMMAND_BYTES_MAX
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "cmd_seq", POSITIVE),
        Field(3, "issued", UINT),
        Field(4, "expires", UINT),
        Field(5, "type", Code(CommandType)),
        Field(6, "args", _Args()),
        Field(7, "nonce", Bytes(NONCE_BYTES)),
        Field(8, "hello_nonce", Nullable(Bytes(NONCE_BYTES))),
    )
    gid: Gid
    cmd_seq: int
    issued: int
    expires: int
    type: CommandType
    args: tuple[Arg, ...]
    nonce: bytes
    hello_nonce: bytes | None

    def check_rules(self) -> None:
        if self.expires <= self.issued:
            raise BadValue("command.expires", "is not after issued")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _no_maps(value: Any, at: str) -> None:
    if isinstance(value, dict | list):
        raise BadType(at, "holds a map; arguments are plain values and arrays")
    if isinstance(value, tuple):
        for item in value:
            _no_maps(item, at)
