"""The batch: what a gateway signs since the last one, chained by `prev`, and the upload that carries it with its parts.
It never lets a bad part stop the chain: whatever is wrong inside a signed batch is reported beside it, not raised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from tallystick_protocol import cbor, cose, quick
from tallystick_protocol.codes import Reason, TimeQuality
from tallystick_protocol.errors import BadType, BadValue, MissingField, ProtocolError, TooLarge, Unsupported
from tallystick_protocol.ids import (
    BOOT_BYTES,
    GID_BYTES,
    H32,
    H32_BYTES,
    LOG_ID_BYTES,
    NONCE_BYTES,
    Gid,
    sha256,
)
from tallystick_protocol.part import Part
from tallystick_protocol.schema import (
    POSITIVE,
    UINT,
    Bytes,
    Code,
    Field,
    List,
    MapMessage,
    Nullable,
    Of,
    Row,
    RowMessage,
    Text,
)

SALT_BYTES = 16
PART_HASHES_STEP = 8  # hashes are padded to a multiple of this, so that their number says little
PARTS_MAX = 1024  # part hashes in one batch: 32 KiB of the 64 KiB that an upload may have

_H32 = Bytes(H32_BYTES)
_NULL = 0xF6
_SALT_HEAD = b"\x82\x50"  # an array of two, the first of them 16 bytes


@dataclass(frozen=True, slots=True)
class LogView(RowMessage):
    """A checkpoint as somebody saw it: the log's id, its size and its root."""

    NAME = "log"
    FIELDS = (Field(0, "log", Bytes(LOG_ID_BYTES)), Field(1, "size", UINT), Field(2, "root", _H32))
    log: bytes
    size: int
    root: H32


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The four fields that make a batch chainable, readable even when the rest is from a newer version."""

    gid: Gid
    epoch: int
    seq: int
    prev: H32


@dataclass(frozen=True, slots=True)
class Batch(MapMessage):
    """The signed payload. Times in ms; `part_hashes` come padded to a multiple of 8 (see `pad_hashes`)."""

    NAME = "batch"
    VERSION = 1
    QUICK = quick.read
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "epoch", POSITIVE),
        Field(3, "seq", POSITIVE),
        Field(4, "prev", _H32),
        Field(5, "nonce", Bytes(NONCE_BYTES)),
        Field(6, "created", UINT),
        Field(
            7,
            ("boot", "uptime_ms", "quality", "error_ms"),
            Row((Bytes(BOOT_BYTES), UINT, Code(TimeQuality), Nullable(UINT))),
        ),
        Field(9, "log", Nullable(Of(LogView))),
        Field(10, "software", Text()),
        Field(11, "part_hashes", List(_H32, most=PARTS_MAX)),
        Field(12, "log_for", Nullable(Bytes(LOG_ID_BYTES))),
    )
    gid: Gid
    epoch: int
    seq: int
    prev: H32
    nonce: bytes
    created: int
    boot: bytes
    uptime_ms: int
    quality: TimeQuality
    error_ms: int | None
    log: LogView | None
    software: str
    part_hashes: tuple[H32, ...]
    log_for: bytes | None

    def check_rules(self) -> None:
        if len(self.part_hashes) % PART_HASHES_STEP:
            raise BadValue("batch.part_hashes", f"are {len(self.part_hashes)}, not a multiple of {PART_HASHES_STEP}")

    @property
    def header(self) -> BatchHeader:
        """Keys 1-4."""
        return BatchHeader(self.gid, self.epoch, self.seq, self.prev)


@dataclass(frozen=True, slots=True)
class SealedPart:
    """A part's bytes and the 16 random bytes that keep its hash from being guessed; kept and erased together."""

    salt: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A batch's envelope and its parts in the order of its part hashes; None = erased or unreadable."""

    envelope: bytes
    parts: tuple[SealedPart | None, ...]

    def encode(self) -> bytes:
        """The bytes to send; TooLarge above 64 KiB."""
        parts = [None if part is None else [part.salt, part.data] for part in self.parts]
        data = cbor.encode([self.envelope, parts], field="upload")
        if len(data) > cbor.UPLOAD_BYTES_MAX:
            raise TooLarge("upload", f"is {len(data)} bytes long, the limit is {cbor.UPLOAD_BYTES_MAX}: seal earlier")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read the outer array only; envelope and parts stay bytes."""
        usual = _usual(data)
        if usual is not None:
            return cls(*usual)
        match cbor.decode(data, field="upload"):
            case [bytes(envelope), list(parts)]:
                pass
            case _:
                raise BadType("upload", "must be [envelope bytes, [* [salt, part bytes] / null]]")
        if len(parts) > PARTS_MAX:
            raise TooLarge("upload.parts", f"are {len(parts)}, the limit is {PARTS_MAX}")
        return cls(envelope, tuple(_sealed(part, f"upload.parts[{index}]") for index, part in enumerate(parts)))


@dataclass(frozen=True, slots=True)
class BadPart:
    """A part that goes into quarantine, with the receipt's reason and the sentence for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class OpenedUpload:
    """An upload taken apart. Nothing in it is trusted before `unverified.verify(key)` returned.

    `batch` is None when only the header could be read; `batch_error` then says why, and every part is a BadPart.
    """

    envelope: bytes
    unverified: cose.Unverified
    header: BatchHeader
    batch: Batch | None
    batch_error: ProtocolError | None
    sealed: tuple[SealedPart | None, ...]
    parts: tuple[Part | BadPart | None, ...]


def open_upload(data: bytes) -> OpenedUpload:
    """Take an upload apart; raises ProtocolError when no header can be read or there are more parts than hashes."""
    upload = Upload.decode(data)
    unverified = cose.parse(upload.envelope)
    if unverified.content_type is not cose.ContentType.BATCH:
        raise BadValue("upload.envelope", f"is a {unverified.content_type.kind}, expected a batch")
    header, batch, error = read_batch(unverified.payload)
    if batch is None:
        bad = BadPart(_reason_of(error), str(error))
        parts: tuple[Part | BadPart | None, ...] = tuple(None if part is None else bad for part in upload.parts)
    else:
        if len(upload.parts) > len(batch.part_hashes):
            raise BadValue("upload.parts", f"are {len(upload.parts)} for {len(batch.part_hashes)} part hashes")
        parts = tuple(map(open_part, upload.parts, batch.part_hashes))
    return OpenedUpload(upload.envelope, unverified, header, batch, error, upload.parts, parts)


def read_batch(payload: bytes) -> tuple[BatchHeader, Batch | None, ProtocolError | None]:
    """The header of a batch payload, and either the whole batch or the reason why only the header can be read."""
    batch = quick.read(Batch, payload)
    if batch is not None:
        return batch.header, batch, None
    value = cbor.decode(payload, field="batch")
    header = _header(value)
    try:
        return header, Batch.from_value(value), None
    except ProtocolError as error:
        return header, None, error


def open_part(sealed: SealedPart | None, expected: H32) -> Part | BadPart | None:
    """The part that belongs to a signed hash, or why it does not; None stays None."""
    if sealed is None:
        return None
    if part_hash(sealed.salt, sealed.data) != expected:
        return BadPart(Reason.PART_HASH, "part: does not fit the hash that the batch signed")
    try:
        return Part.decode(sealed.data)
    except ProtocolError as error:
        return BadPart(_reason_of(error), str(error))


def part_hash(salt: bytes, data: bytes) -> H32:
    """SHA-256(salt || part), the salt being exactly 16 bytes."""
    if len(salt) != SALT_BYTES:
        raise BadValue("salt", f"is {len(salt)} bytes long, must be {SALT_BYTES}")
    return sha256(salt + data)


def pad_hashes(hashes: Sequence[H32], random: Callable[[int], bytes]) -> tuple[H32, ...]:
    """`hashes` and random ones after them, up to a multiple of 8; `random(n)` gives n random bytes."""
    missing = -len(hashes) % PART_HASHES_STEP
    return (*hashes, *(H32(random(H32_BYTES)) for _ in range(missing)))


def first_prev(spki: bytes) -> H32:
    """`prev` of the first batch of epoch 1: SHA-256 of the first proof key, so a gateway may seal before enrolling."""
    return sha256(spki)


def _usual(data: bytes) -> tuple[bytes, tuple[SealedPart | None, ...]] | None:
    """An upload as it should be, of at most 255 parts, in one pass; None: `Upload.decode` looks closer."""
    if len(data) > cbor.UPLOAD_BYTES_MAX or data[:1] != b"\x82":
        return None
    parts: list[SealedPart | None] = []
    try:
        envelope = cbor.bytes_at(data, 1)
        head = None if envelope is None else cbor.count_at(data, envelope[1])
        if envelope is None or head is None:
            return None
        count, at = head
        for _ in range(count):
            if data[at] == _NULL:
                parts.append(None)
                at += 1
                continue
            body = cbor.bytes_at(data, at + len(_SALT_HEAD) + SALT_BYTES)
            if body is None or data[at : at + len(_SALT_HEAD)] != _SALT_HEAD:
                return None
            parts.append(SealedPart(data[at + len(_SALT_HEAD) : at + len(_SALT_HEAD) + SALT_BYTES], body[0]))
            at = body[1]
    except IndexError:
        return None
    return (envelope[0], tuple(parts)) if at == len(data) else None


def _sealed(value: cbor.CborValue, at: str) -> SealedPart | None:
    match value:
        case None:
            return None
        case [bytes(salt), bytes(data)] if len(salt) == SALT_BYTES:
            return SealedPart(salt, data)
        case _:
            raise BadType(at, f"must be null or [{SALT_BYTES} bytes of salt, part bytes]")


def _header(value: cbor.CborValue) -> BatchHeader:
    if not isinstance(value, dict):
        raise BadType("batch", "must be a map")
    read: dict[int, object] = {}
    for field in Batch.FIELDS[:4]:
        if field.key not in value:
            raise MissingField(f"batch.{field.label}", f"is absent (key {field.key})")
        read[field.key] = field.codec.read(value[field.key], f"batch.{field.label}")
    return BatchHeader(*(read[key] for key in (1, 2, 3, 4)))  # type: ignore[arg-type]


def _reason_of(error: ProtocolError | None) -> Reason:
    return Reason.UNSUPPORTED if isinstance(error, Unsupported) else Reason.MALFORMED
