"""Routes of the books: the summary of a community.

Amounts leave as strings; JSON numbers are not exact.
"""

from sqlalchemy import Connection, insert

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ledger.summary import Summary, summary
from tallystick_cloud.ports import Clock
from tallystick_cloud.schema import access

OVERSEERS = frozenset({Role.COMMUNITY_MANAGER, Role.CITY_OPERATOR, Role.AUDITOR})
"""It lists single uses with fee and shares, so it is for those who look after all of them, not for every member."""


def ledger_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", "/v1/communities/{community}/summary", roles=OVERSEERS, tag="ledger")
    async def community_summary(call: Call, community: str) -> Summary:
        """Counts of readings, batches, uses and money, and what each channel has billed, excepted and open."""
        found = await database.read(summary, community)
        await database.write(_write_down, community, call.principal.party, found, clock.utc_ms())
        return found

    return table


def _write_down(conn: Connection, community: str, actor: bytes | None, found: Summary, now_ms: int) -> None:
    """The access row of this read."""
    row = {"community": community, "actor": actor, "resource": "summary", "purpose": "to oversee the community"}
    conn.execute(insert(access), {**row, "basis": "office", "row_count": found.uses, "at_ms": now_ms})
