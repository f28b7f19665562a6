"""Pages of contracts: those that name me, and one with its parties, prices, split, versions and data notice.

It never changes a contract. Whoever is asked answers here: a party by its signature, with the key that this server
keeps for it, a user by accepting the terms."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts import answers, look, view, words
from tallystick_cloud.db import Database
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import READERS
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.service import KeyShelf
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock

HashHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ChainHex = HashHex
OFFICES = frozenset({Role.COMMUNITY_MANAGER, Role.AUDITOR})


class AnswerForm(SureForm):
    """A party's answer to a proposed version; it stays."""

    version: HashHex
    answer: Literal["yes", "no"]


class AcceptForm(SureForm):
    """A user's yes to the terms of a version."""

    version: HashHex


def contract_pages(
    database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None, shelf: KeyShelf | None
) -> RouteTable:
    """List, page and answers."""
    table = RouteTable()
    _shown(table, database, pages, clock, shelf)
    _answers(table, database, clock, aggregator, shelf)
    return table


def _shown(table: RouteTable, database: Database, pages: Pages, clock: Clock, shelf: KeyShelf | None) -> None:

    @table.route("GET", "/contracts", roles=READERS, gives="text/html", tag="contracts")
    async def contract_list(call: Call) -> web.StreamResponse:
        """The contracts that name me."""
        place = await here(database, call)
        args = (place.id, call.principal.party, _sees_all(call), clock.utc_ms())
        found = await database.read(look.chains_of, *args)
        w = pages.wording(call.request, place.zone)
        party = call.principal.party
        rows = [
            (
                one,
                view.state_of(one.now, w),
                words.each_period(one.now.contract, w),
                words.price_list(one.now.contract, w),
                bool(answers.asked_of(one, party)),
            )
            for one in found
        ]
        return pages.page(call, "contracts.html", look_of(place), title=w.gettext("Contracts"), rows=rows)

    @table.route("GET", "/contracts/{chain}", roles=READERS, gives="text/html", tag="contracts")
    async def contract_page(call: Call, chain: ChainHex) -> web.StreamResponse:
        """One contract in words: who, what it costs, how it is split, who agreed."""
        place = await here(database, call)
        party = call.principal.party

        def read(conn: Connection) -> tuple[look.ChainView, tuple[answers.Terms, ...], dict[bytes, str]]:
            one = look.chain_of(conn, place.id, bytes.fromhex(chain), party, _sees_all(call), clock.utc_ms())
            return one, answers.terms_for(conn, one, party), names_by_id(conn, place.id)

        found, terms, names = await database.read(read)
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
            asked=view.asked(answers.asked_of(found, party), names, w),
            accepts=view.accepts(terms, found.now, w),
            signs=party is not None and shelf is not None and shelf.party_key(place.id, party) is not None,
        )


def _answers(
    table: RouteTable, database: Database, clock: Clock, aggregator: Aggregator | None, shelf: KeyShelf | None
) -> None:
    @table.route("POST", "/contracts/{chain}/answer", roles=READERS, gives="text/html", takes=FORM, tag="contracts")
    async def answer_on_page(call: Call, chain: ChainHex, form: AnswerForm) -> web.StreamResponse:
        """A party's yes or no to a proposed version, signed with the key that is kept for it; the log keeps it."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        if aggregator is None or shelf is None:
            raise NotFound("community", "has its keys on another server; answer there")
        reader = answers.Reader(party, shelf.party_key(place.id, party))

        def act(conn: Connection) -> None:
            found = answers.chain_for(conn, place.id, bytes.fromhex(chain), party, now_ms)
            h, yes = bytes.fromhex(form.version), form.answer == "yes"
            answers.answer(conn, aggregator, found, h, reader, yes, now_ms)

        await database.write(act)
        return see_other(f"/contracts/{chain}#h-versions")

    @table.route("POST", "/contracts/{chain}/accept", roles=READERS, gives="text/html", takes=FORM, tag="contracts")
    async def accept_on_page(call: Call, chain: ChainHex, form: AcceptForm) -> web.StreamResponse:
        """A user accepts the terms of a version; who did stays private."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        if aggregator is None:
            raise NotFound("community", "has its keys on another server; accept there")

        def act(conn: Connection) -> None:
            found = answers.chain_for(conn, place.id, bytes.fromhex(chain), party, now_ms)
            answers.accept(conn, aggregator, found, bytes.fromhex(form.version), party, now_ms)

        await database.write(act)
        return see_other(f"/contracts/{chain}#h-accept")


def _sees_all(call: Call) -> bool:
    return bool(call.principal.roles_in(call.community or "") & OFFICES)
