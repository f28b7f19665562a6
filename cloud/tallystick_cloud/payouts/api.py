"""Routes of payouts: list, show, propose, release, write, mark as sent, cancel.

It never takes a party from the request: whoever is signed in acts.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, Forbidden
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.payouts import report, service
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.service import Proposal
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.payable import settled_lines

READERS = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})
HANDLERS = frozenset({Role.COMMUNITY_MANAGER, Role.OWNER})  # the service asks for a manager or the collector itself
BASE = "/v1/communities/{community}/payout-runs"

Answer = dict[str, Any]


class Ask(BaseModel):
    """`key`: the same again is the same run; `collector`: its name, left out when only one owes anything."""

    key: str
    execution_day: date
    collector: str | None = None


def payout_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", BASE, roles=READERS, tag="payouts")
    async def list_payout_runs(call: Call, community: str) -> list[Answer]:
        """All payout runs, the newest first."""
        return await database.read(_all, community)

    @table.route("GET", BASE + "/{number}", roles=READERS, tag="payouts")
    async def show_payout_run(call: Call, community: str, number: int) -> Answer:
        """One payout run: what is paid, what is held back and why, what is missing."""
        return await database.read(_answer, community, lambda conn: service.show(conn, community, number))

    @table.route("POST", BASE, roles=HANDLERS, tag="payouts")
    async def propose_payout_run(call: Call, community: str, body: Ask) -> Answer:
        """Propose to pay what a collector owes, in whole cents."""
        party, now_ms = acting(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            collector = None if body.collector is None else named(conn, community, "collector", body.collector)
            asked = Proposal(body.key, party, collector, body.execution_day)
            return service.propose(conn, community, asked, now_ms, settled_lines(conn, community))

        return await database.write(_answer, community, act)

    @table.route("POST", BASE + "/{number}/approve", roles=MEMBERS, tag="payouts")
    async def approve_payout_run(call: Call, community: str, number: int) -> Answer:
        """Release a run as its second person; the proposer never can."""
        party, now_ms = acting(call), clock.utc_ms()
        return await database.write(
            _answer, community, lambda conn: service.approve(conn, community, number, party, now_ms)
        )

    @table.route("POST", BASE + "/{number}/file", roles=HANDLERS, gives="application/xml", tag="payouts")
    async def write_payout_file(call: Call, community: str, number: int) -> bytes:
        """The bank file (pain.001.001.09) of a released run; again gives the same bytes."""
        party, now_ms = acting(call), clock.utc_ms()
        return await database.write(service.bank_file, community, number, now_ms, party)

    @table.route("POST", BASE + "/{number}/sent", roles=HANDLERS, tag="payouts")
    async def mark_payout_run_sent(call: Call, community: str, number: int) -> Answer:
        """Say that the bank has the file; cannot be undone."""
        party, now_ms = acting(call), clock.utc_ms()
        return await database.write(
            _answer, community, lambda conn: service.mark_sent(conn, community, number, party, now_ms)
        )

    @table.route("POST", BASE + "/{number}/cancel", roles=HANDLERS, tag="payouts")
    async def cancel_payout_run(call: Call, community: str, number: int) -> Answer:
        """End a run that no bank has seen."""
        party, now_ms = acting(call), clock.utc_ms()
        return await database.write(
            _answer, community, lambda conn: service.cancel(conn, community, number, party, now_ms)
        )

    return table


def acting(call: Call) -> bytes:
    """Who acts. Raises Forbidden for a credential of a role without a person."""
    if call.principal.party is None:
        raise Forbidden("party", "this credential belongs to nobody in particular; sign in as a person")
    return call.principal.party


def named(conn: Connection, community: str, field: str, name: str) -> bytes:
    """The party of that name. Raises BadInput."""
    found = ids_by_name(conn, community).get(name)
    if found is None:
        raise BadInput(field, f"{name!r} is not in {community}; write the name as in the list of parties")
    return found


def _answer(conn: Connection, community: str, act: Callable[[Connection], Run]) -> Answer:
    return report.as_json(act(conn), names_by_id(conn, community))


def _all(conn: Connection, community: str) -> list[Answer]:
    names = names_by_id(conn, community)
    return [report.as_json(one, names) for one in service.show_all(conn, community)]
