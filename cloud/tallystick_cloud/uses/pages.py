"""The list of my uses, and the page of one: price, split, revisions, and the proof made in front of the reader.

It never shows a subject, a curve, or who paid."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Usage

from tallystick_cloud.city.model import Community
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.db import Database
from tallystick_cloud.disputes.seen import Opened, beside
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.month import Month, MonthText, Span, day_end_ms
from tallystick_cloud.http.pages import Pages, csv_response
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import HOLDERS, READERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ledger.model import Kind, counter_scope
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.ports import Clock
from tallystick_cloud.trials import store as trials
from tallystick_cloud.trials.model import Trial
from tallystick_cloud.turns import service as turns
from tallystick_cloud.uses import access, proof_store, store, view
from tallystick_cloud.uses.lines_view import CLOSINGS, lines_csv, single
from tallystick_cloud.uses.model import Line, Reader, UseView
from tallystick_cloud.uses.proof import Proof, prove
from tallystick_cloud.uses.reader import reader_of

LINES_MAX = 1_000
"""Rows of one list and its file; a month of a machine has some hundreds, a day of a meter a hundred."""
AssetText = Annotated[str, StringConstraints(max_length=80)]
DayText = Annotated[str, StringConstraints(pattern=r"^(20[0-9]{2}-[01][0-9]-[0-3][0-9])?$")]
UseHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are shown: a month, and in it one asset and one day if given."""

    period: str | None
    asset: str
    day: str


def use_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """List, file and the page of one use."""
    table = RouteTable()
    table.include(_list_routes(database, pages, clock))

    @table.route("GET", "/uses/{use_id}", roles=READERS, gives="text/html", tag="money")
    async def use_page(call: Call, use_id: UseHex) -> web.StreamResponse:
        """One use: its price and how it was made, who got what, and the proof, checked now."""
        place = await here(database, call)
        now_ms = clock.utc_ms()
        reader = reader_of(call, "use page", now_ms)
        use = await database.write(access.read_use, reader, bytes.fromhex(use_id))
        proof, contract, usage, dispute, trial, charged_ms = await database.read(_beside, reader, use)
        w = pages.wording(call.request, place.zone)
        scope = H32(counter_scope(use.chain, Kind(use.kind)))
        return pages.page(
            call,
            "use.html",
            look_of(place),
            title=use.asset_name or contract.name,
            name=use.asset_name or contract.name,
            use=use,
            unit=contract.unit,
            contract=contract,
            fee=exact(use.standing.fee, w),
            closing="" if use.is_metered else w.gettext(CLOSINGS[use.form]),
            headline=exact(abs(use.standing.fee), w),
            says=view.what_it_is(use, w),
            parts=view.split_parts(use.standing, view.names_of(contract), call.principal.party, w),
            price=view.price_facts(use, usage, contract, scope, w),
            facts=view.facts(use, w, now_ms),
            revisions=view.revisions(use, w, now_ms),
            checks=view.checks(proof, w),
            holds=proof.holds,
            audit_path=view.path_view(proof.path),
            period=Month.of(charged_ms, place.zone).text,
            community=place.id,
            dispute=dispute.seen and dispute.seen.state,
            may_dispute=dispute.may_open,
            trial=trial,
        )

    return table


def _list_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    table = RouteTable()

    async def found(call: Call, wanted: Wanted) -> tuple[list[Line], Span, Community]:
        place = await here(database, call)
        span = Span.of(wanted.period, clock.utc_ms(), place.zone)
        reader = reader_of(call, "list of uses", clock.utc_ms())
        return await database.write(_chosen, reader, span, wanted), span, place

    @table.route("GET", "/uses", roles=HOLDERS, gives="text/html", tag="money")
    async def use_list(
        call: Call, period: MonthText | None = None, asset: AssetText = "", day: DayText = ""
    ) -> web.StreamResponse:
        """What my uses cost, or what uses brought me, in one month; newest first."""
        wanted = Wanted(period, asset, day)
        lines, span, place = await found(call, wanted)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "uses.html",
            look_of(place),
            title=w.gettext("My uses"),
            lines=[single(one, w, clock.utc_ms()) for one in lines],
            shares=await database.read(turns.is_any, place.id, clock.utc_ms(), call.principal.party),
            total=exact(abs(sum(one.nano for one in lines)), w),
            is_paying=sum(one.nano for one in lines) < 0,
            count=len({one.use_id for one in lines}),
            is_cut=len(lines) >= LINES_MAX,
            asset_name=lines[0].asset_name if lines else asset,
            span=span,
            wanted=wanted,
            month=w.month(span.month.year, span.month.number),
            unit=place.unit,
        )

    @table.route("GET", "/uses.csv", roles=HOLDERS, gives="text/csv", tag="money")
    async def use_file(
        call: Call, period: MonthText | None = None, asset: AssetText = "", day: DayText = ""
    ) -> web.StreamResponse:
        """Exactly the rows of the list."""
        lines, span, place = await found(call, Wanted(period, asset, day))
        w = pages.wording(call.request, place.zone)
        return csv_response(f"uses-{place.id}-{span.month.text}.csv", lines_csv(lines, place.unit, w))

    return table


def _chosen(conn: Connection, reader: Reader, span: Span, asked: Wanted) -> list[Line]:
    """The lines of the month that fit the filter, newest first."""
    ended = None
    if asked.day:
        try:
            day = date.fromisoformat(asked.day)
        except ValueError:
            raise BadInput("day", f"{asked.day} is in no calendar; give a day as 2026-11-29") from None
        ended = day_end_ms(day - timedelta(days=1), span.zone), day_end_ms(day, span.zone)
    wanted = store.Wanted(LINES_MAX, asked.asset, ended)
    return access.read_lines(conn, reader, span.from_ms, span.until_ms, wanted)[::-1]


_Beside = tuple[Proof, Contract, Usage, Opened, Trial | None, int]
"""The proof, the contract and the use as it prices it, its dispute, the test run that it was taken back for, and a
moment of the month that charges it."""


def _beside(conn: Connection, reader: Reader, use: UseView) -> _Beside:
    contract = versions_of(conn, use.chain)[use.contract].contract
    usage = usage_of(proof_store.use_of(conn, use.use_id))
    trial = trials.of_use(conn, reader.community, use.asset, use.start_ms) if use.is_reversed else None
    dispute, charged_ms = beside(conn, reader, use, contract), store.charged_ms(conn, use.use_id)
    return prove(conn, reader.community, use), contract, usage, dispute, trial, charged_ms or use.recorded_ms
