"""Files of documents for whom they belong to, and the office's list of all of them.

It never shows a document to anybody but its seller, its buyer, its issuer and the offices that keep the books."""

from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from tallystick_cloud.db import Database
from tallystick_cloud.http.pages import Pages, file_response
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import HOLDERS, TREASURY
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import names_by_id

from . import service, store, ubl
from .store import Stored
from .view import ALL_SHOWN, document_view

Number = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{1,40}$")]
ONE = "/documents/{number:[A-Z0-9-]+}"


def document_pages(database: Database, pages: Pages) -> RouteTable:
    """Two files and a list."""
    table = RouteTable()

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
    async def document_list(call: Call) -> web.StreamResponse:
        """The documents of the community, the newest first."""
        place = await here(database, call)
        w = pages.wording(call.request, place.zone)
        known = await database.read(store.documents, place.id, ALL_SHOWN + 1)
        names = await database.read(names_by_id, place.id)
        return pages.page(
            call,
            "documents.html",
            look_of(place),
            title=w.gettext("Invoices"),
            documents=[document_view(one, names, w) for one in known[:ALL_SHOWN]],
            is_cut=len(known) > ALL_SHOWN,
        )

    return table
