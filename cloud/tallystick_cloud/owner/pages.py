"""The home of everybody who is owed money.

It never shows another party's account: whoever is signed in looks at their own."""

from aiohttp import web

from tallystick_cloud.contracts.answers import waiting_for
from tallystick_cloud.db import Database
from tallystick_cloud.disputes.seen import held_of
from tallystick_cloud.disputes.service import held as disputed
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.month import MonthText, Span
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import EARNERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.owner import service, view
from tallystick_cloud.ports import Clock
from tallystick_cloud.turns import service as turns
from tallystick_cloud.uses.lines_view import line_view
from tallystick_cloud.uses.reader import reader_of


def owner_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The one page of this folder."""
    table = RouteTable()

    @table.route("GET", "/owner", roles=EARNERS, gives="text/html", tag="money")
    async def owner_home(call: Call, period: MonthText | None = None) -> web.StreamResponse:
        """What I earned, where it is on its way, and when it arrives."""
        place = await here(database, call)
        span = Span.of(period, clock.utc_ms(), place.zone)
        reader = reader_of(call, "owner home", clock.utc_ms())
        home = await database.write(service.home, reader, span)
        held = held_of(await database.read(disputed, place.id), reader.party or b"")
        asked = await database.read(waiting_for, place.id, reader.party)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "owner.html",
            look_of(place),
            title=w.gettext("My earnings"),
            home=home,
            shares=await database.read(turns.is_any, place.id, clock.utc_ms()),
            unit=place.unit,
            span=span,
            month=w.month(span.month.year, span.month.number),
            headline=view.headline(home, span, place.unit, w),
            steps=view.steps(home, w),
            opening=exact(home.account.opening, w),
            earned=exact(home.account.earned, w),
            paid=exact(home.account.paid, w),
            to_come=exact(home.account.to_come, w),
            asked=[(chain.hex(), name) for chain, name in asked],
            held="" if held == 0 else exact(held, w),
            threshold="" if home.threshold is None else exact(home.threshold.nano, w),
            bars=view.bars(home.assets, w),
            loans=[view.loan_view(one, place.unit, w) for one in home.loans],
            lines=[line_view(one, w, span.at_ms) for one in home.newest],
            payouts=[(one, view.payout_words(one, w)) for one in home.payouts],
        )

    return table
