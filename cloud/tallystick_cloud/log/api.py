"""Public routes of the log: checkpoint, tiles, entries (C2SP tlog-tiles), and inclusion proofs.

Everything here may be seen by anybody: hashes only.
"""

from pydantic import BaseModel
from tallystick_protocol import tiles
from tallystick_protocol.errors import ProtocolError

from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, Port, RouteTable
from tallystick_cloud.log import service

BOTH = frozenset({Port.WEB, Port.GATEWAY})
NOTE = "text/plain"
OCTETS = "application/octet-stream"


class InclusionAnswer(BaseModel):
    """Hashes as hex; `path` from the leaf up (RFC 6962)."""

    leaf: int
    size: int
    root: str
    path: list[str]


def log_routes(database: Database, first_community: str | None) -> RouteTable:
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

    base = "/v1/communities/{community}/log"

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
