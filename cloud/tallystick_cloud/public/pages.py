"""What a community publishes, as a page and as JSON, for anybody.

It never works for an anonymous caller twice: an edition is made once and kept in memory.
"""

from collections.abc import Sequence
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
    """`shares`: one per role of the panel, in its order."""

    name: str
    is_hidden: bool
    uses: str
    revenue: Amount | None
    shares: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class AssetPanel:
    """`kind`: nothing where the name says it; `has`: the columns; `claims`: (whose over what, percent)."""

    id: str
    name: str
    kind: str
    payers_min: int
    has: frozenset[str]
    roles: tuple[str, ...]
    months: tuple[MonthRow, ...]
    claims: tuple[tuple[str, int], ...]


def _asset(one: PublicAsset, w: Wording) -> AssetPanel:
    seen = [month for month in one.months if not month.is_hidden]
    has = {"uses"} if any(month.uses is not None for month in seen) else set()
    has |= {"revenue"} if any(month.revenue_nano is not None for month in seen) else set()
    has |= {"shares"} if any(month.shares_nano is not None for month in seen) else set()
    roles = sorted({role for month in seen for role in month.shares_nano or ()})
    claims = tuple((_claim(claim, w), claim.percent) for claim in one.claims or ())
    months = tuple(_month(month, roles, w) for month in reversed(one.months))
    kind = _words(one.kind)
    named = tuple(_words(role) for role in roles)
    shown = "" if kind.casefold() in one.name.casefold() else kind
    return AssetPanel(one.id, one.name, shown, one.payers_min, frozenset(has), named, months, claims)


def _month(month: PublicMonth, roles: Sequence[str], w: Wording) -> MonthRow:
    shares = month.shares_nano
    year, number = month.month.split("-")
    return MonthRow(
        w.month(int(year), int(number)),
        month.is_hidden,
        "" if month.uses is None else w.count(month.uses),
        None if month.revenue_nano is None else exact(int(month.revenue_nano), w),
        () if shares is None else tuple(exact(int(shares.get(role, "0")), w) for role in roles),
    )


def _claim(claim: PublicClaim, w: Wording) -> str:
    if claim.per == Scope.LIFETIME.value:
        return w.gettext("Claim over the contract's whole life: {who}").format(who=_words(claim.role))
    return w.gettext("Claim of each {period}: {who}").format(period=claim.per, who=_words(claim.role))


def _words(code: str) -> str:
    """A role or a kind as people write it: Washing machine."""
    return code.replace("-", " ").replace("_", " ").capitalize()
