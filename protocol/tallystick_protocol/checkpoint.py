"""Checkpoints of the log (C2SP tlog-checkpoint) and the cosignatures of witnesses (C2SP tlog-cosignature).
A witness here never judges: whoever calls `add_cosignature` has checked consistency with the last one it signed.
"""

import base64
import re
from dataclasses import dataclass

from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import H32, H32_BYTES, LOG_ID_BYTES, sha256
from tallystick_protocol.keys import PublicKey, Signer, public_key_of
from tallystick_protocol.merkle import EMPTY_ROOT, SIZE_MAX
from tallystick_protocol.note import (
    Note,
    NoteSignature,
    SignatureType,
    check_name,
    decode_base64,
    key_id,
    sign_note,
    signature_of,
    verify_note,
)

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME_BYTES = 8
_LOG_IDS = 1 << 8 * LOG_ID_BYTES
_EPOCH = re.compile(r"/e([1-9][0-9]{0,9})\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's origin (a name the community owns), its size and its root."""

    origin: str
    size: int
    root: H32

    def __post_init__(self) -> None:
        check_name(self.origin)
        if not 0 <= self.size <= SIZE_MAX:
            raise BadProof("checkpoint.size", f"is {self.size}, must be 0..2^63-1")
        if len(self.root) != H32_BYTES:
            raise BadProof("checkpoint.root", f"is {len(self.root)} bytes long, must be {H32_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise BadProof("checkpoint.root", "is not the root of the empty tree at size 0")

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> "Checkpoint":
        """Read the three lines; BadProof names the wrong one. Extension lines are refused: this log writes none."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise BadProof("checkpoint", "must be three lines: origin, size, root")
        origin, size, encoded, _ = lines
        if not _DECIMAL.fullmatch(size):
            raise BadProof("checkpoint.size", "is not a decimal number without leading zeros")
        return cls(origin, int(size), H32(decode_base64(encoded, "checkpoint.root")))


def sign_checkpoint(checkpoint: Checkpoint, signer_name: str, signer: Signer) -> bytes:
    """The note of a checkpoint signed by the log; `signer_name` is the origin unless the log's key has another name."""
    text = checkpoint.text()
    return Note(text, (sign_note(text, signer_name, signer),)).encode()


def open_checkpoint(note: bytes, origin: str, key: PublicKey, signer_name: str | None = None) -> Checkpoint:
    """The checkpoint of a note that the log's key signed; BadProof, UnknownKey or BadSignature otherwise."""
    opened = Note.decode(note)
    checkpoint = Checkpoint.from_text(opened.text)
    if checkpoint.origin != origin:
        raise BadProof("checkpoint.origin", f"is {checkpoint.origin!r}, expected {origin!r}: this is another log")
    verify_note(opened, signer_name or origin, key)
    return checkpoint


def add_cosignature(note: bytes, witness_name: str, signer: Signer, time_s: int) -> bytes:
    """The note with one more line: this witness saw the checkpoint, consistent with all it saw before, at `time_s`."""
    opened = Note.decode(note)
    Checkpoint.from_text(opened.text)
    check_name(witness_name)
    wanted = key_id(witness_name, SignatureType.COSIGNATURE_V1, public_key_of(signer).raw)
    others = tuple(s for s in opened.signatures if (s.name, s.key_id) != (witness_name, wanted))
    signature = signer.sign(_cosigned(opened.text, time_s))
    mine = NoteSignature(witness_name, wanted, time_s.to_bytes(_TIME_BYTES, "big") + signature)
    return Note(opened.text, (*others, mine)).encode()


def verify_cosignature(note: bytes, witness_name: str, key: PublicKey) -> int:
    """The time (s UTC) at which this witness signed; UnknownKey when it did not, BadSignature when it is wrong."""
    opened = Note.decode(note)
    wanted = key_id(witness_name, SignatureType.COSIGNATURE_V1, key.raw)
    data = signature_of(opened, witness_name, wanted).data
    time_s = int.from_bytes(data[:_TIME_BYTES], "big")
    if time_s > SIZE_MAX:
        raise BadProof("cosignature.time", "is not a time")
    key.verify(data[_TIME_BYTES:], _cosigned(opened.text, time_s))
    return time_s


def log_id(spki: bytes, epoch: int = 0) -> bytes:
    """Four bytes that name a log inside batches and states: the start of SHA-256 of its key's SPKI, plus the epoch."""
    return later_log_id(sha256(spki)[:LOG_ID_BYTES], epoch)


def later_log_id(first: bytes, epoch: int) -> bytes:
    """The id of an epoch of the log whose first epoch has this id."""
    return ((int.from_bytes(first, "big") + epoch) % _LOG_IDS).to_bytes(LOG_ID_BYTES, "big")


def epoch_of(log: bytes, first: bytes) -> int:
    """The epoch that an id names, of the log whose first epoch has the id `first`; any other log's gives any number."""
    return (int.from_bytes(log, "big") - int.from_bytes(first, "big")) % _LOG_IDS


def origin_of(origin: str, epoch: int) -> str:
    """The name of a log's epoch: its own name in the first one, a name below it in every later one."""
    return origin if epoch == 0 else f"{origin}/e{epoch}"


def check_origin(origin: str) -> str:
    """A log's own name, with room for epochs after it; BadProof otherwise."""
    check_name(origin)
    if _EPOCH.search(origin):
        raise BadProof("origin", f"{origin!r} ends like an epoch of another log; take another last word")
    check_name(origin_of(origin, _LOG_IDS - 1))
    return origin


def epoch_in(found: str, origin: str) -> int | None:
    """The epoch in the name of a checkpoint's log; None when it is another log's name."""
    if found == origin:
        return 0
    end = _EPOCH.search(found)
    return int(end[1]) if end is not None and found[: end.start()] == origin and int(end[1]) < _LOG_IDS else None


def open_in_any_epoch(note: bytes, origin: str, key: PublicKey) -> tuple[Checkpoint, int]:
    """`open_checkpoint` for a log that may have been set back, with the epoch: the caller asks how it came to that."""
    said = Checkpoint.from_text(Note.decode(note).text)
    epoch = epoch_in(said.origin, origin)
    return open_checkpoint(note, origin if epoch is None else said.origin, key), epoch or 0


def _cosigned(text: str, time_s: int) -> bytes:
    if not 0 <= time_s <= SIZE_MAX:
        raise BadProof("cosignature.time", "is not a time in seconds")
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
