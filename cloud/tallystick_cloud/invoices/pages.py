"""Files of documents for whom they belong to, and the office's list of all of them.

It never shows a document to anybody but its seller, its buyer, its issuer and the offices that keep the books."""

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.pages import Pages, file_response, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import HOLDERS, TREASURY
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock

from . import payees, provided, service, store, ubl
from .office_pages import ACTORS, issuers, months_before, office_pages
from .service import Issued
from .setup import EXAMPLE
from .store import Stored
from .view import ALL_SHOWN, document_view

RunName = Annotated[str, StringConstraints(pattern=r"^((split )?run [0-9]{1,9})?$")]
SelfBill = Callable[[Connection, str, int, bytes, int], Issued]
Number = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{1,40}$")]
ONE = "/documents/{number:[A-Z0-9-]+}"


def document_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """Two files, a list, and what writes documents in the names of who was paid by a run."""
    table = RouteTable()
    _self_bill(table, database, clock)
    table.include(office_pages(database, pages, clock))

    async def found(call: Call, number: str) -> Stored:
        place = await here(database, call)
        is_office = bool(call.principal.roles_in(place.id) & TREASURY)
        return await database.read(service.show_to, place.id, number, call.principal.party, holds_office=is_office)

    @table.route("GET", ONE + ".pdf", roles=HOLDERS | TREASURY, gives="application/pdf", tag="money")
    async def document_pdf(call: Call, number: Number) -> web.StreamResponse:
        """A document of mine as a sheet of paper."""
        from . import pdf  # the tools of the typeface are loaded by whoever asks for the first sheet

        one, place = await found(call, number), await here(database, call)
        data = pdf.draw(one.document, pages.wording(call.request, place.zone))
        return file_response(f"{one.number}.pdf", data, "application/pdf")

    @table.route("GET", ONE + ".xml", roles=HOLDERS | TREASURY, gives="application/xml", tag="money")
    async def document_xml(call: Call, number: Number) -> web.StreamResponse:
        """A document of mine as EN 16931 XML."""
        one = await found(call, number)
        return file_response(f"{one.number}.xml", ubl.write(one.document), "application/xml")

    @table.route("GET", "/documents", roles=TREASURY, gives="text/html", tag="money")
    async def document_list(call: Call, of: RunName = "") -> web.StreamResponse:
        """The documents of the community, the newest first; `of`: those in the names of who was paid by a run."""
        place = await here(database, call)
        w = pages.wording(call.request, place.zone)
        known = await database.read(store.documents, place.id, ALL_SHOWN + 1, of)
        names = await database.read(names_by_id, place.id)
        may_act = bool(call.principal.roles_in(place.id) & ACTORS)
        return pages.page(
            call,
            "documents.html",
            look_of(place),
            title=w.gettext("Invoices"),
            documents=[document_view(one, names, w) for one in known[:ALL_SHOWN]],
            is_cut=len(known) > ALL_SHOWN,
            of=of,
            may_act=may_act,
            issuers=await database.read(issuers, place.id) if may_act else [],
            months=months_before(clock.utc_ms(), place.zone, w),
            example=EXAMPLE,
        )

    return table


def _self_bill(table: RouteTable, database: Database, clock: Clock) -> None:
    async def bill(call: Call, act: SelfBill, period: str, number: int) -> web.Response:
        place = await here(database, call)
        await database.write(act, place.id, number, person(call), clock.utc_ms())
        return see_other(f"/documents?{urlencode({'of': period})}")

    @table.route("POST", "/payouts/{number}/documents", roles=ACTORS, gives="text/html", takes=FORM, tag="money")
    async def bill_payout_run_on_page(call: Call, number: int, form: SureForm) -> web.StreamResponse:
        """A document in the name of each payee of a run that the bank has; again it writes none twice."""
        return await bill(call, payees.self_bill, f"run {number}", number)

    @table.route("POST", "/splits/{number}/documents", roles=ACTORS, gives="text/html", takes=FORM, tag="money")
    async def bill_split_run_on_page(call: Call, number: int, form: SureForm) -> web.StreamResponse:
        """The same of each party to whom a payment provider passed something on, and of what went back since."""
        return await bill(call, provided.self_bill, f"split run {number}", number)
