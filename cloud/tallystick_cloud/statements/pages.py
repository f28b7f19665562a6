"""Pages and files of statements: the list of months, and one month with exactly the rows of its files.

It never shows a statement to anybody but the party it belongs to."""

import asyncio
from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from tallystick_cloud.bank.due import charged_by_provider, dues
from tallystick_cloud.bank.due_view import due_view, provider_view
from tallystick_cloud.db import Database
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.month import MonthText, Span
from tallystick_cloud.http.pages import Pages, csv_response, file_response
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import HOLDERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.invoices.store import of_party
from tallystick_cloud.invoices.view import OWN_SHOWN, document_view
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import refunds
from tallystick_cloud.payouts.credit import all_credits, on_its_way
from tallystick_cloud.ports import Clock
from tallystick_cloud.statements import service, view
from tallystick_cloud.statements.model import all_final
from tallystick_cloud.uses.reader import reader_of

ONE = "/statements/{period:[0-9-]+}"
ChainHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RowKey = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}_[A-Za-z0-9-]{1,60}$")]
"""The moment and the reference of a row."""


def statement_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """List, page and file."""
    table = RouteTable()
    _list(table, database, pages, clock)
    _files(table, database, pages, clock)
    _one(table, database, pages, clock)
    return table


def _list(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", "/statements", roles=HOLDERS, gives="text/html", tag="money")
    async def statement_list(call: Call) -> web.StreamResponse:
        """My statements, the newest month first."""
        place = await here(database, call)
        reader = reader_of(call, "list of statements", clock.utc_ms())
        found = await database.write(service.months, reader, clock.utc_ms(), place.zone)
        w = pages.wording(call.request, place.zone)
        party = call.principal.party or b""
        owed = await database.read(dues, place.id, party, clock.utc_ms())
        charged = await database.read(charged_by_provider, place.id, party)
        documents = await database.read(of_party, place.id, party, OWN_SHOWN)
        names = await database.read(names_by_id, place.id)
        return pages.page(
            call,
            "statements.html",
            look_of(place),
            title=w.gettext("Statements"),
            months=[view.month_view(one, w) for one in found],
            dues=[due_view(one, w) for one in owed] + [provider_view(*one, w) for one in charged],
            credits=refunds.own_credits(
                await database.read(all_credits, place.id, clock.utc_ms(), party),
                await database.read(on_its_way, place.id, party),
                w,
            ),
            documents=[document_view(one, names, w) for one in documents],
            unit=place.unit,
        )


def _files(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", ONE + ".csv", roles=HOLDERS, gives="text/csv", tag="money")
    async def statement_file(call: Call, period: MonthText) -> web.StreamResponse:
        """Exactly the rows of the page."""
        place = await here(database, call)
        reader = reader_of(call, "statement file", clock.utc_ms())
        span = Span.of(period, clock.utc_ms(), place.zone)
        w = pages.wording(call.request, place.zone)
        accounts = await database.write(service.accounts, reader, span)
        text = view.as_csv(accounts, w)
        return csv_response(f"statement-{place.id}-{period}.csv", text)

    @table.route("GET", ONE + ".pdf", roles=HOLDERS, gives="application/pdf", tag="money")
    async def statement_sheets(call: Call, period: MonthText) -> web.StreamResponse:
        """The same rows on paper."""
        from tallystick_cloud.statements import pdf  # the tools of the typeface are loaded by the first sheet

        place = await here(database, call)
        reader = reader_of(call, "statement sheets", clock.utc_ms())
        span = Span.of(period, clock.utc_ms(), place.zone)
        w = pages.wording(call.request, place.zone)
        accounts = await database.write(service.accounts, reader, span)
        names = await database.read(names_by_id, place.id)
        month = w.month(span.month.year, span.month.number)
        whose = names.get(reader.party or b"", "")
        data = await asyncio.to_thread(pdf.draw, place.name, whose, month, span.at_ms, accounts, w)
        return file_response(f"statement-{place.id}-{period}.pdf", data, "application/pdf")


def _one(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", ONE, roles=HOLDERS, gives="text/html", tag="money")
    async def statement_page(
        call: Call, period: MonthText, account: ChainHex | None = None, after: RowKey | None = None
    ) -> web.StreamResponse:
        """My statement of one month: opening, lines, closing; `account` alone from a line on where it has very many."""
        place = await here(database, call)
        reader = reader_of(call, "statement page", clock.utc_ms())
        span = Span.of(period, clock.utc_ms(), place.zone)
        w = pages.wording(call.request, place.zone)
        accounts = await database.write(service.accounts, reader, span)
        month = w.month(span.month.year, span.month.number)
        wanted = [one for one in accounts if account in (None, one.chain.hex())]
        if account is not None and not wanted:
            raise NotFound("account", "is none of this statement; load the month again")
        path = f"/statements/{span.month.text}"
        shown, rest = view.split(wanted)
        return pages.page(
            call,
            "statement.html",
            look_of(place),
            title=w.gettext("Statement"),
            accounts=[view.page_view(one, _key(after), path, w) for one in shown],
            rest=[view.rest_view(one, path, w) for one in rest],
            is_one=account is not None,
            opening=exact(sum(one.opening for one in accounts), w),
            moved=exact(sum(row.nano for one in accounts for row in one.rows), w, signed=True),
            closing=exact(sum(one.closing for one in accounts), w),
            is_final=all_final(accounts),
            span=span,
            month=month,
            unit=place.unit,
        )


def _key(after: str | None) -> tuple[int, str] | None:
    if after is None:
        return None
    at_ms, _, ref = after.partition("_")
    return int(at_ms), ref
