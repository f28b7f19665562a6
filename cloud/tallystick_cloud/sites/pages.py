"""The page of sites and assets: what is where, and a site file handed in, shown, and put into force.

It never changes a channel that is there, and puts nothing into force that was not shown first.
"""

from datetime import date, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import NewAsset
from tallystick_cloud.assets.service import add_asset
from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.given_file import text_of
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.month import day_end_ms
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import INSTALLERS, SIGHT
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.store import ids_by_name, named
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.office import office_of
from tallystick_cloud.town.table import FILE_BYTES_MAX, check_slug
from tallystick_cloud.town.toml import site_of

from . import desk, view

BASE = "/sites"
FORM_BYTES_MAX = FILE_BYTES_MAX + 16_384
"""The file and the words beside it."""
MANAGERS = frozenset({Role.COMMUNITY_MANAGER})
"""An asset says whose it is, so that an office adds it."""
DayText = Annotated[str, StringConstraints(pattern=r"^(20[0-9]{2}-[01][0-9]-[0-3][0-9])?$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]


class FileForm(BaseModel):
    """A site file, and from which day on new channels of a running site are billed (empty: from now on)."""

    file: bytes
    since: DayText = ""


class PutForm(SureForm):
    """The file as text, as the page that showed it carries it."""

    document: Annotated[str, Field(max_length=FILE_BYTES_MAX)]
    since: DayText = ""


class AssetForm(BaseModel):
    """A new asset; `owner` and `user` are names of parties, or empty."""

    asset: Name
    name: Annotated[Name, Field(min_length=1)]
    kind: Name
    site: Name = ""
    owner: Name = ""
    user: Name = ""
    essential: str = ""


def site_pages(database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()
    _list(table, database, pages, clock)
    _file(table, database, pages, clock, aggregator)
    _asset(table, database, clock)
    return table


def _list(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=SIGHT, gives="text/html", tag="gateways")
    async def site_list(call: Call, done: Name = "") -> web.StreamResponse:
        """Sites with what is measured there, and the forms for more."""
        place, now_ms = await here(database, call), clock.utc_ms()
        found = await database.read(desk.listed, place.id, now_ms)
        names = dict(await database.read(assets.names, place.id))
        mine = call.principal.roles_in(place.id)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "sites.html",
            look_of(place),
            title=w.gettext("Sites and assets"),
            sites=[view.site(one, plan, names, w) for one, plan in found],
            known_assets=sorted(names.items(), key=lambda one: one[1]),
            parties=sorted(await database.read(ids_by_name, place.id)),
            done=done,
            may_act=bool(mine & INSTALLERS),
            may_add=bool(mine & MANAGERS),
        )


def _file(table: RouteTable, database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> None:
    @table.route(
        "POST",
        BASE + "/check",
        roles=INSTALLERS,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=FORM_BYTES_MAX,
        tag="gateways",
    )
    async def check_site(call: Call, form: FileForm) -> web.StreamResponse:
        """What a site file would come to; nothing is done."""
        place, now_ms = await here(database, call), clock.utc_ms()
        text = text_of(form.file, FILE_BYTES_MAX, "the file of the site")
        since_ms = _since(form.since, place.zone, now_ms)
        office = office_of(aggregator, place.id)
        found = await database.write(desk.preview, office, site_of(text), since_ms, now_ms)
        names = dict(await database.read(assets.names, place.id))
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "site_check.html",
            look_of(place),
            title=w.gettext("A new site") if found.is_new else w.gettext("More meters at a site"),
            put=found,
            fresh=[view.channel(one, names) for one in found.fresh],
            known=[view.channel(one, names) for one in found.known],
            since=w.date(since_ms) if form.since else "",
            since_day=form.since,
            document=text,
        )

    @table.route(
        "POST", BASE, roles=INSTALLERS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX,
        tag="gateways",
    )  # fmt: skip
    async def put_site(call: Call, form: PutForm) -> web.StreamResponse:
        """The site file that was shown becomes the plan. What a channel means can never be changed afterwards."""
        place, now_ms = await here(database, call), clock.utc_ms()
        site = site_of(form.document.replace("\r\n", "\n"))  # a browser sends lines so, whatever the file had
        office = office_of(aggregator, place.id)
        done = await database.write(desk.put, office, site, _since(form.since, place.zone, now_ms), now_ms)
        return see_other(f"/claims?site={site.id}" if done.is_new else f"{BASE}?done={site.id}#{site.id}")


def _asset(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("POST", BASE + "/assets", roles=MANAGERS, gives="text/html", takes=FORM, tag="gateways")
    async def add_asset_on_page(call: Call, form: AssetForm) -> web.StreamResponse:
        """A new asset; what measures it comes with a site file, what it costs with a contract."""
        place, now_ms = await here(database, call), clock.utc_ms()
        await database.write(_add, place.id, form, now_ms)
        return see_other(f"{BASE}#assets")


def _add(conn: Connection, community: str, form: AssetForm, now_ms: int) -> None:
    owner, user = (
        named(conn, community, field, name) if name else None
        for field, name in (("owner", form.owner), ("user", form.user))
    )
    one = NewAsset(
        check_slug("asset", form.asset), form.name, check_slug("kind", form.kind), form.site or None, owner, user,
        bool(form.essential), None, None,
    )  # fmt: skip
    add_asset(conn, community, one, now_ms)


def _since(day: str, zone: str, now_ms: int) -> int:
    """Local midnight at which a day begins; now where none is given. Raises BadInput."""
    if not day:
        return now_ms
    try:
        return day_end_ms(date.fromisoformat(day) - timedelta(days=1), zone)
    except ValueError:
        raise BadInput("since", f"{day!r} is no day; choose one") from None
