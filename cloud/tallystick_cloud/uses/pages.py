"""The page of one use: price, split, revisions, and the proof made in front of the reader.

It never shows a subject, a curve, or who paid."""

from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.rating import Usage

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.db import Database
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.month import Month
from tallystick_cloud.http.pages import Look, Pages
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.ledger.service import counter_scope
from tallystick_cloud.owner.pages import here, reader_of
from tallystick_cloud.ports import Clock
from tallystick_cloud.uses import access, proof_store, view
from tallystick_cloud.uses.model import UseView
from tallystick_cloud.uses.proof import Proof, prove

UseHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
READERS = frozenset({Role.OWNER, Role.SERVICER, Role.FINANCIER, Role.USER, Role.COMMUNITY_MANAGER, Role.AUDITOR})
"""Roles that may ask; which use is theirs to see, uses/access.py decides."""


def use_routes(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The one page of this folder."""
    table = RouteTable()

    @table.route("GET", "/uses/{use_id}", roles=READERS, gives="text/html", tag="money")
    async def use_page(call: Call, use_id: UseHex) -> web.StreamResponse:
        """One use: its price and how it was made, who got what, and the proof, checked now."""
        place = await here(database, call)
        now_ms = clock.utc_ms()
        reader = reader_of(call, "use page", now_ms)
        use = await database.write(access.read_use, reader, bytes.fromhex(use_id))
        proof, contract, usage = await database.read(_beside, place.id, use)
        w = pages.wording(call.request, place.zone)
        scope = H32(counter_scope(use.chain, Kind(use.kind)))
        return pages.page(
            call,
            "use.html",
            Look(place.id, place.name, place.zone),
            title=use.asset_name,
            use=use,
            unit=contract.unit,
            contract=contract,
            fee=exact(use.standing.fee, w),
            parts=view.split_parts(use.standing, view.names_of(contract), call.principal.party, w),
            price=view.price_facts(use, usage, contract, scope, w),
            facts=view.facts(use, w, now_ms),
            revisions=view.revisions(use, w, now_ms),
            checks=view.checks(proof, w),
            holds=proof.holds,
            audit_path=view.path_view(proof.path),
            period=Month.of(use.recorded_ms, place.zone).text,
            community=place.id,
        )

    return table


def _beside(conn: Connection, community: str, use: UseView) -> tuple[Proof, Contract, Usage]:
    contract = versions_of(conn, use.chain)[use.contract].contract
    return prove(conn, community, use), contract, usage_of(proof_store.use_of(conn, use.use_id))
