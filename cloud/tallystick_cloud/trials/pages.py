"""The page of test runs: what is on, a form for the next one, and what was.

It never takes a use back; the server's watch does, within seconds.
"""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints

from tallystick_cloud.assets.store import names as asset_names
from tallystick_cloud.db import Database
from tallystick_cloud.http.forms import FORM, NoFields
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import INSTALLERS, SIGHT
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock

from . import service, store, view
from .model import MINUTES_MAX, MINUTES_MIN, MINUTES_USUAL, WHY_CHARS_MAX

BASE = "/trials"
ID_MAX = 2**31


class StartForm(BaseModel):
    """Which asset, for how long, and why."""

    asset: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    minutes: Annotated[int, Field(ge=MINUTES_MIN, le=MINUTES_MAX)]
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WHY_CHARS_MAX)]


def trial_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()

    @table.route("GET", BASE, roles=SIGHT, gives="text/html", tag="gateways")
    async def trial_list(call: Call) -> web.StreamResponse:
        """Test runs, the newest first, and a form for whoever may begin one."""
        place, now_ms = await here(database, call), clock.utc_ms()
        runs = await database.read(store.listed, place.id)
        names = await database.read(names_by_id, place.id)
        w = pages.wording(call.request, place.zone)
        shown = [view.run(one, names, w, now_ms) for one in runs]
        return pages.page(
            call,
            "trials.html",
            look_of(place),
            title=w.gettext("Test runs"),
            running=[one for one in shown if one.is_on],
            ended=[one for one in shown if not one.is_on],
            is_cut=len(shown) == store.SHOWN_MAX,
            choices=await database.read(asset_names, place.id),
            minutes_min=MINUTES_MIN,
            minutes_max=MINUTES_MAX,
            minutes_usual=MINUTES_USUAL,
            why_max=WHY_CHARS_MAX,
            may_act=bool(call.principal.roles_in(place.id) & INSTALLERS),
        )

    @table.route("POST", BASE, roles=INSTALLERS, gives="text/html", takes=FORM, tag="gateways")
    async def start_trial(call: Call, form: StartForm) -> web.StreamResponse:
        """From now on nobody pays for a use of the asset that begins in the run."""
        place, by, now_ms = await here(database, call), person(call), clock.utc_ms()
        await database.write(service.start, place.id, form.asset, form.minutes, form.why, by, now_ms)
        return see_other(BASE)

    @table.route("POST", BASE + "/{run}/end", roles=INSTALLERS, gives="text/html", takes=FORM, tag="gateways")
    async def end_trial(
        call: Call, run: Annotated[int, Field(ge=1, le=ID_MAX)], form: NoFields
    ) -> web.StreamResponse:  # fmt: skip
        """A use that begins from now on is paid for."""
        place = await here(database, call)
        await database.write(service.end, place.id, run, clock.utc_ms())
        return see_other(BASE)

    return table
