"""Routes of the people who look after gateways: set how often one polls, seals and reports, and see what became of it.

It never sets what a gateway would not obey: the limits are the protocol's.
"""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field
from tallystick_protocol.configure import Settings

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, GidHex, RouteTable
from tallystick_cloud.ports import Clock

from .commands import CONFIGURE_TTL_MS, HOUR_MS, configure, told

KEEPERS = frozenset({Role.COMMUNITY_MANAGER, Role.INSTALLER})
Seconds = Annotated[int | None, Field(ge=0, le=86_400)]


class Configuration(BaseModel):
    """Seconds; 0: as in the gateway's own file; left out: as it is now."""

    poll_s: Seconds = None
    seal_s: Seconds = None
    heartbeat_s: Seconds = None
    expires_h: Annotated[int, Field(ge=1, le=720)] = CONFIGURE_TTL_MS // HOUR_MS


def office_routes(database: Database, aggregator: Aggregator, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("POST", "/v1/gateways/{gid}/configure", roles=KEEPERS, tag="gateways")
    async def configure_gateway(call: Call, gid: GidHex, body: Configuration) -> dict[str, Any]:
        """Command a gateway to poll, seal or report at other intervals; signed, logged, obeyed once."""
        settings = Settings(_ms(body.poll_s), _ms(body.seal_s), _ms(body.heartbeat_s))
        what = (aggregator, bytes.fromhex(gid), settings, body.expires_h * HOUR_MS, clock.utc_ms())
        return {"hash": (await database.write(configure, *what)).hex()}

    @table.route("GET", "/v1/gateways/{gid}/told", roles=KEEPERS, tag="gateways")
    async def list_told(call: Call, gid: GidHex) -> list[dict[str, Any]]:
        """Commands given to a gateway and what it says became of them, the newest first."""
        found = await database.read(told, bytes.fromhex(gid), clock.utc_ms())
        return [asdict(each) for each in found]

    return table


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000
