"""Screens of the city: the situation room, the list of gateways, the search, and what they export.

It never computes anything: service.py looks, view.py puts it into words."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, StringConstraints

from tallystick_cloud.city import service, view
from tallystick_cloud.city.api import VIEWERS, api_routes
from tallystick_cloud.city.live import Hub, TooManyViewers
from tallystick_cloud.city.map_svg import Measure, draw
from tallystick_cloud.city.model import Alarm, Gateway, GatewayState, Period, Situation, fitting_period
from tallystick_cloud.city.sparkline import sparkline
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Principal, Role
from tallystick_cloud.http.errors import Busy, Forbidden
from tallystick_cloud.http.first_page import first_page
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Look, Pages, csv_response, roles_of, see_other
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock

HANDLERS = frozenset({Role.CITY_OPERATOR, Role.COMMUNITY_MANAGER, Role.INSTALLER, Role.SERVICER})
"""Who takes alarms; an auditor looks on."""
Query = Annotated[str, StringConstraints(max_length=80)]
WORST_FIRST = (GatewayState.OFFLINE, GatewayState.FAULT, GatewayState.LATE, GatewayState.ONLINE)


class AlarmFilter(StrEnum):
    """Which open alarms the list shows."""

    UNOWNED = "unowned"
    ALL = "all"


class ChartForm(StrEnum):
    """How use and value are shown."""

    LINE = "line"
    TABLE = "table"


class TakeForm(BaseModel):
    """Where to return to without JavaScript."""

    back: str = "/situation"


class CloseForm(BaseModel):
    """What was found, and where to return to."""

    cause: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=200)]
    back: str = "/situation"


def city_routes(database: Database, pages: Pages, clock: Clock, hub: Hub) -> RouteTable:
    """Everything of this folder."""
    table = RouteTable()
    for part in (_room_routes, _export_routes, _list_routes):
        table.include(part(database, pages, clock))
    table.include(api_routes(database, clock))
    table.include(_live_routes(database, pages, clock, hub))
    return table


def _room_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    table = RouteTable()

    @table.route("GET", "/", roles={Role.PUBLIC}, gives="text/html", status=303, tag="pages")
    async def home(call: Call) -> web.StreamResponse:
        """The first page of whoever calls."""
        if call.principal.session is None:
            return see_other("/demo/operator" if pages.is_demo else "/sign-in")
        return see_other(first_page(roles_of(call.principal)))

    @table.route("GET", "/situation", roles=VIEWERS, gives="text/html", tag="pages")
    async def situation_room(
        call: Call,
        period: Period | None = None,
        alarms: AlarmFilter = AlarmFilter.UNOWNED,
        map: Measure = Measure.STATE,
        chart: ChartForm = ChartForm.LINE,
    ) -> web.StreamResponse:
        """The city now: counters, map, open alarms, use and value, and where the fees went."""
        s = await database.read(service.look, _place(call), clock.utc_ms())
        w = pages.wording(call.request, s.community.zone)
        shown = period or fitting_period(s.buckets)
        buckets = view.window(s, shown)
        marks = view.marks(s, w, map)
        return pages.page(
            call,
            "situation.html",
            look_of(s),
            title=w.gettext("Situation room"),
            s=s,
            counters=view.counters(s, w),
            parts=view.parts(s, w),
            lines=[view.alarm_line(one, w, s.now_ms) for one in chosen(s.alarms, alarms)],
            states=[(state, view.state_word(state, w), s.count(state)) for state in GatewayState],
            map_svg=draw(marks, _map_title(s, w)),
            unplaced=len(s.gateways) - len(marks),
            chart_svg=sparkline(buckets, w),
            is_still=not any(one.known and one.uses for one in buckets),
            hours=view.hours(buckets, w),
            boot=_boot(s, w, shown, map, alarms, getattr(clock, "factor", 1)),
            period=shown.value,
            filter=alarms.value,
            measure=map.value,
            form=chart.value,
            can_take=may_take(call.principal),
        )

    return table


def _live_routes(database: Database, pages: Pages, clock: Clock, hub: Hub) -> RouteTable:
    table = RouteTable()

    @table.route("GET", "/situation/live", roles=VIEWERS, gives="text/event-stream", tag="pages")
    async def live(call: Call) -> web.StreamResponse:
        """What changes in the situation room, as server-sent events."""
        place = await database.read(service.place, _place(call))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        response.headers["Cache-Control"] = "no-store"
        stream = hub.stream(place.id, pages.wording(call.request, place.zone))
        try:
            first = await anext(stream)
        except TooManyViewers as error:
            raise Busy(str(error)) from None
        await response.prepare(call.request)
        try:
            await response.write(first)
            async for message in stream:
                await response.write(message)
        except ConnectionResetError:
            pass  # the viewer is gone
        finally:
            await stream.aclose()
        return response

    @table.route("POST", "/alarms/{alarm}/take", roles=HANDLERS, gives="text/html", tag="alarms",
                 takes="application/x-www-form-urlencoded")  # fmt: skip
    async def take_alarm(call: Call, alarm: int, form: TakeForm) -> web.StreamResponse:
        """Make an open alarm mine, so that everybody sees who looks after it."""
        if call.principal.party is None:
            raise Forbidden("an alarm is taken by a person", next_step="Sign in as a person, not with a bare token.")
        community, now_ms = _place(call), clock.utc_ms()
        taken = await database.write(service.take, community, alarm, call.principal.party, now_ms)
        hub.publish("alarm", {"community": community})
        if "HX-Request" not in call.request.headers:
            return see_other(form.back)
        place = await database.read(service.place, community)
        w = pages.wording(call.request, place.zone)
        html = pages.fragment("_alarm.html", w, a=view.alarm_line(taken, w, now_ms), csrf=call.csrf, here=form.back)
        return web.Response(text=html, content_type="text/html")

    @table.route("POST", "/alarms/{alarm}/close", roles=HANDLERS, gives="text/html", tag="alarms",
                 takes="application/x-www-form-urlencoded")  # fmt: skip
    async def close_alarm(call: Call, alarm: int, form: CloseForm) -> web.StreamResponse:
        """Close an alarm with its cause; if the cause is still there, it comes again as a new one."""
        if call.principal.party is None:
            raise Forbidden("an alarm is closed by a person", next_step="Sign in as a person, not with a bare token.")
        community, now_ms = _place(call), clock.utc_ms()
        await database.write(service.close, community, alarm, call.principal.party, form.cause, now_ms)
        hub.publish("alarm", {"community": community})
        return see_other(form.back)

    return table


def _export_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    table = RouteTable()

    @table.route("GET", "/situation/alarms.csv", roles=VIEWERS, gives="text/csv", tag="alarms")
    async def alarms_file(call: Call, alarms: AlarmFilter = AlarmFilter.UNOWNED) -> web.StreamResponse:
        """Exactly the alarms that the list shows."""
        s = await database.read(service.look, _place(call), clock.utc_ms())
        w = pages.wording(call.request, s.community.zone)
        return csv_response(f"alarms-{s.community.id}.csv", view.alarms_csv(chosen(s.alarms, alarms), w))

    @table.route("GET", "/situation/use.csv", roles=VIEWERS, gives="text/csv", tag="pages")
    async def chart_file(call: Call, period: Period = Period.SIX_HOURS) -> web.StreamResponse:
        """Exactly the points that the chart shows."""
        s = await database.read(service.look, _place(call), clock.utc_ms())
        w = pages.wording(call.request, s.community.zone)
        return csv_response(f"use-{s.community.id}-{period.value}.csv", view.use_csv(s, period, w))

    @table.route("GET", "/gateways.csv", roles=VIEWERS, gives="text/csv", tag="gateways")
    async def gateways_file(call: Call, q: Query = "") -> web.StreamResponse:
        """Exactly the gateways that the list shows."""
        s = await database.read(service.look, _place(call), clock.utc_ms())
        w = pages.wording(call.request, s.community.zone)
        return csv_response(f"gateways-{s.community.id}.csv", view.gateways_csv(listed(s, q), s, w))

    return table


def _list_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    table = RouteTable()

    @table.route("GET", "/gateways", roles=VIEWERS, gives="text/html", tag="pages")
    async def gateway_list(call: Call, q: Query = "") -> web.StreamResponse:
        """All gateways, worst first."""
        s = await database.read(service.look, _place(call), clock.utc_ms())
        w = pages.wording(call.request, s.community.zone)
        rows = [(one, view.state_word(one.state, w)) for one in listed(s, q)]
        return pages.page(call, "gateways.html", look_of(s), title=w.gettext("Gateways"), s=s, rows=rows, q=q)

    @table.route("GET", "/find", roles=VIEWERS, gives="text/html", tag="pages")
    async def find(call: Call, q: Query = "") -> web.StreamResponse:
        """Assets and gateways by name, kind, site or number."""
        community, now_ms = _place(call), clock.utc_ms()
        found = await database.read(service.find, community, q, now_ms) if q.strip() else service.Found((), ())
        place = await database.read(service.place, community)
        w = pages.wording(call.request, place.zone)
        values: dict[str, Any] = {
            "found": found,
            "q": q,
            "words": {state: view.state_word(state, w) for state in GatewayState},
        }
        if "HX-Request" in call.request.headers:
            return web.Response(text=pages.fragment("_found.html", w, **values), content_type="text/html")
        look = Look(place.id, place.name, place.zone)
        return pages.page(call, "find.html", look, title=w.gettext("Find"), **values)

    return table


def chosen(alarms: Sequence[Alarm], wanted: AlarmFilter) -> list[Alarm]:
    """The alarms that a filter shows; list and file ask the same question."""
    return [one for one in alarms if wanted is AlarmFilter.ALL or one.taken_by is None]


def listed(s: Situation, text: str) -> list[Gateway]:
    """Gateways whose name, site or id contains the text, worst first."""
    wanted = text.strip().lower()
    found = [one for one in s.gateways if wanted in f"{one.name}\n{one.site}\n{one.id}".lower()]
    return sorted(found, key=lambda one: (WORST_FIRST.index(one.state), one.name))


def may_take(principal: Principal) -> bool:
    """Whether the Take button is shown; the route decides again."""
    return principal.community is not None and bool(principal.roles_in(principal.community) & HANDLERS)


def look_of(s: Situation) -> Look:
    """What the shell shows of the community."""
    return Look(s.community.id, s.community.name, s.community.zone)


def _place(call: Call) -> str:
    if call.community is None:
        raise Forbidden("no community is chosen", next_step="Sign in again.")
    return call.community


def _map_title(s: Situation, w: Wording) -> str:
    counts = ", ".join(f"{w.count(s.count(state))} {view.state_word(state, w).lower()}" for state in GatewayState)
    return w.gettext("Map of {name}: gateways {counts}").format(name=s.community.name, counts=counts)


def _boot(s: Situation, w: Wording, period: Period, measure: Measure, alarms: AlarmFilter, factor: int) -> str:
    """What the script needs before the first event, as JSON that cannot close its own element."""
    _ = w.gettext
    points = [
        [one.start_ms, one.uses if one.known else None, one.fees_nano // 10_000_000 if one.known else None]
        for one in view.window(s, period)
    ]
    values = {
        "zone": s.community.zone,
        "unit": s.community.unit,
        "now": s.now_ms,
        "factor": factor,
        "measure": measure.value,
        "filter": alarms.value,
        "points": points,
        "length": period.buckets,
        "words": {
            "live": _("Live"),
            "silent": _("No data for {n} s"),
            "lost": _("Connection lost; the numbers are old."),
            "again": _("Connected again."),
        },
    }
    return json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
