"""Signed notes (C2SP signed-note): text, an empty line, and signature lines that name their key.
It never decides which keys are enough: it takes a note apart, puts it together and checks one named key at a time.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from tallystick_protocol.errors import BadProof, BadSignature, TooLarge, UnknownKey
from tallystick_protocol.keys import Alg, PublicKey, Signer, public_key_of

NOTE_BYTES_MAX = 4096  # a checkpoint with sixteen witnesses has 2.5 kB
SIGNATURES_MAX = 16  # a hostile note must not cost a thousand checks
KEY_ID_BYTES = 4
_DASH = "— "  # em dash and a space open every signature line
_NAME = re.compile(r"[^\s+]{1,64}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class SignatureType(IntEnum):
    """The first byte of what a key id is made of (C2SP signed-note)."""

    ED25519 = 1
    COSIGNATURE_V1 = 4


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its id (4 bytes) and the signature's bytes."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The text of the line, without its newline."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.data).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """The signed text, which ends in a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note's bytes; TooLarge above 4 KiB."""
        lines = "".join(f"{signature.line()}\n" for signature in self.signatures)
        data = f"{self.text}\n{lines}".encode()
        if len(data) > NOTE_BYTES_MAX:
            raise TooLarge("note", f"is {len(data)} bytes long, the limit is {NOTE_BYTES_MAX}")
        return data

    @classmethod
    def decode(cls, data: bytes) -> "Note":
        """Take a note apart; BadProof or TooLarge says what is out of place. No signature is checked."""
        if len(data) > NOTE_BYTES_MAX:
            raise TooLarge("note", f"is {len(data)} bytes long, the limit is {NOTE_BYTES_MAX}")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise BadProof("note", "is not UTF-8") from None
        if _CONTROL.search(whole) or not whole.endswith("\n"):
            raise BadProof("note", "holds control characters or does not end in a newline")
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not text:
            raise BadProof("note", "has no empty line between text and signatures")
        signatures = lines[:-1].split("\n")
        if len(signatures) > SIGNATURES_MAX:
            raise TooLarge("note.signatures", f"are {len(signatures)}, the limit is {SIGNATURES_MAX}")
        return cls(text + "\n", tuple(_signature(line) for line in signatures))


def key_id(name: str, kind: SignatureType, raw: bytes) -> bytes:
    """First 4 bytes of SHA-256(name, newline, type byte, 32 bytes of the public key)."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + raw).digest()[:KEY_ID_BYTES]


def sign_note(text: str, name: str, signer: Signer) -> NoteSignature:
    """An Ed25519 signature of `text` under the key name `name`."""
    key = _note_key(name, signer)
    return NoteSignature(name, key_id(name, SignatureType.ED25519, key.raw), signer.sign(text.encode()))


def verify_note(note: Note, name: str, key: PublicKey) -> None:
    """Return when `note` carries this key's signature; UnknownKey when it has none, BadSignature when it is wrong."""
    wanted = key_id(name, SignatureType.ED25519, key.raw)
    found = signature_of(note, name, wanted)
    key.verify(found.data, note.text.encode())


def signature_of(note: Note, name: str, wanted: bytes) -> NoteSignature:
    """The one signature of a key name and id; UnknownKey when there is none, BadProof when there are two."""
    found = [signature for signature in note.signatures if (signature.name, signature.key_id) == (name, wanted)]
    if not found:
        raise UnknownKey("note.signatures", f"hold none of {name} with key id {wanted.hex()}")
    if len(found) > 1:
        raise BadProof("note.signatures", f"hold two of {name} with one key id")
    return found[0]


def check_name(name: str) -> str:
    """A key name or origin: 1-64 characters without white space or plus sign; BadProof otherwise."""
    if not _NAME.fullmatch(name) or _CONTROL.search(name):
        raise BadProof("note.name", "must be 1-64 characters without white space and without '+'")
    return name


def _note_key(name: str, signer: Signer) -> PublicKey:
    check_name(name)
    if signer.alg is not Alg.EDDSA:
        raise UnknownKey("note.signer", "is not an Ed25519 key, which notes need")
    return public_key_of(signer)


def _signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise BadProof("note.signatures", "hold a line that is not a dash, a name and a signature")
    check_name(name)
    raw = decode_base64(encoded, "note.signatures")
    if len(raw) <= KEY_ID_BYTES:
        raise BadSignature("note.signatures", "hold one that is too short")
    return NoteSignature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def decode_base64(text: str, field: str) -> bytes:
    """Standard base 64 in its one canonical form; BadProof otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadProof(field, "hold something that is not base 64") from None
    if base64.b64encode(raw).decode() != text:
        raise BadProof(field, "hold base 64 that is not in its canonical form")
    return raw
