"""A contract beside the bill it is to replace, month by month, and the step to live.

It never keeps an old bill: it is read, shown and forgotten. It goes live by the signature of a party, never by a link.
"""

from collections.abc import Callable
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import ContractState

from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts import view as contracts
from tallystick_cloud.contracts.errors import ContractRefused
from tallystick_cloud.contracts.simulate import old_bills
from tallystick_cloud.contracts.switch import last_agreed, next_period_ms
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.given_file import text_of
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import MonthText
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.service import KeyShelf
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock

from . import service, view
from .service import Bills, Compared

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
ChainHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ONE = "/contracts/{chain}/shadow"
FILE_BYTES_MAX = 2**20  # a line for each payer and month; a large house has some thousands
FORM_BYTES_MAX = FILE_BYTES_MAX + 16_384


class BillForm(BaseModel):
    """The old bill; `period`: the month that it is of, where its lines do not say it."""

    file: bytes
    period: MonthText | None = None


def shadow_pages(
    database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None, shelf: KeyShelf | None
) -> RouteTable:
    """The page, alone and beside an old bill, and the step to live."""
    table = RouteTable()

    async def shown(call: Call, chain: str, found: Compared, names: dict[bytes, str], bills: Bills) -> web.Response:
        place, party = await here(database, call), call.principal.party
        contract = found.chain.now.contract
        w = pages.wording(call.request, contract.zone)
        is_party = party is not None and any(one.id == party for one in contract.parties)
        return pages.page(
            call,
            "shadow.html",
            look_of(place),
            title=w.gettext("Beside the old bill"),
            chain=chain,
            has_old=bool(bills),
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
            signs=is_party and party is not None and shelf is not None and shelf.party_key(place.id, party) is not None,
            **_contract_of(found, clock.utc_ms(), w),
            **_months_of(found, names, w),
        )

    @table.route("GET", ONE, roles=TREASURY, gives="text/html", tag="contracts")
    async def shadow_page(call: Call, chain: ChainHex) -> web.StreamResponse:
        """What a contract computed month by month, for each who pays by it."""
        place, now_ms = await here(database, call), clock.utc_ms()
        none: Bills = {}
        args = (place.id, bytes.fromhex(chain), none, call.principal.party, now_ms)
        found = await database.write(service.compare, *args)
        names = await database.read(names_by_id, place.id)
        return await shown(call, chain, found, names, none)

    @table.route(
        "POST", ONE, roles=TREASURY, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX, tag="contracts"
    )
    async def compare_on_page(call: Call, chain: ChainHex, form: BillForm) -> web.StreamResponse:
        """The same beside an old bill; nothing of it is kept."""
        place, now_ms = await here(database, call), clock.utc_ms()
        names = await database.read(names_by_id, place.id)
        bills = _bills(form, names)
        args = (place.id, bytes.fromhex(chain), bills, call.principal.party, now_ms)
        return await shown(call, chain, await database.write(service.compare, *args), names, bills)

    @table.route("POST", "/contracts/{chain}/live", roles=ACTORS, gives="text/html", takes=FORM, tag="contracts")
    async def go_live_on_page(call: Call, chain: ChainHex, form: SureForm) -> web.StreamResponse:
        """Propose, as the party that is signed in, that the contract is live from its next period on."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        if aggregator is None or shelf is None:
            raise NotFound("community", "has its keys on another server; switch the contract there")
        signer = shelf.party_key(place.id, party)

        def act(conn: Connection) -> None:
            service.go_live(conn, aggregator, place.id, bytes.fromhex(chain), signer, now_ms)

        await database.write(act)
        return see_other(f"/contracts/{chain}/shadow#live")

    return table


def _contract_of(found: Compared, now_ms: int, w: Wording) -> dict[str, Any]:
    """What the page says of the contract: what it is, and what it waits for to be live."""
    contract = found.chain.now.contract
    return {
        "name": contract.name,
        "unit": contract.unit,
        "state": contracts.state_of(found.chain.now, w),
        "is_shadow": contract.state is ContractState.SHADOW,
        "from_day": _from_day(found, now_ms, w.date),
        "waits_for": service.waits_for(found.chain),
        "coming": [contracts.state_of(one, w)[1] for one in found.chain.coming],
        "parties": [one.name for one in contract.parties],
    }


def _months_of(found: Compared, names: dict[bytes, str], w: Wording) -> dict[str, Any]:
    """The months and what they add up to; beside an old bill, of those that it has."""
    compared = [one for one in found.months if one.old is not None]
    together = sum(one.difference or 0 for one in compared)
    return {
        "months": view.months(found, names, w),
        "ours": exact(sum(one.fee for one in compared or found.months), w),
        "old": exact(sum(one.old or 0 for one in compared), w),
        "difference": exact(abs(together), w),
        "is_more": together > 0,
        "choices": [(one.month.text, w.month(one.month.year, one.month.number)) for one in found.spans.values()],
    }


def _bills(form: BillForm, names: dict[bytes, str]) -> Bills:
    """month -> payer -> nano; raises BadInput naming the line."""
    text = text_of(form.file, FILE_BYTES_MAX, "the table of the old bill", has_parts=True)
    found: dict[str, dict[bytes, int]] = {}
    for month, bill in old_bills(text, {name: PartyId(party) for party, name in names.items()}).items():
        if month is None and form.period is None:
            raise BadInput("period", "is missing: say of which month the bill is, or add a column month")
        found[month or form.period or ""] = {bytes(party): nano for party, nano in bill.items()}
    return found


def _from_day(found: Compared, now_ms: int, date: Callable[[int], str]) -> str:
    """When it would begin to be live."""
    try:
        return date(next_period_ms(last_agreed(found.chain).contract, now_ms))
    except ContractRefused:
        return ""
