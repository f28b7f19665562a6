"""Public routes of the log: checkpoint, tiles, entries (C2SP tlog-tiles), proofs, and what witnesses sign.

Everything here may be seen by anybody: hashes only. It takes nothing that a listed witness did not sign.
"""

import base64
from dataclasses import dataclass

from pydantic import BaseModel
from tallystick_protocol import tiles
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.note import NOTE_BYTES_MAX

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, Port, RouteTable
from tallystick_cloud.log import cosign, service

BOTH = frozenset({Port.WEB, Port.GATEWAY})
NOTE = "text/plain"
OCTETS = "application/octet-stream"
BASE = "/v1/communities/{community}/log"


class Accepted(BaseModel):
    """Whose signatures were kept."""

    witnesses: list[str]


class InclusionAnswer(BaseModel):
    """Hashes as hex; `path` from the leaf up (RFC 6962)."""

    leaf: int
    size: int
    root: str
    path: list[str]


def log_routes(database: Database, aggregator: Aggregator, first_community: str | None) -> RouteTable:
    """Per community under /v1/communities/{c}/log/; /log/ is that of the server's first community."""
    table, log = RouteTable(), _Log(database, aggregator)
    _first_log(table, log, first_community)
    _community_log(table, log)
    _proofs(table, database)
    return table


@dataclass(frozen=True, slots=True)
class _Log:
    """What both addresses of a log answer; `community` None: this server has none yet."""

    database: Database
    aggregator: Aggregator

    async def note(self, community: str | None) -> bytes:
        return await self.database.read(service.newest_note, _named(community))

    async def tile(self, community: str | None, path: str) -> bytes:
        name = _named(community)
        try:
            asked = tiles.parse_path(f"tile/{path}")
        except ProtocolError as error:
            raise BadInput("tile", error.reason) from None
        if asked.level is None:
            return await self.database.read(service.entry_tile, name, asked.index, asked.width)
        return await self.database.read(service.tile, name, asked.level, asked.index, asked.width)

    async def witnessed(self, community: str | None) -> bytes:
        found = await self.database.read(cosign.witnessed_note, _named(community))
        if found is None:
            raise NotFound("checkpoint", "none is signed yet; the first follows within 60 s of the first append")
        return found[1]

    async def take(self, community: str | None, note: bytes) -> Accepted:
        context = self.aggregator.of(_named(community))
        try:
            return Accepted(witnesses=await self.database.write(cosign.accept, context, note))
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from None


def _named(community: str | None) -> str:
    if community is None:
        raise NotFound("log", "this server has no community yet")
    return community


def _first_log(table: RouteTable, log: _Log, first: str | None) -> None:
    @table.route("GET", "/log/checkpoint", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def first_checkpoint(call: Call) -> bytes:
        """The newest signed checkpoint of the first community's log."""
        return await log.note(first)

    @table.route("GET", "/log/tile/{path:.+}", roles={Role.PUBLIC}, on=BOTH, gives=OCTETS, tag="log")
    async def first_tile(call: Call, path: str) -> bytes:
        """A tile of hashes or entries of the first community's log."""
        return await log.tile(first, path)

    @table.route("GET", "/log/checkpoint/witnessed", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def first_witnessed_checkpoint(call: Call) -> bytes:
        """The newest checkpoint of the first community that enough witnesses co-signed, with their signatures."""
        return await log.witnessed(first)

    @table.route("POST", "/log/cosignatures", roles={Role.PUBLIC}, takes=NOTE, body_bytes_max=NOTE_BYTES_MAX, tag="log")
    async def first_cosignatures(call: Call, body: bytes) -> Accepted:
        """Hand in a co-signed checkpoint of the first community's log; the witness must be listed."""
        return await log.take(first, body)


def _community_log(table: RouteTable, log: _Log) -> None:
    @table.route("GET", BASE + "/checkpoint/witnessed", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def witnessed_checkpoint(call: Call, community: str) -> bytes:
        """The newest checkpoint that enough witnesses co-signed, with their signatures."""
        return await log.witnessed(community)

    @table.route(
        "POST", BASE + "/cosignatures", roles={Role.PUBLIC}, takes=NOTE, body_bytes_max=NOTE_BYTES_MAX, tag="log"
    )
    async def cosignatures(call: Call, community: str, body: bytes) -> Accepted:
        """Hand in a co-signed checkpoint; the witness must be listed."""
        return await log.take(community, body)

    @table.route("GET", BASE + "/checkpoint", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def checkpoint(call: Call, community: str) -> bytes:
        """The newest signed checkpoint of a community's log."""
        return await log.note(community)

    @table.route("GET", BASE + "/tile/{path:.+}", roles={Role.PUBLIC}, on=BOTH, gives=OCTETS, tag="log")
    async def log_tile(call: Call, community: str, path: str) -> bytes:
        """A tile of hashes or entries of a community's log."""
        return await log.tile(community, path)


def _proofs(table: RouteTable, database: Database) -> None:
    @table.route("GET", BASE + "/consistency", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def consistency(call: Call, community: str, old: int, new: int) -> bytes:
        """Why the log of `new` entries continues that of `old`: one hash in base 64 per line."""
        path = await database.read(service.consistency, community, old, new)
        return b"".join(base64.b64encode(step) + b"\n" for step in path)

    @table.route("GET", BASE + "/inclusion/{leaf}", roles={Role.PUBLIC}, on=BOTH, tag="log")
    async def inclusion(call: Call, community: str, leaf: int, size: int) -> InclusionAnswer:
        """Proof that a leaf is in the tree of `size`."""
        found = await database.read(service.inclusion, community, leaf, size)
        path = [step.hex() for step in found.path]
        return InclusionAnswer(leaf=found.leaf, size=found.size, root=found.root.hex(), path=path)
