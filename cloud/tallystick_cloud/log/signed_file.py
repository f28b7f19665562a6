"""What a log's key has signed at most, in a file beside the key: a database that was set back cannot take it along.

It only ever grows; a checkpoint that does not continue it is not signed.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tallystick_protocol.checkpoint import Checkpoint
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32

from tallystick_cloud.errors import KeyStoreError

NAME = "signed.json"
VERSION = 1
_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Signed:
    """The largest checkpoint that was signed; `root` as hex."""

    origin: str
    size: int
    root: str


def read(folder: Path) -> Signed | None:
    """None before the first checkpoint; KeyStoreError for a file that is none of ours."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_BYTES_MAX))
        Checkpoint(value["origin"], value["size"], H32(bytes.fromhex(value["root"])))
        return Signed(value["origin"], value["size"], value["root"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, ProtocolError):
        why = "is no record of what the log's key signed; bring the file back from your backup, never remove it"
        raise KeyStoreError(str(path), why) from None


def write(folder: Path, signed: Signed) -> None:
    """Durable before this returns: it comes before the signature leaves."""
    part = folder / f"{NAME}.part"
    with part.open("w") as file:
        file.write(json.dumps({"version": VERSION, **asdict(signed)}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
