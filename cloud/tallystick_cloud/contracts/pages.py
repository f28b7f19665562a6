"""Pages of contracts: those that name me, and one with its parties, prices, split, versions and data notice.

It never changes a contract; proposals and approvals are signed, not clicked."""

from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from tallystick_cloud.contracts import look, view, words
from tallystick_cloud.db import Database
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import READERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ports import Clock

ChainHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
OFFICES = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})


def contract_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """List and page."""
    table = RouteTable()

    @table.route("GET", "/contracts", roles=READERS, gives="text/html", tag="contracts")
    async def contract_list(call: Call) -> web.StreamResponse:
        """The contracts that name me."""
        place = await here(database, call)
        args = (place.id, call.principal.party, _sees_all(call), clock.utc_ms())
        found = await database.read(look.chains_of, *args)
        w = pages.wording(call.request, place.zone)
        rows = [(one, view.state_of(one.now, w), words.price_list(one.now.contract, w)) for one in found]
        return pages.page(call, "contracts.html", look_of(place), title=w.gettext("Contracts"), rows=rows)

    @table.route("GET", "/contracts/{chain}", roles=READERS, gives="text/html", tag="contracts")
    async def contract_page(call: Call, chain: ChainHex) -> web.StreamResponse:
        """One contract in words: who, what it costs, how it is split, who agreed."""
        place = await here(database, call)
        party = call.principal.party
        args = (place.id, bytes.fromhex(chain), party, _sees_all(call), clock.utc_ms())
        found = await database.read(look.chain_of, *args)
        w, contract = pages.wording(call.request, place.zone), found.now.contract
        return pages.page(
            call,
            "contract.html",
            look_of(place),
            title=w.gettext("Contract"),
            contract=contract,
            chain=chain,
            state=view.state_of(found.now, w),
            parties=view.parties(found.now, party, w),
            prices=words.price_list(contract, w),
            extras=words.extras(contract, w),
            terms=words.terms(contract, w),
            falls=view.falls(found, w),
            example=exact(found.example, w),
            per=contract.tariff.price_unit,
            versions=view.versions(found, w),
            asset_ids=[one.asset for one in contract.assets],
            may_compare=_sees_all(call) and contract.pool is None,
        )

    return table


def _sees_all(call: Call) -> bool:
    return bool(call.principal.roles_in(call.community or "") & OFFICES)
