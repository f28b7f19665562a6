"""The signed records that say what the numbers mean: channel descriptors, key events, approvals, resolutions,
continuations of a log.
They never change: each is a link of a chain by `prev`, and its hash is a leaf of the log.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from tallystick_protocol import cbor
from tallystick_protocol.codes import CommandType, KeyAction, LogType, ResolutionAction, StorageClass
from tallystick_protocol.errors import BadType, BadValue
from tallystick_protocol.ids import (
    GID_BYTES,
    H32,
    H32_BYTES,
    LOG_ID_BYTES,
    NONCE_BYTES,
    PARTY_BYTES,
    Gid,
    PartyId,
)
from tallystick_protocol.keys import SPKI_BYTES_MAX
from tallystick_protocol.measure import Measure, names_covered
from tallystick_protocol.schema import (
    INT,
    POSITIVE,
    UINT,
    Blob,
    Bool,
    Bytes,
    Code,
    Field,
    Int,
    List,
    MapMessage,
    Nullable,
    Of,
    Row,
    RowMessage,
    Text,
)

EXPONENT_MAX = 18  # 10^18 is the largest power of ten in 64 bits
GRANTS_MAX = 32  # kinds and command types that one key may sign
RECORD_BYTES_MAX = 4096
LOST_MAX = 16  # checkpoints that one continuation names: one for each epoch that was left
LOG_EPOCH_MAX = 2**32 - 1  # seconds UTC until the year 2106

Grant: TypeAlias = str | int
"""What a key may sign: a kind (`ContentType.grant`, or `checkpoint`) or the number of a command type."""
Since: TypeAlias = int | tuple[int, int]
"""From when: [epoch, seq] for a gateway's key, a leaf index of the log for every other."""

_H32 = Bytes(H32_BYTES)
_NONCE = Bytes(NONCE_BYTES)


class _Either:
    """One of two types, told apart by the CBOR type."""

    def __init__(self, first: Any, second: Any, second_type: type, says: str) -> None:
        self._first, self._second, self._type, self._says = first, second, second_type, says

    def check(self, value: Any, at: str) -> None:
        self._pick(value, at).check(value, at)

    def read(self, value: Any, at: str) -> Any:
        return self._pick(value, at).read(value, at)

    def write(self, value: Any) -> Any:
        return (self._second if isinstance(value, self._type) else self._first).write(value)

    def _pick(self, value: Any, at: str) -> Any:
        if isinstance(value, bool | dict) or value is None:
            raise BadType(at, f"must be {self._says}")
        return self._second if isinstance(value, self._type) else self._first


class _SinceCodec:
    """A leaf index, or [epoch, seq]."""

    _row = Row((POSITIVE, POSITIVE))

    def check(self, value: Any, at: str) -> None:
        (self._row if isinstance(value, tuple) else UINT).check(value, at)

    def read(self, value: Any, at: str) -> Any:
        return (self._row if isinstance(value, list) else UINT).read(value, at)

    def write(self, value: Any) -> Any:
        return list(value) if isinstance(value, tuple) else int(value)


_SUBJECT = _Either(Bytes(GID_BYTES), Text(), str, "a gid or party (16 bytes) or the name of a role")
_GRANTS = List(_Either(Code(CommandType), Text(), str, "a kind or a command type"), most=GRANTS_MAX)


@dataclass(frozen=True, slots=True)
class KeyGrant(RowMessage):
    """A key and what it may sign; an empty `may` means nothing."""

    NAME = "key"
    FIELDS = (Field(0, "spki", Blob(SPKI_BYTES_MAX)), Field(1, "may", _GRANTS))
    spki: bytes
    may: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class TypeApproval(RowMessage):
    """The meter's type approval, its accuracy class and until when it is verified (ms)."""

    NAME = "approval"
    FIELDS = (Field(0, "number", Text()), Field(1, "accuracy", Text()), Field(2, "verified_until", Nullable(UINT)))
    number: str
    accuracy: str
    verified_until: int | None


@dataclass(frozen=True, slots=True)
class Descriptor(MapMessage):
    """What a channel counts: register value x 10^exponent of `unit`; `modulus` is where the register wraps.

    `meter_key`: public key (DER SPKI) of a meter that signs its own records, which lifts a use to evidence level 3.
    `since_ms`: of a channel that came into the plan of a running site, from when on its counts are billed (UTC)."""

    NAME = "descriptor"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "prev", Nullable(_H32)),
        Field(3, "gid", Bytes(GID_BYTES)),
        Field(4, "channel", POSITIVE),
        Field(5, "serial", Nullable(Text())),
        Field(6, "quantity", Text()),
        Field(7, "unit", Text()),
        Field(8, "exponent", Int(-EXPONENT_MAX, EXPONENT_MAX)),
        Field(9, "modulus", Nullable(POSITIVE)),
        Field(10, ("profile", "profile_hash"), Row((Text(), _H32))),
        Field(11, "asset", Text()),
        Field(12, "approval", Nullable(Of(TypeApproval))),
        Field(13, "meter_key", Blob(SPKI_BYTES_MAX), optional=True),
        Field(14, "since_ms", UINT, optional=True),
    )
    nonce: bytes
    prev: H32 | None
    gid: Gid
    channel: int
    serial: str | None
    quantity: str
    unit: str
    exponent: int
    modulus: int | None
    profile: str
    profile_hash: H32
    asset: str
    approval: TypeApproval | None = None
    meter_key: bytes | None = None
    since_ms: int | None = None

    def covered(self) -> frozenset[H32]:
        """Names of what was signed before the plan had the channel, and is just this. Only a channel that came into a
        running site's plan has such a past."""
        if self.since_ms is None:
            return frozenset()
        return names_covered(Measure(self.quantity, self.unit, self.exponent))


@dataclass(frozen=True, slots=True)
class KeyEvent(MapMessage):
    """A key enters, follows another or leaves; `subject` is a gid, a party or the name of a role.

    A gateway's key is valid from [epoch, seq], every other from a leaf index; the shape says which a subject is.
    """

    NAME = "key-event"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "subject", _SUBJECT),
        Field(3, "prev", Nullable(_H32)),
        Field(4, "action", Code(KeyAction)),
        Field(5, "spki", Blob(SPKI_BYTES_MAX)),
        Field(6, "storage", Code(StorageClass)),
        Field(7, "valid_from", _SinceCodec()),
        Field(8, "revoked_from", _SinceCodec(), optional=True),
        Field(9, "may", _GRANTS, optional=True, empty=()),
    )
    nonce: bytes
    subject: bytes | str
    prev: H32 | None
    action: KeyAction
    spki: bytes
    storage: StorageClass
    valid_from: Since
    revoked_from: Since | None = None
    may: tuple[Grant, ...] = ()

    def check_rules(self) -> None:
        if isinstance(self.subject, str) and isinstance(self.valid_from, tuple):
            raise BadValue("key-event.valid_from", "is [epoch, seq], which is for a gateway's key")
        if self.action == KeyAction.REVOKE and self.revoked_from is None:
            raise BadValue("key-event.revoked_from", "is absent in a revocation")
        if self.revoked_from is not None and isinstance(self.revoked_from, tuple) != isinstance(self.valid_from, tuple):
            raise BadValue("key-event.revoked_from", "has another shape than valid_from")


@dataclass(frozen=True, slots=True)
class Approval(MapMessage):
    """A party's yes or no to a signed object, named by its hash."""

    NAME = "approval"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "object", _H32),
        Field(3, "party", Bytes(PARTY_BYTES)),
        Field(4, "yes", Bool()),
    )
    nonce: bytes
    object: H32
    party: PartyId
    yes: bool


@dataclass(frozen=True, slots=True)
class Resolution(MapMessage):
    """A person's decision to bill or to waive an open span, in totals of its channel."""

    NAME = "resolution"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "prev", Nullable(_H32)),
        Field(3, "channel_hash", _H32),
        Field(4, "open_id", UINT),
        Field(5, "action", Code(ResolutionAction)),
        Field(6, "from_total", INT),
        Field(7, "to_total", INT),
        Field(8, "why", Text()),
    )
    nonce: bytes
    prev: H32 | None
    channel_hash: H32
    open_id: int
    action: ResolutionAction
    from_total: int
    to_total: int
    why: str

    def check_rules(self) -> None:
        if self.to_total < self.from_total:
            raise BadValue("resolution.to_total", "is below from_total")


@dataclass(frozen=True, slots=True)
class Reversal(MapMessage):
    """A person's decision that a use counts as if it had never been; it is never taken back.

    The use by channel and number, and what it counted: (from, to] in totals of its channel. `why` is SHA-256(nonce ||
    the reason in UTF-8): the reason may name people, and stays with whoever keeps the books.
    """

    NAME = "reversal"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "channel_hash", _H32),
        Field(3, "number", INT),
        Field(4, "from_total", INT),
        Field(5, "to_total", INT),
        Field(6, "why", _H32),
    )
    nonce: bytes
    channel_hash: H32
    number: int
    from_total: int
    to_total: int
    why: H32

    def check_rules(self) -> None:
        if self.to_total < self.from_total:
            raise BadValue("reversal.to_total", "is below from_total")


@dataclass(frozen=True, slots=True)
class LostCheckpoint(RowMessage):
    """A checkpoint that the log's key signed and that the log does not lead to any more."""

    NAME = "lost"
    FIELDS = (Field(0, "epoch", UINT), Field(1, "size", UINT), Field(2, "root", _H32))
    epoch: int
    size: int
    root: H32


@dataclass(frozen=True, slots=True)
class Continuation(MapMessage):
    """A log that was set back goes on from its first `size` leaves, in a new epoch and so under another origin.

    Signed by the community's root; its leaf is the one after those. `log` is the id of epoch 0; epochs are seconds
    UTC, so that a backup that is restored twice never makes the same one.
    """

    NAME = "continuation"
    VERSION = 1
    SIZE_MAX = RECORD_BYTES_MAX
    FIELDS = (
        Field(1, "nonce", _NONCE),
        Field(2, "log", Bytes(LOG_ID_BYTES)),
        Field(3, "epoch", Int(1, LOG_EPOCH_MAX)),
        Field(4, "from_epoch", UINT),
        Field(5, "size", POSITIVE),
        Field(6, "root", _H32),
        Field(7, "lost", List(Of(LostCheckpoint), most=LOST_MAX)),
        Field(8, "why", Text()),
    )
    nonce: bytes
    log: bytes
    epoch: int
    from_epoch: int
    size: int
    root: H32
    lost: tuple[LostCheckpoint, ...]
    why: str

    def check_rules(self) -> None:
        if self.epoch <= self.from_epoch:
            raise BadValue("continuation.epoch", "is not above the epoch that it follows")
        if any(one.epoch >= self.epoch for one in self.lost):
            raise BadValue("continuation.lost", "names a checkpoint of an epoch that had not begun")


def log_leaf(log_type: LogType, h: H32) -> bytes:
    """The bytes of a leaf: canonical CBOR of [type, hash]."""
    if len(h) != H32_BYTES:
        raise BadValue("log leaf", f"holds a hash of {len(h)} bytes, must be {H32_BYTES}")
    return cbor.encode([int(log_type), h])


def read_log_leaf(leaf: bytes) -> tuple[LogType, H32]:
    """The type and hash of a leaf; Unsupported for a type that this version does not know."""
    match cbor.decode(leaf, LEAF_BYTES_MAX, field="log leaf"):
        case [int(number), bytes(h)] if len(h) == H32_BYTES:
            return Code(LogType).read(number, "log leaf"), H32(h)
        case _:
            raise BadType("log leaf", "must be [type, 32 bytes]")


LEAF_BYTES_MAX = 64  # [type, hash] makes 36
