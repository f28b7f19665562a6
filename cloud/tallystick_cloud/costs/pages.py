"""Pages of shared bills: the list, one with who pays what and by which decision, and a new one in two steps.

It never posts a bill that was not shown first, and takes one back only with a reason and a yes."""

from itertools import islice
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.money.cost import Charge, Cost
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.money.toml_cost import load_cost

from tallystick_cloud.context import Aggregator
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.given_file import text_of
from tallystick_cloud.http.amounts import of_cents
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import READERS
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.office import Office, office_of
from tallystick_cloud.uses.model import Reader
from tallystick_cloud.uses.reader import reader_of

from . import service, store, view
from .proof import sign
from .service import Asked, Shared
from .store import StoredBill

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
"""A preview reads what meters counted in every flat, so it is for an office, not for whoever names itself collector."""
BASE, ONE = "/bills", "/bills/{bill}"
FILE_BYTES_MAX = 2**20
FORM_BYTES_MAX = FILE_BYTES_MAX + 16_384
"""The file and the words beside it."""
SHOWN_MAX = 200
"""Bills of one list; a house has a dozen in a year."""
BillHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FileForm(BaseModel):
    """A cost pool's file with its bill."""

    file: bytes


class PostForm(BaseModel):
    """The file as text, as the page that showed its shares carries it."""

    document: str


class BackForm(SureForm):
    """Why the bill is taken back."""

    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


def bill_pages(database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> RouteTable:
    """Pages and forms."""
    table = RouteTable()
    _list(table, database, pages, clock)
    _one(table, database, pages, clock)
    _new(table, database, pages, clock, aggregator)
    _back(table, database, clock, aggregator)
    return table


def _list(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=READERS, gives="text/html", tag="costs")
    async def bill_list(call: Call) -> web.StreamResponse:
        """The bills that I pay a share of, or for an office all, the newest first."""
        place = await here(database, call)
        reader = reader_of(call, "list of bills", clock.utc_ms())
        found = await database.read(_seen, reader)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "bills.html",
            look_of(place),
            title=w.gettext("Shared bills"),
            bills=[view.bill_view(one, reader.party, w) for one in found],
            is_cut=len(found) == SHOWN_MAX,
            may_act=bool(call.principal.roles_in(place.id) & ACTORS),
        )


def _one(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", ONE, roles=READERS, gives="text/html", tag="costs")
    async def bill_page(call: Call, bill: BillHex) -> web.StreamResponse:
        """One bill: who pays what of it, by which key, and who decided that."""
        place = await here(database, call)
        reader = reader_of(call, "page of a bill", clock.utc_ms())
        one = await database.read(_seen_one, reader, bill)
        names = await database.read(names_by_id, place.id)
        w, stored = pages.wording(call.request, place.zone), one.stored
        lines = view.stored_lines(one.shares, names, reader.party)
        whole = view.sees_all(stored, reader.party, holds_office=reader.holds_office)
        return pages.page(
            call,
            "bill.html",
            look_of(place),
            title=w.gettext("Shared bill"),
            bill=view.bill_view(one, reader.party, w),
            id=bill,
            lines=view.line_views(lines, whole=whole, w=w),
            key=view.key_of(lines, w),
            collector=names[stored.collector],
            supplier="" if stored.supplier is None else names[stored.supplier],
            why=stored.reversed_why or "",
            posted_by=names[stored.posted_by],
            is_whole=whole,
            may_act=bool(call.principal.roles_in(place.id) & ACTORS) and stored.reversed_ms is None,
        )


def _new(table: RouteTable, database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> None:
    @table.route(
        "POST",
        BASE + "/check",
        roles=ACTORS,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=FORM_BYTES_MAX,
        tag="costs",
    )
    async def check_bill_on_page(call: Call, form: FileForm) -> web.StreamResponse:
        """Who would pay what of the bill in a file; nothing is posted."""
        place, party = await here(database, call), person(call)
        text = text_of(form.file, FILE_BYTES_MAX, "the file of the cost pool")
        cost = _cost(text)
        if cost.bill is None:
            raise BadInput("bill", "is missing in the file: add a [bill] with id, amount, first_day and last_day")
        charges = await database.write(_checked, place.id, cost, party, clock.utc_ms())
        w, lines = pages.wording(call.request, place.zone), view.charge_lines(charges)
        return pages.page(
            call,
            "bill_check.html",
            look_of(place),
            title=w.gettext("Share a bill"),
            cost=cost,
            days=view.days(cost.bill.first_day, cost.bill.last_day, w),
            total=of_cents(cost.bill.cents, w),
            lines=view.line_views(lines, whole=True, w=w),
            key=view.key_of(lines, w),
            document=text,
        )

    @table.route(
        "POST", BASE, roles=ACTORS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX, tag="costs"
    )
    async def post_bill_on_page(call: Call, form: PostForm) -> web.StreamResponse:
        """Post the bill that was shown: everybody owes a share. The same again changes nothing."""
        place, party = await here(database, call), person(call)
        text = form.document.replace("\r\n", "\n")  # a browser sends lines so, whatever the file had
        asked = Asked(_cost(text), text, party)
        shared = await database.write(_posted, office_of(aggregator, place.id), asked, clock.utc_ms())
        return see_other(f"{BASE}/{shared.stored.id.hex()}")


def _back(table: RouteTable, database: Database, clock: Clock, aggregator: Aggregator | None) -> None:
    @table.route("POST", ONE + "/reverse", roles=ACTORS, gives="text/html", takes=FORM, tag="costs")
    async def reverse_bill_on_page(call: Call, bill: BillHex, form: BackForm) -> web.StreamResponse:
        """Take a bill back by one correction; cannot be undone."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        office = office_of(aggregator, place.id)

        def act(conn: Connection) -> None:
            for one in store.bills(conn, place.id):
                if one.id.hex() == bill:
                    service.reverse(conn, place.id, one.bill, party, form.why, now_ms)
                    return sign(conn, office, one.bill, now_ms)
            raise NotFound("bill", "was not posted here; load the list again")

        await database.write(act)
        return see_other(f"{BASE}/{bill}")


def _seen(conn: Connection, reader: Reader) -> list[Shared]:
    """Bills that the reader pays a share of, collects or is owed; for an office all."""
    found = (_for(conn, reader, stored) for stored in store.bills(conn, reader.community))
    return list(islice((one for one in found if one is not None), SHOWN_MAX))


def _seen_one(conn: Connection, reader: Reader, bill: str) -> Shared:
    stored = next((one for one in store.bills(conn, reader.community) if one.id.hex() == bill), None)
    found = None if stored is None else _for(conn, reader, stored)
    if found is None:
        raise NotFound("bill", "is none that you pay a share of")
    return found


def _for(conn: Connection, reader: Reader, stored: StoredBill) -> Shared | None:
    """A bill with its shares, None when it does not concern the reader."""
    shares = tuple(store.shares(conn, stored.id))
    pays = any(each.party == reader.party for each in shares)
    may_see = pays or view.sees_all(stored, reader.party, holds_office=reader.holds_office)
    return Shared(stored, shares) if may_see else None


def _checked(conn: Connection, community: str, cost: Cost, party: bytes, now_ms: int) -> list[Charge]:
    try:
        return service.check(conn, community, cost, party, now_ms)
    except ProtocolError as error:
        raise _refusal(error) from None


def _posted(conn: Connection, office: Office, asked: Asked, now_ms: int) -> Shared:
    """Posted and signed in one transaction, as on the command line."""
    try:
        shared = service.bill(conn, office.context.community, asked, now_ms)
        sign(conn, office, shared.stored.bill, now_ms)
        return shared
    except ProtocolError as error:
        raise _refusal(error) from None


def _cost(text: str) -> Cost:
    try:
        return load_cost(text)
    except ProtocolError as error:
        raise _refusal(error) from None


def _refusal(error: ProtocolError) -> BadInput:
    """The same with its line, for people."""
    line = error.line if isinstance(error, ContractError) else 0
    return BadInput(f"line {line}, {error.field}" if line else error.field, error.reason)
