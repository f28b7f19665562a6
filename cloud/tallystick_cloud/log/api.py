"""Public routes of the log: checkpoint, tiles, entries (C2SP tlog-tiles), proofs, and what witnesses sign.

Everything here may be seen by anybody: hashes only. It takes nothing that a listed witness did not sign.
"""

import base64

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
    table = RouteTable()

    async def note(community: str | None) -> bytes:
        if community is None:
            raise NotFound("log", "this server has no community yet")
        return await database.read(service.newest_note, community)

    async def tile(community: str | None, path: str) -> bytes:
        if community is None:
            raise NotFound("log", "this server has no community yet")
        try:
            asked = tiles.parse_path(f"tile/{path}")
        except ProtocolError as error:
            raise BadInput("tile", error.reason) from None
        if asked.level is None:
            return await database.read(service.entry_tile, community, asked.index, asked.width)
        return await database.read(service.tile, community, asked.level, asked.index, asked.width)

    @table.route("GET", "/log/checkpoint", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def first_checkpoint(call: Call) -> bytes:
        """The newest signed checkpoint of the first community's log."""
        return await note(first_community)

    @table.route("GET", "/log/tile/{path:.+}", roles={Role.PUBLIC}, on=BOTH, gives=OCTETS, tag="log")
    async def first_tile(call: Call, path: str) -> bytes:
        """A tile of hashes or entries of the first community's log."""
        return await tile(first_community, path)

    async def witnessed(community: str | None) -> bytes:
        if community is None:
            raise NotFound("log", "this server has no community yet")
        found = await database.read(cosign.witnessed_note, community)
        if found is None:
            raise NotFound("checkpoint", "none is signed yet; the first follows within 60 s of the first append")
        return found[1]

    async def take(community: str | None, note: bytes) -> Accepted:
        if community is None:
            raise NotFound("log", "this server has no community yet")
        try:
            return Accepted(witnesses=await database.write(cosign.accept, aggregator.of(community), note))
        except ProtocolError as error:
            raise BadInput(error.field, error.reason) from None

    @table.route("GET", "/log/checkpoint/witnessed", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def first_witnessed_checkpoint(call: Call) -> bytes:
        """The newest checkpoint of the first community that enough witnesses co-signed, with their signatures."""
        return await witnessed(first_community)

    @table.route("POST", "/log/cosignatures", roles={Role.PUBLIC}, takes=NOTE, body_bytes_max=NOTE_BYTES_MAX, tag="log")
    async def first_cosignatures(call: Call, body: bytes) -> Accepted:
        """Hand in a co-signed checkpoint of the first community's log; the witness must be listed."""
        return await take(first_community, body)

    base = "/v1/communities/{community}/log"

    @table.route("GET", base + "/checkpoint/witnessed", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def witnessed_checkpoint(call: Call, community: str) -> bytes:
        """The newest checkpoint that enough witnesses co-signed, with their signatures."""
        return await witnessed(community)

    @table.route(
        "POST", base + "/cosignatures", roles={Role.PUBLIC}, takes=NOTE, body_bytes_max=NOTE_BYTES_MAX, tag="log"
    )
    async def cosignatures(call: Call, community: str, body: bytes) -> Accepted:
        """Hand in a co-signed checkpoint; the witness must be listed."""
        return await take(community, body)

    @table.route("GET", base + "/consistency", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def consistency(call: Call, community: str, old: int, new: int) -> bytes:
        """Why the log of `new` entries continues that of `old`: one hash in base 64 per line."""
        path = await database.read(service.consistency, community, old, new)
        return b"".join(base64.b64encode(step) + b"\n" for step in path)

    @table.route("GET", base + "/checkpoint", roles={Role.PUBLIC}, on=BOTH, gives=NOTE, tag="log")
    async def checkpoint(call: Call, community: str) -> bytes:
        """The newest signed checkpoint of a community's log."""
        return await note(community)

    @table.route("GET", base + "/tile/{path:.+}", roles={Role.PUBLIC}, on=BOTH, gives=OCTETS, tag="log")
    async def log_tile(call: Call, community: str, path: str) -> bytes:
        """A tile of hashes or entries of a community's log."""
        return await tile(community, path)

    @table.route("GET", base + "/inclusion/{leaf}", roles={Role.PUBLIC}, on=BOTH, tag="log")
    async def inclusion(call: Call, community: str, leaf: int, size: int) -> InclusionAnswer:
        """Proof that a leaf is in the tree of `size`."""
        found = await database.read(service.inclusion, community, leaf, size)
        path = [step.hex() for step in found.path]
        return InclusionAnswer(leaf=found.leaf, size=found.size, root=found.root.hex(), path=path)

    return table
