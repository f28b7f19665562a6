"""Routes of the books: the summary of a community.

Amounts leave as strings; JSON numbers are not exact.
"""

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ledger.summary import Summary, summary

OVERSEERS = frozenset({Role.COMMUNITY_MANAGER, Role.CITY_OPERATOR, Role.AUDITOR})
"""It lists single uses with fee and shares, so it is for those who look after all of them, not for every member."""


def ledger_routes(database: Database) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", "/v1/communities/{community}/summary", roles=OVERSEERS, tag="ledger")
    async def community_summary(call: Call, community: str) -> Summary:
        """Counts of readings, batches, uses and money, and what each channel has billed, excepted and open."""
        return await database.read(summary, community)

    return table
