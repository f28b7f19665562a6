"""What a backup says of itself: when, by which program and schema, and where each community's log and books stood.

It never reads a database.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tallystick_cloud.errors import BadInput

VERSION = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """Where a community's log and books stand, recomputed from leaves and postings."""

    community: str
    origin: str  # of its log
    size: int  # leaves
    root: str  # of the log's tree, hex
    balances: str  # SHA-256 of all balances in order, hex
    accounts: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """`keys`: `sealed` (with a passphrase), or `left out`; `contents`: SHA-256 of every frame before this one."""

    program: str
    schema: str  # revision of the tables
    made: str  # UTC, ISO 8601
    database: str  # sqlite | postgresql
    keys: str
    communities: tuple[Measured, ...]
    tables: Mapping[str, int]  # rows of each
    contents: str

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    def as_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self), "tables": dict(self.tables)}

    def encode(self) -> bytes:
        return json.dumps(self.as_json(), sort_keys=True).encode()


def decode(payload: bytes) -> Manifest:
    """Raises BadInput for anything but a manifest of this version."""
    try:
        value = json.loads(payload)
        version = value.pop("version")
        if version != VERSION:
            raise BadInput("backup", f"has form {version}, this program reads {VERSION}; use the program that made it")
        communities = tuple(Measured(**one) for one in value.pop("communities"))
        found = Manifest(communities=communities, **value)
        whole = all(isinstance(count, int) and count >= 0 for count in found.tables.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("backup", "has a manifest that cannot be read; take another copy") from None
    if not whole:
        raise BadInput("backup", "has a manifest with counts that are none; take another copy")
    return found
