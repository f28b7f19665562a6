"""Routes of documents for programs: list, show, issue a month, bill a payout run in the payees' names.

It never takes a party from the request: whoever is signed in acts.
"""

from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, Forbidden
from tallystick_cloud.http.authz import MEMBERS, Role
from tallystick_cloud.http.month import MonthText
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import ids_by_name, names_by_id
from tallystick_cloud.ports import Clock

from . import payees, provided, report, service, store, ubl
from .desk import Asked
from .service import Issued
from .store import Stored

HANDLERS = frozenset({Role.COMMUNITY_MANAGER, Role.OWNER})  # the service asks for a manager or the issuer itself
BASE = "/v1/communities/{community}/documents"
NEWEST = 1_000  # of one answer: a year of eighty buyers

Number = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{1,40}$")]
Answer = dict[str, Any]


class Ask(BaseModel):
    """`issuer`: its name, left out when only one has a setup; `dry_run`: answer what would be issued, keep nothing."""

    period: MonthText
    issuer: str | None = None
    dry_run: bool = False


def document_routes(database: Database, clock: Clock) -> RouteTable:
    """On the people's port."""
    table = RouteTable()

    @table.route("GET", BASE, roles=TREASURY, tag="documents")
    async def list_documents(call: Call, community: str) -> list[Answer]:
        """Invoices, credit notes and self-billed documents, the newest first."""
        return await database.read(_all, community)

    @table.route("GET", BASE + "/{number}", roles=MEMBERS, tag="documents")
    async def show_document(call: Call, community: str, number: Number) -> Answer:
        """One document: for its seller, its buyer, and the offices that keep the books."""
        return await database.read(lambda conn: _answer(conn, community, _found(conn, community, number, call)))

    @table.route("GET", BASE + "/{number}/xml", roles=MEMBERS, gives="application/xml", tag="documents")
    async def show_document_xml(call: Call, community: str, number: Number) -> web.StreamResponse:
        """The same as EN 16931 in UBL 2.1."""
        one = await database.read(_found, community, number, call)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=ubl.write(one.document), content_type="application/xml", headers=headers)

    @table.route("POST", BASE, roles=HANDLERS, tag="documents")
    async def issue_documents(call: Call, community: str, body: Ask) -> Answer:
        """Issue what a settled month charges; again it issues nothing twice."""
        party, now_ms = _party(call), clock.utc_ms()
        act = service.would_issue if body.dry_run else service.issue

        def issue(conn: Connection) -> Answer:
            issuer = None if body.issuer is None else _named(conn, community, body.issuer)
            return _issued(conn, community, act(conn, community, body.period, Asked(party, issuer), now_ms))

        return await database.write(issue)

    @table.route("POST", "/v1/communities/{community}/payout-runs/{number}/documents", roles=HANDLERS, tag="documents")
    async def bill_payout_run(call: Call, community: str, number: int) -> Answer:
        """A document in the name of each payee of a run that the bank has."""
        party, now_ms = _party(call), clock.utc_ms()
        return await database.write(
            lambda conn: _issued(conn, community, payees.self_bill(conn, community, number, party, now_ms))
        )

    @table.route("POST", "/v1/communities/{community}/split-runs/{number}/documents", roles=HANDLERS, tag="documents")
    async def bill_split_run(call: Call, community: str, number: int) -> Answer:
        """A document in the name of each party to whom a payment provider passed something on."""
        party, now_ms = _party(call), clock.utc_ms()
        return await database.write(
            lambda conn: _issued(conn, community, provided.self_bill(conn, community, number, party, now_ms))
        )

    return table


def _party(call: Call) -> bytes:
    """Raises Forbidden for a credential of a role without a person."""
    if call.principal.party is None:
        raise Forbidden("party", "this credential belongs to nobody in particular; sign in as a person")
    return call.principal.party


def _named(conn: Connection, community: str, name: str) -> bytes:
    found = ids_by_name(conn, community).get(name)
    if found is None:
        raise BadInput("issuer", f"{name!r} is not in {community}; write the name as in the list of parties")
    return found


def _found(conn: Connection, community: str, number: str, call: Call) -> Stored:
    is_office = bool(call.principal.roles_in(community) & TREASURY)
    return service.show_to(conn, community, number, call.principal.party, holds_office=is_office)


def _all(conn: Connection, community: str) -> list[Answer]:
    names = names_by_id(conn, community)
    return [report.as_json(one, names) for one in store.documents(conn, community, NEWEST)]


def _answer(conn: Connection, community: str, one: Stored) -> Answer:
    return report.as_json(one, names_by_id(conn, community))


def _issued(conn: Connection, community: str, issued: Issued) -> Answer:
    return report.issued_json(issued, names_by_id(conn, community))
