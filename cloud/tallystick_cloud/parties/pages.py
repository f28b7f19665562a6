"""People and organisations of a community: the list, one of them, and forms that add, pay elsewhere, or give a role.

It never shows a whole bank account, never changes a name, and every look and every change of an account leaves a row.
"""

from itertools import islice
from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.pages import Pages, csv_response, see_other
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.ports import Clock
from tallystick_cloud.town.service import public_key_of

from . import look, service, store, view
from .look import Card
from .model import NAME_CHARS_MAX, Form, NewParty, check_iban, check_new_name, check_role
from .service import Key, KeyShelf

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/parties"
SHOWN = 200  # of one page; the next begins after the last name of this one
PartyHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)]
Query = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NAME_CHARS_MAX)]


class AddForm(SureForm):
    """Who joins; `key` empty: this server keeps one. `iban` empty: money for them goes nowhere yet."""

    name: Name
    form: Form
    role: Text = ""
    iban: Text = ""
    email: Text = ""
    key: bytes = b""


class AccountForm(SureForm):
    """Where money goes from now on; `iban` empty: nowhere."""

    iban: Text = ""
    holder: Text = ""


class RoleForm(SureForm):
    """A role that begins or ends."""

    role: Text


def party_pages(
    database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None, shelf: KeyShelf | None
) -> RouteTable:
    """The pages, the list's file and the forms."""
    table = RouteTable()
    _list(table, database, pages, clock)
    _one(table, database, pages, clock)
    _add(table, database, clock, aggregator, shelf)
    _changes(table, database, clock)
    return table


def _list(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="parties")
    async def party_list(call: Call, q: Query = "", after: Query = "") -> web.StreamResponse:
        """Everybody of the community with roles, account, contracts and what stands between them."""
        place = await here(database, call)
        found = await database.write(look.cards, place.id, call.principal.party, clock.utc_ms())
        w = pages.wording(call.request, place.zone)
        matching = _matching(found, q)
        page = list(islice((one for one in matching if one.name > after), SHOWN + 1))
        return pages.page(
            call,
            "parties.html",
            look_of(place),
            title=w.gettext("People and organisations"),
            cards=[view.card_view(one, w) for one in page[:SHOWN]],
            next_after=page[SHOWN - 1].name if len(page) > SHOWN else "",
            q=q,
            after=after,
            total=w.count(len(found)),
            matching=w.count(len(matching)),
            forms=view.choices(view.FORMS, w),
            roles=view.choices(view.ROLE_WORDS, w),
            name_max=NAME_CHARS_MAX,
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
        )

    @table.route("GET", BASE + ".csv", roles=TREASURY, gives="text/csv", tag="parties")
    async def party_file(call: Call, q: Query = "") -> web.StreamResponse:
        """The same lines, all of them."""
        place = await here(database, call)
        found = await database.write(look.cards, place.id, call.principal.party, clock.utc_ms())
        w = pages.wording(call.request, place.zone)
        return csv_response("parties.csv", view.as_csv([view.card_view(one, w) for one in _matching(found, q)]))


def _one(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE + "/{party}", roles=TREASURY, gives="text/html", tag="parties")
    async def party_page(call: Call, party: PartyHex) -> web.StreamResponse:
        """One of them: roles and accounts with their days, keys, contracts and claims, money."""
        place, now_ms = await here(database, call), clock.utc_ms()
        wanted, actor = bytes.fromhex(party), call.principal.party
        found = await database.write(look.record, place.id, wanted, actor, now_ms)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "party.html",
            look_of(place),
            title=found.name,
            p=view.record_view(found, w),
            id=party,
            is_reader=wanted == actor,
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
        )


def _add(
    table: RouteTable, database: Database, clock: Clock, aggregator: Aggregator | None, shelf: KeyShelf | None
) -> None:
    @table.route("POST", BASE, roles=ACTORS, gives="text/html", takes=MULTIPART, tag="parties")
    async def add_party_on_page(call: Call, form: AddForm) -> web.StreamResponse:
        """Add somebody; the name stays."""
        place = await here(database, call)
        if aggregator is None or shelf is None:
            raise NotFound("community", "has its keys on another server; add people there")
        roles = (check_role("role", form.role),) if form.role else ()
        iban = check_iban("iban", form.iban) if form.iban else None
        who = NewParty(check_new_name("name", form.name), form.form, roles, iban, form.email or None)
        key = Key(public_key_of("key", form.key)) if form.key else Key.fresh()
        args = (aggregator.of(place.id), shelf, who, key, aggregator.entropy, clock.utc_ms())
        party = await database.write(service.admit, *args)
        return see_other(f"{BASE}/{party.hex()}")


def _changes(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("POST", BASE + "/{party}/account", roles=ACTORS, gives="text/html", takes=FORM, tag="parties")
    async def party_account_on_page(call: Call, party: PartyHex, form: AccountForm) -> web.StreamResponse:
        """Say where money for somebody goes from now on; the account before is kept with its days."""
        place, now_ms = await here(database, call), clock.utc_ms()
        iban = check_iban("iban", form.iban) if form.iban else None
        if form.holder and iban is None:
            raise BadInput("holder", "is of an account; give its IBAN too")

        def act(conn: Connection) -> None:
            wanted = _known(conn, place.id, party)
            if service.set_account(conn, place.id, wanted, iban, form.holder or None, now_ms):
                look.write_down(conn, place.id, call.principal.party, wanted, look.ACCOUNT_CHANGE, 1, now_ms)

        await database.write(act)
        return see_other(f"{BASE}/{party}#accounts")

    @table.route("POST", BASE + "/{party}/role", roles=ACTORS, gives="text/html", takes=FORM, tag="parties")
    async def give_role_on_page(call: Call, party: PartyHex, form: RoleForm) -> web.StreamResponse:
        """Give somebody a role from now on."""
        return await _role(database, call, party, form, clock.utc_ms(), ends=False)

    @table.route("POST", BASE + "/{party}/role-end", roles=ACTORS, gives="text/html", takes=FORM, tag="parties")
    async def end_role_on_page(call: Call, party: PartyHex, form: RoleForm) -> web.StreamResponse:
        """End a role; whoever signed in with it is out."""
        return await _role(database, call, party, form, clock.utc_ms(), ends=True)


async def _role(
    database: Database, call: Call, party: str, form: RoleForm, now_ms: int, *, ends: bool
) -> web.StreamResponse:
    place, role = await here(database, call), check_role("role", form.role)

    def act(conn: Connection) -> None:
        service.set_role(conn, place.id, _known(conn, place.id, party), role, now_ms, ends=ends)

    await database.write(act)
    return see_other(f"{BASE}/{party}#roles")


def _known(conn: Connection, community: str, party: str) -> bytes:
    """Raises NotFound for anybody of another community."""
    wanted = bytes.fromhex(party)
    if wanted not in store.names_by_id(conn, community):
        raise NotFound("party", "is none of this community; load the list again")
    return wanted


def _matching(cards: list[Card], q: str) -> list[Card]:
    """Those whose name has the words in it."""
    return [one for one in cards if q.casefold() in one.name.casefold()]
