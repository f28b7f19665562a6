"""The community's keys on disk: root above all, log, receipts, commands, settlements; one 0600 file each.

It never prints a key, never overwrites one and never reads a file that others may read.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.keys import Ed25519Signer, load_signer

from .errors import KeyStoreError

ROLES = ("root", "log", "receipt", "command", "settlement")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class CommunityKeys:
    """root signs descriptors, key events and contracts' proposals; receipt also states; settlement also decisions."""

    root: Ed25519Signer
    log: Ed25519Signer
    receipt: Ed25519Signer
    command: Ed25519Signer
    settlement: Ed25519Signer


def write_private(path: Path, content: bytes) -> None:
    """Create a 0600 file durably; raises KeyStoreError when it is there already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyStoreError(str(path), "is there already; move it away if a new key is meant") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> bytes:
    """The file's content; raises KeyStoreError when it is missing or open to others."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise KeyStoreError(str(path), f"can be read by others; run: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyStoreError(str(path), "is missing; run `tallystick init`, or bring it back from your backup") from None


def create_keys(folder: Path) -> CommunityKeys:
    """Make and store all keys of a community; `folder` is DATA/keys/<community>."""
    signers = {role: Ed25519Signer.generate() for role in ROLES}
    for role, signer in signers.items():
        write_private(folder / f"{role}.pem", signer.to_pem())
    return CommunityKeys(**signers)


def load_keys(folder: Path) -> CommunityKeys:
    """Read all keys of a community; raises KeyStoreError naming the file and what to do."""
    return CommunityKeys(**{role: _load(folder / f"{role}.pem") for role in ROLES})


def _load(path: Path) -> Ed25519Signer:
    pem = read_private(path)
    try:
        signer = load_signer(pem)
    except ProtocolError as error:
        raise KeyStoreError(str(path), f"is not a key ({error}); bring it back from your backup") from None
    if not isinstance(signer, Ed25519Signer):
        raise KeyStoreError(str(path), "is not an Ed25519 key; bring it back from your backup")
    return signer
