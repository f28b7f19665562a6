"""Whose journal is it? Batches of another key can neither be handed over nor be followed by ours: a gateway that went
on from them would be refused for ever, and never say why."""

from __future__ import annotations

from pathlib import Path

from tallystick_protocol.batch import open_upload
from tallystick_protocol.errors import ProtocolError

STEP = (
    "put the proof.pem of that gateway back; or, when it is given up, move the whole data folder away and start with a "
    "new claim, as another gateway"
)


def signer_of(upload: bytes | None) -> bytes | None:
    """The gid of the gateway that sealed a batch; None for one that the card spoilt."""
    try:
        return None if upload is None else bytes(open_upload(upload).header.gid)
    except ProtocolError:
        return None


def words_of(path: Path, theirs: bytes | None, ours: bytes) -> str:
    whose = "another gateway" if theirs is None else f"gateway {theirs.hex()}"
    return f"{path}: is of {whose}, and the proof key here is of {ours.hex()}"
