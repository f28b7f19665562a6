"""Routes of evidence: one's own file for a period, and one's own policy file.

It never gives anybody another party's file but to auditors.
"""

from typing import Literal

from sqlalchemy import Connection
from tallystick_protocol.codes import Scope
from tallystick_protocol.ids import PartyId

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.access import Read, write_down
from tallystick_cloud.settlement.api import party_asked

from .model import Made, Wanted
from .policy import policy_of
from .service import evidence

AUDITORS = frozenset({Role.AUDITOR})  # a file may hold a curve: nobody else sees another party's
BASE = "/v1/communities/{community}"
ScopeName = Literal["own", "contract"]
FILE = "application/octet-stream"


def evidence_routes(database: Database, aggregator: Aggregator, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", BASE + "/evidence", roles=MEMBERS, gives=FILE, tag="evidence")
    async def evidence_file(
        call: Call, community: str, at_ms: int, party: str | None = None, scope: ScopeName | None = None
    ) -> bytes:
        """One's own evidence of the period that holds a moment; an auditor names the party."""

        def make(conn: Connection) -> Made:
            mine = PartyId(party_asked(conn, community, call, party, AUDITORS))
            return evidence(
                conn,
                aggregator.of(community),
                Wanted(mine, at_ms, None, None if scope is None else Scope[scope.upper()]),
            )

        made = await database.read(make)
        read = Read(call.principal.party, made.party, "evidence", made.objects)
        await database.write(write_down, community, read, clock.utc_ms())
        return made.data

    @table.route("GET", BASE + "/policy", roles=MEMBERS, gives="application/json", tag="evidence")
    async def policy_file(call: Call, community: str, party: str | None = None) -> bytes:
        """One's own policy file: whom to believe. Keep it yourself; export it once, over a way you trust."""

        def make(conn: Connection) -> str:
            mine = PartyId(party_asked(conn, community, call, party, AUDITORS))
            return policy_of(conn, aggregator.of(community), mine).to_json()

        return (await database.read(make)).encode()

    return table
