"""COSE_Sign1 in the one shape that this protocol allows: tag 18, header {1 alg, 3 content type, 4 kid}, nothing else.
It never trusts the envelope's algorithm or kid: the key that the caller looks up decides, and the hash of a signed
object is that of its Sig_structure, because an ECDSA envelope can be altered without altering what it says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from tallystick_protocol import cbor
from tallystick_protocol.errors import BadEnvelope, BadSignature, TooLarge, UnknownKey, Unsupported
from tallystick_protocol.ids import H32, KID_BYTES, Kid, sha256
from tallystick_protocol.keys import SIGNATURE_BYTES, Alg, PublicKey, Signer

_TAG_18 = b"\xd2"
_SIGNATURE1 = b"\x84" + cbor.encode("Signature1")  # an array of four, its first
_HEADER_KEYS = frozenset({1, 3, 4})
_HEADERS = 4096  # one for each key and content type; those of a server's gateways again and again
HEADER_BYTES_MAX = 128  # three short entries; the longest content type makes 66


class ContentType(StrEnum):
    """What a signed payload is; part of the signed header, so that one kind never passes as another."""

    BATCH = "application/vnd.tallystick.batch+cbor"
    RECEIPT = "application/vnd.tallystick.receipt+cbor"
    HELLO = "application/vnd.tallystick.hello+cbor"
    STATE = "application/vnd.tallystick.state+cbor"
    COMMAND = "application/vnd.tallystick.command+cbor"
    CONTRACT = "application/vnd.tallystick.contract+cbor"
    KEY_EVENT = "application/vnd.tallystick.key-event+cbor"
    DESCRIPTOR = "application/vnd.tallystick.descriptor+cbor"
    APPROVAL = "application/vnd.tallystick.approval+cbor"
    RESOLUTION = "application/vnd.tallystick.resolution+cbor"
    REVERSAL = "application/vnd.tallystick.reversal+cbor"
    SETTLEMENT = "application/vnd.tallystick.settlement+cbor"
    POOL = "application/vnd.tallystick.pool+cbor"
    COST = "application/vnd.tallystick.cost+cbor"
    ENROL = "application/vnd.tallystick.enrol+cbor"
    VOTE = "application/vnd.tallystick.vote+cbor"
    INPUT = "application/vnd.tallystick.input+cbor"
    CONTINUATION = "application/vnd.tallystick.continuation+cbor"

    @property
    def kind(self) -> str:
        """The short name: `batch`, `key-event`."""
        return self.value.removeprefix("application/vnd.tallystick.").removesuffix("+cbor")

    @property
    def grant(self) -> str:
        """What a key must be granted to sign it: the short name; who may decide about open spans may about uses too."""
        return "resolution" if self is ContentType.REVERSAL else self.kind


@dataclass(frozen=True, slots=True)
class Unverified:
    """An envelope of the right shape whose signature nobody has checked yet."""

    content_type: ContentType
    kid: Kid
    alg: Alg
    payload: bytes
    signature: bytes
    signed: bytes

    @property
    def hash(self) -> H32:
        """hash(x) = SHA-256(Sig_structure): the identity of the signed object."""
        return sha256(self.signed)

    def verify(self, key: PublicKey) -> None:
        """Raise BadSignature unless `key` made this signature with the key's own algorithm."""
        if key.alg != self.alg:
            raise BadSignature("envelope.alg", f"is {self.alg}, but key {key.kid.hex()} is for {key.alg}")
        key.verify(self.signature, self.signed)


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload whose signature was checked."""

    content_type: ContentType
    kid: Kid
    payload: bytes
    hash: H32


def sign(signer: Signer, content_type: ContentType, payload: bytes) -> bytes:
    """The envelope (COSE_Sign1, RFC 9052) of `payload`, which is already deterministic CBOR."""
    protected = _protected(signer.alg, content_type, signer.kid)
    signature = signer.sign(sig_structure(protected, payload))
    body = _TAG_18, b"\x84", cbor.encode_bytes(protected), b"\xa0", cbor.encode_bytes(payload)
    return b"".join((*body, cbor.encode_bytes(signature)))


@lru_cache(maxsize=_HEADERS)
def _protected(alg: Alg, content_type: ContentType, kid: Kid) -> bytes:
    return cbor.encode({1: int(alg), 3: content_type.value, 4: kid})


def parse(envelope: bytes, size_max: int = cbor.UPLOAD_BYTES_MAX) -> Unverified:
    """Read an envelope's shape without checking the signature; BadEnvelope names what is out of place."""
    if len(envelope) > size_max:
        raise TooLarge("envelope", f"is {len(envelope)} bytes long, the limit is {size_max}")
    if envelope[:1] != _TAG_18:
        raise BadEnvelope("envelope", "is not tagged 18: send a tagged COSE_Sign1")
    protected, payload, signature = _usual(envelope) or _body(cbor.decode(envelope[1:], size_max, field="envelope"))
    alg, content_type, kid = _header(protected)
    signed = sig_structure(protected, payload)
    return Unverified(content_type, kid, alg, payload, signature, signed)


def open_envelope(
    envelope: bytes,
    expect: ContentType,
    find_key: Callable[[Kid], PublicKey | None],
    size_max: int = cbor.UPLOAD_BYTES_MAX,
) -> Opened:
    """Check shape, kind, key and signature. `find_key` must look only among the keys of the one who should have signed.

    Raises BadEnvelope (shape or another content type than `expect`), UnknownKey or BadSignature.
    """
    unverified = parse(envelope, size_max)
    if unverified.content_type is not expect:
        raise BadEnvelope("envelope.content-type", f"is {unverified.content_type.kind}, expected {expect.kind}")
    key = find_key(unverified.kid)
    if key is None:
        raise UnknownKey("envelope.kid", f"{unverified.kid.hex()} is not a key that may sign a {expect.kind} here")
    unverified.verify(key)
    return Opened(unverified.content_type, unverified.kid, unverified.payload, unverified.hash)


def sig_structure(protected: bytes, payload: bytes) -> bytes:
    """What is signed and what is hashed: RFC 9052 4.4 with an empty external_aad."""
    return _SIGNATURE1 + cbor.encode_bytes(protected) + b"\x40" + cbor.encode_bytes(payload)


def _usual(envelope: bytes) -> tuple[bytes, bytes, bytes] | None:
    """What `_body` finds, for an envelope that is as it should be; None: let it say why not."""
    try:
        if envelope[1] != 0x84 or (first := cbor.bytes_at(envelope, 2)) is None or envelope[first[1]] != 0xA0:
            return None
        payload = cbor.bytes_at(envelope, first[1] + 1)
        signature = None if payload is None else cbor.bytes_at(envelope, payload[1])
    except IndexError:
        return None
    if payload is None or signature is None or signature[1] != len(envelope) or len(signature[0]) != SIGNATURE_BYTES:
        return None
    return first[0], payload[0], signature[0]


def _body(value: cbor.CborValue) -> tuple[bytes, bytes, bytes]:
    match value:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            pass
        case _:
            raise BadEnvelope("envelope", "is not [protected, {}, payload, signature] with all three as byte strings")
    if unprotected:
        raise BadEnvelope("envelope.unprotected", "is not empty: put every header into the protected one")
    if len(signature) != SIGNATURE_BYTES:
        raise BadEnvelope("envelope.signature", f"is {len(signature)} bytes long, must be {SIGNATURE_BYTES}")
    return protected, payload, signature


@lru_cache(maxsize=_HEADERS)
def _header(protected: bytes) -> tuple[Alg, ContentType, Kid]:
    header = cbor.decode(protected, HEADER_BYTES_MAX, field="envelope.header")
    if not isinstance(header, dict) or header.keys() != _HEADER_KEYS:
        raise BadEnvelope("envelope.header", "must hold exactly 1 (alg), 3 (content type) and 4 (kid)")
    alg, content_type, kid = header[1], header[3], header[4]
    if type(alg) is not int or alg not in (Alg.ES256, Alg.EDDSA):
        raise BadEnvelope("envelope.alg", "is not -7 (ES256) or -8 (EdDSA)")
    if not isinstance(kid, bytes) or len(kid) != KID_BYTES:
        raise BadEnvelope("envelope.kid", f"is not {KID_BYTES} bytes")
    if not isinstance(content_type, str):
        raise BadEnvelope("envelope.content-type", "is not text")
    try:
        return Alg(alg), ContentType(content_type), Kid(kid)
    except ValueError:
        raise Unsupported("envelope.content-type", "is not one that this version knows") from None
