"""The month of a community manager: what waits and where it is done, what was set aside or left open, and the close.

It never closes, bills or waives by a link: each is a form of our own page with its own confirmation.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.codes import ResolutionAction
from tallystick_protocol.ids import H32

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, NoFields, SureForm
from tallystick_cloud.http.month import MonthText, Span
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import Call, Int64, RouteTable
from tallystick_cloud.ingest.quarantine import Waiting, listed
from tallystick_cloud.ingest.retry import retry_all
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.api import WHY_MAX
from tallystick_cloud.settlement.decisions import Decision, decide
from tallystick_cloud.settlement.office import office_of
from tallystick_cloud.settlement.report import StandsOpen

from . import service, view
from .model import BEFORE_CLOSE, Facts, State, tasks

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/month"
ASIDE_SHOWN = OPENS_SHOWN = 50  # lines that somebody reads; the oldest come first, and the count tells of the rest
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY_MAX)]
Programme = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]


class CloseForm(SureForm):
    """The month that was shown."""

    period: MonthText


class DecideForm(SureForm):
    """What becomes of a span that stands open; `programme` where the price depends on it."""

    chain: Digest
    channel: Digest
    open_id: Int64
    action: Literal["bill", "waive"]
    why: Why
    programme: Programme = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that the page shows."""

    span: Span
    facts: Facts
    aside: list[Waiting]
    opens: list[StandsOpen]


def month_pages(database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()
    _page(table, database, pages, clock)
    _forms(table, database, clock, aggregator)
    return table


def _page(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="month")
    async def month_page(call: Call, period: MonthText | None = None) -> web.StreamResponse:
        """What this month needs: each step with its count, and where it is done."""
        place, now_ms = await here(database, call), clock.utc_ms()
        found = await database.read(_look, place.id, period, now_ms, place.zone)
        w, span = pages.wording(call.request, place.zone), found.span
        steps = tasks(found.facts)
        return pages.page(
            call,
            "month.html",
            look_of(place),
            title=w.gettext("Month close"),
            span=span,
            month=w.month(span.month.year, span.month.number),
            is_new=found.facts.is_new,
            is_over=found.facts.is_over,
            marks=[view.MARKS[one.state] for one in steps],
            done=sum(one.state is State.DONE for one in steps),
            waiting=sum(one.state is State.WAITS for one in steps),
            before=sum(one.state is State.WAITS for one in steps if one.step in BEFORE_CLOSE),
            groups=view.groups(found.facts, steps, span, w),
            settling=[view.settling_view(one, w) for one in found.facts.settling],
            is_due=any(one.state is State.WAITS for one in found.facts.settling),
            aside=[view.aside_view(one, w) for one in found.aside],
            aside_count=w.count(found.facts.set_aside),
            opens=[view.open_view(one, w) for one in found.opens[:OPENS_SHOWN]],
            opens_count=w.count(len(found.opens)),
            why_max=WHY_MAX,
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
        )


def _forms(table: RouteTable, database: Database, clock: Clock, aggregator: Aggregator | None) -> None:
    @table.route("POST", BASE + "/close", roles=ACTORS, gives="text/html", takes=FORM, tag="month")
    async def close_month_on_page(call: Call, form: CloseForm) -> web.StreamResponse:
        """Settle every contract whose period of the month is over; cannot be undone."""
        place, now_ms = await here(database, call), clock.utc_ms()
        span = Span.of(form.period, now_ms, place.zone)
        await database.write(service.close_month, office_of(aggregator, place.id), span, now_ms)
        return see_other(f"{BASE}?period={span.month.text}#close")

    @table.route("POST", BASE + "/retry", roles=ACTORS, gives="text/html", takes=FORM, tag="month")
    async def retry_aside_on_page(call: Call, form: NoFields) -> web.StreamResponse:
        """Try again to read what was set aside; what can be read now is billed once."""
        place = await here(database, call)
        await database.write(retry_all, place.id, clock.utc_ms())
        return see_other(BASE)

    @table.route("POST", BASE + "/decide", roles=ACTORS, gives="text/html", takes=FORM, tag="month")
    async def decide_open_on_page(call: Call, form: DecideForm) -> web.StreamResponse:
        """Bill or waive what a close left open; cannot be undone."""
        place, party = await here(database, call), person(call)
        chain, channel = H32(bytes.fromhex(form.chain)), H32(bytes.fromhex(form.channel))
        action = ResolutionAction[form.action.upper()]
        said = Decision(chain, channel, form.open_id, action, form.why, party, form.programme or None)
        await database.write(decide, office_of(aggregator, place.id), said, clock.utc_ms())
        return see_other(BASE)


def _look(conn: Connection, community: str, period: str | None, now_ms: int, zone: str) -> _Found:
    span = Span.of(period, now_ms, zone) if period else service.first_span(conn, community, now_ms, zone)
    opens = service.left_open(conn, community)
    facts = service.facts(conn, community, span, len(opens), now_ms)
    return _Found(span, facts, listed(conn, community, ASIDE_SHOWN), opens)
