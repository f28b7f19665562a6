"""The page of shared machines: whose turn it is, two buttons, and for an office the codes to put on the machines.

It never tells one who shares a machine who the others are.
"""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints

from tallystick_cloud.assets.store import names as asset_names
from tallystick_cloud.db import Database
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, NoFields
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.qr import qr_svg
from tallystick_cloud.http.rail import EARNERS, HOLDERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock

from . import service, view

BASE = "/turns"
ID_MAX = 2**31
MANAGERS = frozenset({Role.COMMUNITY_MANAGER})
AssetText = Annotated[str, StringConstraints(max_length=80)]


class TurnForm(BaseModel):
    """Which machine, and whether its next use is mine or the one that runs."""

    asset: Annotated[AssetText, Field(min_length=1)]
    which: Literal["next", "running"]


def turn_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()

    @table.route("GET", BASE, roles=HOLDERS, gives="text/html", tag="uses")
    async def turn_list(call: Call, asset: AssetText = "") -> web.StreamResponse:
        """Machines that I share; for an office and those who get a share all, with how much nobody claimed."""
        place, now_ms, me = await here(database, call), clock.utc_ms(), call.principal.party
        roles = call.principal.roles_in(place.id)
        sees_all = bool(roles & EARNERS)
        found = await database.read(service.machines, place.id, now_ms, None if sees_all else me)
        names = dict(await database.read(asset_names, place.id))
        w, is_office = pages.wording(call.request, place.zone), bool(roles & MANAGERS)
        base = f"{call.request.scheme}://{call.request.host}{BASE}?asset="
        shown = [
            view.machine(one, names, me, w, now_ms, qr_svg(base + one.asset) if is_office else "")
            for one in found
            if asset in ("", one.asset)
        ]
        return pages.page(
            call,
            "turns.html",
            look_of(place),
            title=w.gettext("Shared machines"),
            machines=shown,
            sees_all=sees_all,
            is_one=bool(asset),
        )

    @table.route("POST", BASE, roles=HOLDERS, gives="text/html", takes=FORM, tag="uses")
    async def take_turn(call: Call, form: TurnForm) -> web.StreamResponse:
        """Say that the next use of a machine is mine, or the one that runs."""
        place, me, now_ms = await here(database, call), person(call), clock.utc_ms()
        act = service.begin if form.which == "next" else service.claim
        await database.write(act, place.id, form.asset, me, now_ms)
        return see_other(BASE)

    @table.route("POST", BASE + "/{turn}/end", roles=HOLDERS, gives="text/html", takes=FORM, tag="uses")
    async def end_turn(call: Call, turn: Annotated[int, Field(ge=1, le=ID_MAX)], form: NoFields) -> web.StreamResponse:
        """The next use is not mine after all."""
        place, me = await here(database, call), person(call)
        await database.write(service.end, place.id, turn, me, clock.utc_ms())
        return see_other(BASE)

    return table
