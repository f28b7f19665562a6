"""Routes of what the bank says: hand in a file, list entries and accounts, assign what is in suspense.

It never shows a bank account to anybody but those who handle payouts and the auditor.
"""

from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.ports import Clock

from . import report, service
from .intake import take
from .model import Standing
from .xml import FILE_BYTES_MAX

READERS = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
HANDLERS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/v1/communities/{community}/bank"

Answer = dict[str, Any]


class Assign(BaseModel):
    """`party`: the name of whoever paid."""

    party: str


def bank_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", BASE, roles=READERS, tag="bank")
    async def show_bank(call: Call, community: str) -> Answer:
        """Each account as the bank and as the books see it, and every entry, the newest statement first."""
        return await database.read(_all, community)

    @table.route(
        "POST", BASE + "/files", roles=HANDLERS, takes="application/xml", body_bytes_max=FILE_BYTES_MAX, tag="bank"
    )
    async def take_bank_file(call: Call, community: str, body: bytes) -> Answer:
        """Take an account statement (camt.053) or a status report (pain.002); the same again changes nothing."""
        return await database.write(_take, community, body, clock.utc_ms())

    @table.route("POST", BASE + "/entries/{entry}/assign", roles=HANDLERS, tag="bank")
    async def assign_bank_entry(call: Call, community: str, entry: str, body: Assign) -> Answer:
        """Say whose payment an entry in suspense is; cannot be undone."""
        return await database.write(_assign, community, entry, body.party, clock.utc_ms())

    return table


def _all(conn: Connection, community: str) -> Answer:
    entries = service.entries(conn, community)
    return report.all_json(service.positions(conn, community), entries, names_by_id(conn, community))


def _take(conn: Connection, community: str, data: bytes, now_ms: int) -> Answer:
    names = names_by_id(conn, community)
    taken = take(conn, community, data, now_ms)
    if isinstance(taken, service.Reported):
        return {"report": report.reported_json(taken)}
    waiting = len(service.entries(conn, community, Standing.SUSPENSE))
    return {"statements": [report.taken_json(one, names) for one in taken], "suspense": waiting}


def _assign(conn: Connection, community: str, entry: str, name: str, now_ms: int) -> Answer:
    payer = ids_by_name(conn, community).get(name)
    if payer is None:
        raise BadInput("party", f"{name!r} is not in {community}; write the name as in the list of parties")
    return report.entry_json(service.assign(conn, community, entry, payer, now_ms), names_by_id(conn, community))
