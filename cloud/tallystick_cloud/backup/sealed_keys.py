"""A server's keys folder as one sealed blob: scrypt makes a key of the passphrase, ChaCha20-Poly1305 seals with it.

It never writes a key anywhere but into a 0600 file, and never over one that is there.
"""

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.keys import read_private, write_private
from tallystick_cloud.log.signed_file import NAME as SIGNED_FILE

AUTHORITY = "ca"  # its folder; beside its own key and certificate there are only such as it makes again
PASSPHRASE_CHARS_MIN = 12
SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 16, 8, 1  # 64 MiB and a fifth of a second for each guess
_ABOUT = b"tallystick backup keys 1"

KeyFiles = Mapping[str, bytes]
"""Path below the keys folder, and content."""


def read_keys(folder: Path) -> dict[str, bytes]:
    """Every file below the keys folder but what changes by itself: the log's record, and certificates made anew."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix(): _content(folder / path) for path in found if _is_lasting(path)}


def _is_lasting(path: Path) -> bool:
    if path.parts[0] == AUTHORITY:
        return path.stem == AUTHORITY
    return path.name != SIGNED_FILE


def _content(path: Path) -> bytes:
    """A certificate may be read by others; a key may not."""
    return read_private(path) if b"PRIVATE" in path.read_bytes() else path.read_bytes()


def seal(keys: KeyFiles, passphrase: str) -> bytes:
    """salt || nonce || sealed JSON."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    text = json.dumps({path: base64.b64encode(content).decode() for path, content in keys.items()})
    return salt + nonce + ChaCha20Poly1305(_key(passphrase, salt)).encrypt(nonce, text.encode(), _ABOUT)


def unseal(blob: bytes, passphrase: str) -> dict[str, bytes]:
    """Raises BadInput for a wrong passphrase."""
    salt, nonce = blob[:SALT_BYTES], blob[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
    try:
        text = ChaCha20Poly1305(_key(passphrase, salt)).decrypt(nonce, blob[SALT_BYTES + NONCE_BYTES :], _ABOUT)
        found = {path: base64.b64decode(content) for path, content in json.loads(text).items()}
    except (InvalidTag, ValueError):
        raise BadInput("passphrase", "does not open the keys of this backup; check it and try again") from None
    for path in found:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise BadInput("backup", f"holds a key outside the keys folder: {path}")
    return found


def check_passphrase(text: str) -> str:
    if len(text) < PASSPHRASE_CHARS_MIN:
        raise BadInput("passphrase", f"is short; use at least {PASSPHRASE_CHARS_MIN} characters, five words are good")
    return text


def check_same(keys: KeyFiles, folder: Path) -> None:
    """Raises Conflict when a key of the backup is another one in this folder."""
    for path, content in keys.items():
        there = folder / path
        if there.exists() and there.read_bytes() != content:
            raise Conflict(str(there), "is another key than the backup's; restore into an empty folder")


def store(keys: KeyFiles, folder: Path) -> list[Path]:
    """Write the files that are not there yet; their paths."""
    made = []
    for path, content in keys.items():
        if not (folder / path).exists():
            write_private(folder / path, content)
            made.append(folder / path)
    return made


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase.encode())
