"""Routes of payouts: list, show, propose, release, write, mark as sent, cancel.

It never takes a party from the request: whoever is signed in acts.
"""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import MEMBERS
from tallystick_cloud.http.place import person
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import named
from tallystick_cloud.payouts import credit, report, service
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import HANDLERS, READERS, Answer, RunCalls, proposal
from tallystick_cloud.settlement.payable import settled_lines

BASE = "/v1/communities/{community}/payout-runs"
REFUNDS_MAX = 1000  # of one run; a community has fewer payers in credit


class Ask(BaseModel):
    """`key`: the same again is the same run; `collector`: its name, left out when only one owes anything."""

    key: str
    execution_day: date
    collector: str | None = None


class AskRefund(BaseModel):
    """`payers`: names of whom the collector pays back all that they paid too much, in whole cents."""

    key: str
    execution_day: date
    payers: Annotated[list[str], Field(min_length=1, max_length=REFUNDS_MAX)]
    collector: str | None = None


def payout_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table, runs = RouteTable(), RunCalls(database, clock, service, report.as_json)

    @table.route("GET", BASE, roles=READERS, tag="payouts")
    async def list_payout_runs(call: Call, community: str) -> list[Answer]:
        """All payout runs, the newest first."""
        return await runs.show_all(community)

    @table.route("GET", BASE + "/{number}", roles=READERS, tag="payouts")
    async def show_payout_run(call: Call, community: str, number: int) -> Answer:
        """One payout run: what is paid, what is held back and why, what is missing."""
        return await runs.show(community, number)

    @table.route("POST", BASE, roles=HANDLERS, tag="payouts")
    async def propose_payout_run(call: Call, community: str, body: Ask) -> Answer:
        """Propose to pay what a collector owes, in whole cents."""
        party, now_ms = person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, community, body.key, party, body.collector, body.execution_day)
            return service.propose(conn, community, asked, now_ms, settled_lines(conn, community))

        return await runs.write(community, act)

    @table.route("GET", "/v1/communities/{community}/payer-credits", roles=READERS, tag="payouts")
    async def list_payer_credits(call: Call, community: str) -> list[Answer]:
        """What payers paid too much, and whether it can be paid back."""
        now_ms = clock.utc_ms()

        def read(conn: Connection) -> list[Answer]:
            return [report.credit_json(one) for one in credit.all_credits(conn, community, now_ms)]

        return await database.read(read)

    @table.route("POST", BASE + "/refunds", roles=HANDLERS, tag="payouts")
    async def propose_refund_run(call: Call, community: str, body: AskRefund) -> Answer:
        """Propose to pay back what payers paid too much; released, written and sent like any payout run."""
        party, now_ms = person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, community, body.key, party, body.collector, body.execution_day)
            payers = [named(conn, community, "payers", name) for name in body.payers]
            return service.propose_refunds(conn, community, asked, payers, now_ms)

        return await runs.write(community, act)

    @table.route("POST", BASE + "/{number}/approve", roles=MEMBERS, tag="payouts")
    async def approve_payout_run(call: Call, community: str, number: int) -> Answer:
        """Release a run as its second person; the proposer never can."""
        return await runs.approve(call, community, number)

    @table.route("POST", BASE + "/{number}/file", roles=HANDLERS, gives="application/xml", tag="payouts")
    async def write_payout_file(call: Call, community: str, number: int) -> bytes:
        """The bank file (pain.001.001.09) of a released run; again gives the same bytes."""
        party, now_ms = person(call), clock.utc_ms()
        return await database.write(service.bank_file, community, number, now_ms, party)

    @table.route("POST", BASE + "/{number}/sent", roles=HANDLERS, tag="payouts")
    async def mark_payout_run_sent(call: Call, community: str, number: int) -> Answer:
        """Say that the bank has the file; cannot be undone."""
        return await runs.mark_sent(call, community, number)

    @table.route("POST", BASE + "/{number}/cancel", roles=HANDLERS, tag="payouts")
    async def cancel_payout_run(call: Call, community: str, number: int) -> Answer:
        """End a run that no bank has seen."""
        return await runs.cancel(call, community, number)

    return table
