"""Routes of mandates and debit runs: keep, list and revoke mandates; propose, release, write, mark, cancel runs.

It never takes a party that acts from the request: whoever is signed in acts. It shows bank accounts to those who handle
them and to the auditor alone.
"""

from collections.abc import Callable
from datetime import date

from pydantic import BaseModel
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.place import person
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import HANDLERS, READERS, Answer, RunCalls, proposal
from tallystick_cloud.settlement.payable import unsettled_fees

from . import mandates, report, service
from .mandate import NOTICE_DAYS, NewMandate, SequenceType
from .mandates import Shown
from .service import Run

KEEPERS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/v1/communities/{community}"
RUNS, MANDATES = BASE + "/debit-runs", BASE + "/mandates"


class Ask(BaseModel):
    """`key`: the same again is the same run; `collector`: its name, left out when only one is owed anything."""

    key: str
    collection_day: date
    collector: str | None = None


class Signed(BaseModel):
    """A mandate as it was signed; names as in the list of parties. `holder`: the name on the account, if another."""

    payer: str
    collector: str
    reference: str
    creditor_id: str
    iban: str
    holder: str | None = None
    signed: date
    sequence: SequenceType = SequenceType.FIRST
    last_used: date | None = None
    notice_days: int = NOTICE_DAYS


class Revoked(BaseModel):
    """Which mandate ends."""

    reference: str


class Refused(BaseModel):
    """`debit`: the begin of its id; left out: all of the run that have no outcome."""

    debit: str | None = None


def debit_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table, runs = RouteTable(), RunCalls(database, clock, service, report.as_json)
    _mandate_routes(table, database, clock)
    _run_routes(table, runs)
    _bank_routes(table, runs)
    return table


def _mandate_routes(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("GET", MANDATES, roles=READERS, tag="debits")
    async def list_mandates(call: Call, community: str) -> list[Answer]:
        """All mandates, also revoked ones, with how they stand."""
        now_ms = clock.utc_ms()
        return await database.read(_told, community, lambda conn: mandates.show_all(conn, community, now_ms))

    @table.route("POST", MANDATES, roles=KEEPERS, tag="debits")
    async def keep_mandate(call: Call, community: str, body: Signed) -> Answer:
        """Keep a signed mandate; the same again is the same."""
        now_ms = clock.utc_ms()

        def act(conn: Connection) -> list[Shown]:
            return [mandates.add(conn, community, _mandate(conn, community, body), now_ms)]

        return (await database.write(_told, community, act))[0]

    @table.route("POST", MANDATES + "/revoke", roles=KEEPERS, tag="debits")
    async def revoke_mandate(call: Call, community: str, body: Revoked) -> Answer:
        """End a mandate; cannot be undone."""
        now_ms = clock.utc_ms()

        def act(conn: Connection) -> list[Shown]:
            return [mandates.revoke(conn, community, body.reference, now_ms)]

        return (await database.write(_told, community, act))[0]


def _run_routes(table: RouteTable, runs: RunCalls[Run]) -> None:
    @table.route("GET", RUNS, roles=READERS, tag="debits")
    async def list_debit_runs(call: Call, community: str) -> list[Answer]:
        """All debit runs, the newest first."""
        return await runs.show_all(community)

    @table.route("GET", RUNS + "/{number}", roles=READERS, tag="debits")
    async def show_debit_run(call: Call, community: str, number: int) -> Answer:
        """One debit run: what is collected, what is held back and why, what became of it."""
        return await runs.show(community, number)

    @table.route("POST", RUNS, roles=HANDLERS, tag="debits")
    async def propose_debit_run(call: Call, community: str, body: Ask) -> Answer:
        """Propose to collect what is due from everybody with a mandate."""
        party, now_ms = person(call), runs.clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, community, body.key, party, body.collector, body.collection_day)
            return service.propose(conn, community, asked, now_ms, unsettled_fees(conn, community))

        return await runs.write(community, act)

    @table.route("POST", RUNS + "/{number}/approve", roles=HANDLERS, tag="debits")
    async def approve_debit_run(call: Call, community: str, number: int) -> Answer:
        """Release a run as its second person; the proposer never can."""
        return await runs.approve(call, community, number)


def _bank_routes(table: RouteTable, runs: RunCalls[Run]) -> None:
    @table.route("POST", RUNS + "/{number}/file", roles=HANDLERS, gives="application/xml", tag="debits")
    async def write_debit_file(call: Call, community: str, number: int) -> bytes:
        """The bank file (pain.008.001.08) of a released run; again gives the same bytes."""
        party, now_ms = person(call), runs.clock.utc_ms()
        return await runs.database.write(service.bank_file, community, number, now_ms, party)

    @table.route("POST", RUNS + "/{number}/sent", roles=HANDLERS, tag="debits")
    async def mark_debit_run_sent(call: Call, community: str, number: int) -> Answer:
        """Say that the bank has the file; cannot be undone."""
        return await runs.mark_sent(call, community, number)

    @table.route("POST", RUNS + "/{number}/rejected", roles=HANDLERS, tag="debits")
    async def reject_debits(call: Call, community: str, number: int, body: Refused) -> Answer:
        """Say that the bank collects a debit, or what is left of a run, no more; cannot be undone."""
        party, now_ms = person(call), runs.clock.utc_ms()
        return await runs.write(
            community, lambda conn: service.reject(conn, community, number, party, now_ms, body.debit)
        )

    @table.route("POST", RUNS + "/{number}/cancel", roles=HANDLERS, tag="debits")
    async def cancel_debit_run(call: Call, community: str, number: int) -> Answer:
        """End a run that no bank has seen."""
        return await runs.cancel(call, community, number)


def _mandate(conn: Connection, community: str, body: Signed) -> NewMandate:
    return NewMandate(
        named(conn, community, "collector", body.collector),
        named(conn, community, "payer", body.payer),
        body.reference,
        body.creditor_id,
        BankParty(body.holder or body.payer, body.iban),
        body.signed,
        body.sequence,
        body.last_used,
        body.notice_days,
    )


def _told(conn: Connection, community: str, act: Callable[[Connection], list[Shown]]) -> list[Answer]:
    names = names_by_id(conn, community)
    return [report.mandate_json(one, names) for one in act(conn)]
