"""Every way in which bytes can be refused, one class per cause, so that a caller can answer with a code and a field.
It never logs, never wraps foreign exceptions silently and never carries secret bytes in a message.

    ProtocolError            code, field, reason           (a ValueError: the input is at fault)
    ├── TooLarge             too-large         more bytes, items or levels than the limit
    ├── NotCanonical         not-canonical     not one well-formed deterministic CBOR item
    ├── BadType              bad-type          another CBOR type than the message says
    ├── BadValue             bad-value         right type, forbidden value
    ├── MissingField         missing-field     a required field is absent
    ├── Unsupported          unsupported       unknown version, critical key or code: a newer program may read it
    ├── BadEnvelope          bad-envelope      not the one COSE_Sign1 shape that is allowed
    ├── BadSignature         bad-signature     the signature does not verify under this key
    ├── UnknownKey           unknown-key       no such key, or a key that must not be used
    └── BadProof             bad-proof         a Merkle proof or a checkpoint does not fit
    InvariantError           a state that the code says cannot be (a RuntimeError: our bug)
"""

from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    """The stable names used in vectors, receipts' details and problem documents."""

    TOO_LARGE = "too-large"
    NOT_CANONICAL = "not-canonical"
    BAD_TYPE = "bad-type"
    BAD_VALUE = "bad-value"
    MISSING_FIELD = "missing-field"
    UNSUPPORTED = "unsupported"
    BAD_ENVELOPE = "bad-envelope"
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_KEY = "unknown-key"
    BAD_PROOF = "bad-proof"


class InvariantError(RuntimeError):
    """The program reached a state it calls impossible: stop, keep the evidence, report it."""


class ProtocolError(ValueError):
    """Bytes or values that the protocol refuses; `field` is a dotted path, `reason` says what to change."""

    code: ClassVar[ErrorCode] = ErrorCode.BAD_VALUE

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason

    def __reduce__(self) -> tuple[type["ProtocolError"], tuple[str, str]]:
        return type(self), (self.field, self.reason)


class TooLarge(ProtocolError):
    """More bytes, items or levels than the named limit."""

    code = ErrorCode.TOO_LARGE


class NotCanonical(ProtocolError):
    """Not one well-formed item of deterministic CBOR (RFC 8949 4.2), or bytes after it."""

    code = ErrorCode.NOT_CANONICAL


class BadType(ProtocolError):
    """Another CBOR type than the message says, or one that no payload may hold."""

    code = ErrorCode.BAD_TYPE


class BadValue(ProtocolError):
    """The right type with a value that a rule of the message forbids."""

    code = ErrorCode.BAD_VALUE


class MissingField(ProtocolError):
    """A required field is absent."""

    code = ErrorCode.MISSING_FIELD


class Unsupported(ProtocolError):
    """An unknown version, critical key (0-63) or code: keep the bytes, a newer program may read them."""

    code = ErrorCode.UNSUPPORTED


class BadEnvelope(ProtocolError):
    """Not the one COSE_Sign1 shape that this protocol allows."""

    code = ErrorCode.BAD_ENVELOPE


class BadSignature(ProtocolError):
    """The signature does not verify under the key that was looked up."""

    code = ErrorCode.BAD_SIGNATURE


class UnknownKey(ProtocolError):
    """No key with this id is known here, or the key is of a kind that must not be used."""

    code = ErrorCode.UNKNOWN_KEY


class BadProof(ProtocolError):
    """A Merkle proof, checkpoint or cosignature does not fit."""

    code = ErrorCode.BAD_PROOF
