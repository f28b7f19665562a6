"""What a community publishes, as a page and as JSON, for anybody.

It never works for an anonymous caller twice: an edition is made once and kept in memory.
"""

from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints
from tallystick_protocol.money.split import Scope

from tallystick_cloud.db import Database
from tallystick_cloud.http.amounts import Amount, exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Look, Pages
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock

from . import service
from .model import PublicAsset, PublicClaim, PublicMonth, PublicSlice
from .service import Edition

CommunityId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
EDITIONS_MAX = 64  # kept in memory: one per community, and a few that are over


def public_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """Page and data."""
    table = RouteTable()
    kept: dict[Edition, PublicSlice] = {}

    async def found(community: str) -> tuple[Edition, PublicSlice]:
        now_ms = clock.utc_ms()
        wanted = await database.read(service.edition, community, now_ms)
        if wanted not in kept:
            if len(kept) >= EDITIONS_MAX:
                kept.clear()
            kept[wanted] = await database.write(service.publish, wanted, now_ms)
        return wanted, kept[wanted]

    @table.route("GET", "/v1/communities/{community}/public", roles={Role.PUBLIC}, tag="public")
    async def public_slice(call: Call, community: CommunityId) -> PublicSlice:
        """What the community publishes of its assets' ledgers: whole months, by role, without names."""
        return (await found(community))[1]

    @table.route("GET", "/public/{community}", roles={Role.PUBLIC}, gives="text/html", tag="public")
    async def public_page(call: Call, community: CommunityId) -> web.StreamResponse:
        """The same to read."""
        edition, here = await found(community)
        w = pages.wording(call.request, edition.zone)
        return pages.page(
            call,
            "public.html",
            Look(here.community, here.name, edition.zone),
            title=w.gettext("Public ledger"),
            unit=here.unit,
            until=w.date(here.as_of_ms),
            panels=[_asset(one, w) for one in here.assets],
            data=f"/v1/communities/{here.community}/public",
        )

    return table


@dataclass(frozen=True, slots=True)
class MonthRow:
    name: str
    is_hidden: bool
    uses: str
    revenue: Amount | None
    shares: tuple[tuple[str, Amount], ...]


@dataclass(frozen=True, slots=True)
class AssetPanel:
    """`has`: the columns; `claims`: (whose over what, percent), as text."""

    id: str
    name: str
    kind: str
    payers_min: int
    has: frozenset[str]
    months: tuple[MonthRow, ...]
    claims: tuple[tuple[str, str], ...]


def _asset(one: PublicAsset, w: Wording) -> AssetPanel:
    seen = [month for month in one.months if not month.is_hidden]
    has = {"uses"} if any(month.uses is not None for month in seen) else set()
    has |= {"revenue"} if any(month.revenue_nano is not None for month in seen) else set()
    has |= {"shares"} if any(month.shares_nano is not None for month in seen) else set()
    claims = tuple((_claim(claim, w), w.gettext("{n} % taken").format(n=claim.percent)) for claim in one.claims or ())
    months = tuple(_month(month, w) for month in reversed(one.months))
    return AssetPanel(one.id, one.name, one.kind, one.payers_min, frozenset(has), months, claims)


def _month(month: PublicMonth, w: Wording) -> MonthRow:
    shares = () if month.shares_nano is None else tuple(month.shares_nano.items())
    year, number = month.month.split("-")
    return MonthRow(
        w.month(int(year), int(number)),
        month.is_hidden,
        "" if month.uses is None else w.count(month.uses),
        None if month.revenue_nano is None else exact(int(month.revenue_nano), w),
        tuple((_role(role), exact(int(nano), w)) for role, nano in shares),
    )


def _claim(claim: PublicClaim, w: Wording) -> str:
    if claim.per == Scope.LIFETIME.value:
        return w.gettext("Claim over the contract's whole life: {who}").format(who=_role(claim.role))
    return w.gettext("Claim of each {period}: {who}").format(period=claim.per, who=_role(claim.role))


def _role(role: str) -> str:
    return role.replace("-", " ").replace("_", " ").capitalize()
