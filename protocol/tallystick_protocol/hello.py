"""How a gateway and an aggregator find each other again: Hello says where the gateway stands, State where the books do.
Neither ever moves money; the one thing in a Hello that changes the books is the declaration of lost batches.
"""

from dataclasses import dataclass

from tallystick_protocol.batch import LogView
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import BOOT_BYTES, GID_BYTES, H32, H32_BYTES, NONCE_BYTES, Gid
from tallystick_protocol.schema import (
    INT,
    POSITIVE,
    UINT,
    Blob,
    Bytes,
    Field,
    List,
    MapMessage,
    Nullable,
    Of,
    Row,
    RowMessage,
    Text,
)

NOTE_BYTES_MAX = 4096  # a checkpoint note with its witnesses
VERSIONS_MAX = 16
LOST_MAX = 64  # lost spans in one Hello; a card that lost more is replaced
CHANNELS_MAX = 512  # channels of one gateway: 40 B each in a State

_H32 = Bytes(H32_BYTES)


@dataclass(frozen=True, slots=True)
class LostBatches(RowMessage):
    """Sealed batches that cannot be read any more, with the hash of the last, which the next batch has as `prev`."""

    NAME = "lost"
    FIELDS = (
        Field(0, "epoch", POSITIVE),
        Field(1, "from_seq", POSITIVE),
        Field(2, "to_seq", POSITIVE),
        Field(3, "hash", _H32),
    )
    epoch: int
    from_seq: int
    to_seq: int
    hash: H32

    def check_rules(self) -> None:
        if self.to_seq < self.from_seq:
            raise BadValue("lost.to_seq", "is before from_seq")


@dataclass(frozen=True, slots=True)
class Hello(MapMessage):
    """Signed with ES256 at every start and after every reconnect; `last_seq` 0 = nothing sealed in this epoch yet."""

    NAME = "hello"
    VERSION = 1
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "epoch", POSITIVE),
        Field(3, "last_seq", UINT),
        Field(4, "last_hash", _H32),
        Field(5, "boot", Bytes(BOOT_BYTES)),
        Field(6, "versions", List(UINT, least=1, most=VERSIONS_MAX)),
        Field(7, "software", Text()),
        Field(9, "nonce", Bytes(NONCE_BYTES)),
        Field(10, "last_cmd_seq", UINT),
        Field(11, "lost", List(Of(LostBatches), least=1, most=LOST_MAX), optional=True, empty=()),
    )
    gid: Gid
    epoch: int
    last_seq: int
    last_hash: H32
    boot: bytes
    versions: tuple[int, ...]
    software: str
    nonce: bytes
    last_cmd_seq: int
    lost: tuple[LostBatches, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelState(RowMessage):
    """Up to where a channel is billed and known; a number is 0 and `billed_to` null when there is none yet."""

    NAME = "channel"
    FIELDS = (
        Field(0, "channel", UINT),
        Field(1, "billed_to", Nullable(INT)),
        Field(2, "last_use", UINT),
        Field(3, "last_pagination", UINT),
        Field(4, "last_event", UINT),
        Field(5, "generation", UINT),
        Field(6, "base", INT),
        Field(7, "serial", Nullable(Text())),
    )
    channel: int
    billed_to: int | None
    last_use: int
    last_pagination: int
    last_event: int
    generation: int
    base: int
    serial: str | None


@dataclass(frozen=True, slots=True)
class State(MapMessage):
    """Signed with EdDSA. Only a State with this boot's nonce in `hello_nonce` may start an epoch.

    `next` is the sequence number expected next and `head` its `prev`; `note` is a checkpoint note of the log.
    """

    NAME = "state"
    VERSION = 1
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "epoch", POSITIVE),
        Field(8, "server_ms", UINT),
        Field(9, "next", POSITIVE),
        Field(10, "head", _H32),
        Field(11, "log", Of(LogView)),
        Field(14, "versions", Row((UINT, UINT))),
        Field(15, "note", Nullable(Blob(NOTE_BYTES_MAX))),
        Field(16, "hello_nonce", Nullable(Bytes(NONCE_BYTES))),
        Field(17, "last_cmd_seq", UINT),
        Field(18, "channels", List(Of(ChannelState), most=CHANNELS_MAX)),
    )
    gid: Gid
    epoch: int
    server_ms: int
    next: int
    head: H32
    log: LogView
    versions: tuple[int, int]
    note: bytes | None
    hello_nonce: bytes | None
    last_cmd_seq: int
    channels: tuple[ChannelState, ...]

    def check_rules(self) -> None:
        if self.versions[0] > self.versions[1]:
            raise BadValue("state.versions", "has a minimum above its maximum")
        numbers = [channel.channel for channel in self.channels]
        if len(set(numbers)) != len(numbers):
            raise BadValue("state.channels", "name one channel twice")
