"""Routes of split instructions: accounts at the provider, runs, their file, and what the provider says.

It never takes a party that acts from the request: whoever is signed in acts.
"""

from pydantic import BaseModel
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.place import person
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.payouts.api import Ask
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import HANDLERS, READERS, Answer, RunCalls, proposal

from . import answer, report, service, store
from .instructions import Format
from .model import Outcome
from .service import Run

KEEPERS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/v1/communities/{community}"
RUNS, ACCOUNTS = BASE + "/split-runs", BASE + "/split-accounts"


class Account(BaseModel):
    """How the payment provider calls a party."""

    party: str
    account: str


class Told(BaseModel):
    """`payment`: its name in the instructions; left out: all of the run that have no outcome yet."""

    outcome: Outcome
    payment: str | None = None


def split_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table, runs = RouteTable(), RunCalls(database, clock, service, report.as_json)
    _account_routes(table, database, clock)
    _run_routes(table, runs)
    _provider_routes(table, runs)
    return table


def _account_routes(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("GET", ACCOUNTS, roles=READERS, tag="splits")
    async def list_split_accounts(call: Call, community: str) -> list[Answer]:
        """How the payment provider calls whom."""
        return await database.read(_accounts, community)

    @table.route("POST", ACCOUNTS, roles=KEEPERS, tag="splits")
    async def keep_split_account(call: Call, community: str, body: Account) -> Answer:
        """Keep a party's account at the payment provider; takes the place of the one before."""
        now_ms = clock.utc_ms()

        def act(conn: Connection) -> Answer:
            party = named(conn, community, "party", body.party)
            kept = service.set_account(conn, community, party, body.account, now_ms)
            return {"party": body.party, "account": kept}

        return await database.write(act)


def _run_routes(table: RouteTable, runs: RunCalls[Run]) -> None:
    @table.route("GET", RUNS, roles=READERS, tag="splits")
    async def list_split_runs(call: Call, community: str) -> list[Answer]:
        """All runs of split instructions, the newest first."""
        return await runs.show_all(community)

    @table.route("GET", RUNS + "/{number}", roles=READERS, tag="splits")
    async def show_split_run(call: Call, community: str, number: int) -> Answer:
        """One run: who is charged, who gets it, what is held back and why."""
        return await runs.show(community, number)

    @table.route("POST", RUNS, roles=HANDLERS, tag="splits")
    async def propose_split_run(call: Call, community: str, body: Ask) -> Answer:
        """Propose to instruct the payment provider with what settlements made due."""
        party, now_ms = person(call), runs.clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, community, body.key, party, body.collector, body.execution_day)
            return service.propose(conn, community, asked, now_ms)

        return await runs.write(community, act)

    @table.route("POST", RUNS + "/{number}/approve", roles=MEMBERS, tag="splits")
    async def approve_split_run(call: Call, community: str, number: int) -> Answer:
        """Release a run as its second person; the proposer never can."""
        return await runs.approve(call, community, number)

    @table.route("POST", RUNS + "/{number}/cancel", roles=HANDLERS, tag="splits")
    async def cancel_split_run(call: Call, community: str, number: int) -> Answer:
        """End a run that no provider has seen."""
        return await runs.cancel(call, community, number)


def _provider_routes(table: RouteTable, runs: RunCalls[Run]) -> None:
    @table.route("POST", RUNS + "/{number}/csv", roles=HANDLERS, gives="text/csv", tag="splits")
    async def write_split_csv(call: Call, community: str, number: int) -> bytes:
        """The instructions of a released run as CSV; again gives the same bytes."""
        party, now_ms = person(call), runs.clock.utc_ms()
        return await runs.database.write(service.file, community, number, Format.CSV, now_ms, party)

    @table.route("POST", RUNS + "/{number}/json", roles=HANDLERS, gives="application/json", tag="splits")
    async def write_split_json(call: Call, community: str, number: int) -> bytes:
        """The same as JSON."""
        party, now_ms = person(call), runs.clock.utc_ms()
        return await runs.database.write(service.file, community, number, Format.JSON, now_ms, party)

    @table.route("POST", RUNS + "/{number}/sent", roles=HANDLERS, tag="splits")
    async def mark_split_run_sent(call: Call, community: str, number: int) -> Answer:
        """Say that the provider has the file; cannot be undone."""
        return await runs.mark_sent(call, community, number)

    @table.route("POST", RUNS + "/{number}/outcome", roles=HANDLERS, tag="splits")
    async def tell_split_outcome(call: Call, community: str, number: int, body: Told) -> Answer:
        """Say what the provider did with a payment, or with all of a run that it has not decided; cannot be undone."""
        party, now_ms = person(call), runs.clock.utc_ms()
        return await runs.write(
            community,
            lambda conn: service.tell_named(conn, community, number, body.outcome, body.payment, party, now_ms),
        )

    @table.route(
        "POST",
        BASE + "/split-answers",
        roles=HANDLERS,
        takes="text/csv",
        body_bytes_max=answer.FILE_BYTES_MAX,
        tag="splits",
    )
    async def take_split_answer(call: Call, community: str, body: bytes) -> list[Answer]:
        """Take the provider's file of outcomes: all of it or nothing; the same again changes nothing."""
        party, now_ms = person(call), runs.clock.utc_ms()

        def act(conn: Connection) -> list[Answer]:
            names = names_by_id(conn, community)
            return [report.as_json(one, names) for one in service.take(conn, community, body, party, now_ms)]

        return await runs.database.write(act)


def _accounts(conn: Connection, community: str) -> list[Answer]:
    names = names_by_id(conn, community)
    found = sorted((names[party], account) for party, account in store.accounts(conn, community).items())
    return [{"party": party, "account": account} for party, account in found]
