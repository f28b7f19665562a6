"""Routes of the city for programs: the figures of the situation room.

Amounts leave as text; JSON numbers are not exact."""

from pydantic import BaseModel

from tallystick_cloud.city import service
from tallystick_cloud.city.model import GatewayState
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock

VIEWERS = frozenset({Role.CITY_OPERATOR, Role.COMMUNITY_MANAGER, Role.INSTALLER, Role.SERVICER, Role.AUDITOR})
"""Who may see the whole community at once: amounts in sum, no person's use."""


class CountsOut(BaseModel):
    """Gateways per state."""

    online: int
    late: int
    fault: int
    offline: int


class SituationOut(BaseModel):
    """The figures of the situation room; amounts in nano of the unit, as text."""

    community: str
    at_ms: int
    batches_today: int
    readings_today: int
    uses_today: int
    fees_today_nano: str
    imbalance_nano: str
    log_size: int
    log_root: str
    gateways: CountsOut
    open_alarms: int


def api_routes(database: Database, clock: Clock) -> RouteTable:
    """What pages show, as data."""
    table = RouteTable()

    @table.route("GET", "/v1/communities/{community}/situation", roles=VIEWERS, tag="city")
    async def situation(call: Call, community: str) -> SituationOut:
        """The figures of the situation room."""
        s = await database.read(service.look, community, clock.utc_ms())
        return SituationOut(
            community=s.community.id,
            at_ms=s.now_ms,
            batches_today=s.today.batches,
            readings_today=s.today.readings,
            uses_today=s.today.uses,
            fees_today_nano=str(s.today.fees_nano),
            imbalance_nano=str(s.today.imbalance_nano),
            log_size=s.today.log_size,
            log_root=s.today.log_root.hex(),
            gateways=CountsOut(**{state.value: s.count(state) for state in GatewayState}),
            open_alarms=len(s.alarms),
        )

    return table
