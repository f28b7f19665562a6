"""The page of one gateway, and the page where an installer makes a claim for a site.

It never shows a claim twice: only its hash is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.city.alarm_words import words_of
from tallystick_cloud.city.view import state_word
from tallystick_cloud.db import Database
from tallystick_cloud.gateways import claims, look, view
from tallystick_cloud.gateways.model import CLAIM_TTL_MS
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.qr import qr_svg
from tallystick_cloud.http.rail import INSTALLERS, SIGHT
from tallystick_cloud.http.route import Call, GidHex, RouteTable
from tallystick_cloud.ports import Clock, Entropy


class ClaimForm(BaseModel):
    """For which site."""

    site: Annotated[str, StringConstraints(min_length=1, max_length=80)]


@dataclass(slots=True)
class ClaimDesk:
    """What a claim file says beside the claim; `server` is known once the gateways' port is open."""

    ca_pem: str
    entropy: Entropy
    server: str | None = None


def gateway_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page of one gateway."""
    table = RouteTable()

    @table.route("GET", "/gateways/{gid}", roles=SIGHT, gives="text/html", tag="pages")
    async def gateway_page(call: Call, gid: GidHex) -> web.StreamResponse:
        """One gateway: how it is, what is wrong and what to do, what it reads."""
        place = await here(database, call)
        now_ms = clock.utc_ms()
        g = await database.read(look.look, place.id, bytes.fromhex(gid), now_ms)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "gateway.html",
            look_of(place),
            title=g.name,
            g=g,
            word=state_word(g.state, w),
            facts=view.facts(g, w, now_ms),
            channels=[view.channel(one, w, now_ms) for one in g.channels],
            alarms=[view.alarm(one, words_of(one.code).title, w, now_ms) for one in g.alarms],
            strip=view.strip(g.slots, w),
            can_take=bool(call.principal.roles_in(place.id) & (SIGHT - {Role.AUDITOR})),
            can_claim=bool(call.principal.roles_in(place.id) & INSTALLERS),
        )

    return table


def claim_pages(database: Database, pages: Pages, clock: Clock, desk: ClaimDesk) -> RouteTable:
    """Where an installer gets the claim for a site."""
    table = RouteTable()

    @table.route("GET", "/claims", roles=INSTALLERS, gives="text/html", tag="gateways")
    async def claim_form(call: Call, site: Annotated[str, StringConstraints(max_length=80)] = "") -> web.StreamResponse:
        """The sites, and a button that makes a claim for one."""
        place = await here(database, call)
        found = await database.read(look.sites, place.id, clock.utc_ms())
        title = pages.wording(call.request, place.zone).gettext("Claim a gateway")
        return pages.page(call, "claim.html", look_of(place), title=title, sites=found, made=None, chosen=site)

    @table.route("POST", "/claims", roles=INSTALLERS, gives="text/html", tag="gateways",
                 takes="application/x-www-form-urlencoded")  # fmt: skip
    async def make_claim(call: Call, form: ClaimForm) -> web.StreamResponse:
        """A new claim for a site, shown once: as groups to type, as a code to scan, as a file."""
        place = await here(database, call)
        now_ms = clock.utc_ms()
        text = await database.write(_issue(desk.entropy), place.id, form.site, now_ms)
        w = pages.wording(call.request, place.zone)
        made = view.Claim(
            form.site,
            tuple(text.split("-")),
            qr_svg(text),
            w.date(now_ms + CLAIM_TTL_MS),
            claims.file_text(text, form.site, desk.server, desk.ca_pem) if desk.server else "",
        )
        return pages.page(
            call, "claim.html", look_of(place), title=w.gettext("Claim a gateway"), sites=[], made=made, chosen=""
        )

    return table


def _issue(entropy: Entropy) -> Callable[[Connection, str, str, int], str]:
    def issue(conn: Connection, community: str, site: str, now_ms: int) -> str:
        return claims.issue(conn, community, site, entropy, now_ms)

    return issue
