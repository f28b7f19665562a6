"""The treasurer's page: payout runs step by step, files from the bank, and what waits for a person.

It never moves money by a link: every step is a form of our own page, and the service asks for the second person."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.bank import service as bank
from tallystick_cloud.bank.intake import take
from tallystick_cloud.bank.model import Standing
from tallystick_cloud.bank.store import StoredEntry
from tallystick_cloud.bank.xml import FILE_BYTES_MAX
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, NoFields, SureForm
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages, file_response, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import TREASURY
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.payouts import service, store, view
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.credit import Credit, all_credits
from tallystick_cloud.payouts.model import Plan
from tallystick_cloud.payouts.service import Draft
from tallystick_cloud.payouts.upcoming import DAYS_AHEAD, upcoming
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import proposal
from tallystick_cloud.runs.checks import working_day
from tallystick_cloud.runs.model import OPEN_STATES
from tallystick_cloud.runs.pages import RunForms
from tallystick_cloud.runs.upcoming import Next
from tallystick_cloud.runs.view import RUNS_SHOWN, NextView
from tallystick_cloud.settlement.payable import settled_lines
from tallystick_cloud.splits.store import psp_chains

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/payouts"
Name = Annotated[str, StringConstraints(min_length=1, max_length=80)]
EntryId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12,64}$")]


class ProposeForm(BaseModel):
    """`key` comes with the page, so that sending it twice makes one run."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    collector: Name
    execution_day: date


class RefundForm(SureForm):
    """Whose credit is paid back, all of it."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    collector: Name
    payer: Name
    execution_day: date


class FileForm(BaseModel):
    """A file from the bank."""

    file: bytes


class AssignForm(BaseModel):
    """Who paid."""

    party: Name


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that the page shows."""

    runs: list[Run]
    nexts: list[Next[Draft]]
    credits: list[Credit]
    next_number: int
    positions: list[bank.Position]
    entries: list[StoredEntry]
    payers: list[str]
    has_provider: bool
    names: dict[bytes, str]


def payout_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()
    _page(table, database, pages, clock)
    _run_forms(table, database, clock)
    _bank_forms(table, database, clock)
    return table


def _page(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="payouts")
    async def payouts_page(call: Call) -> web.StreamResponse:
        """Payout runs, bank accounts, and what waits for a person."""
        place = await here(database, call)
        party, now_ms = call.principal.party, clock.utc_ms()
        day = working_day(now_ms, DAYS_AHEAD)
        found = await database.read(_look, place.id, day, now_ms)
        w = pages.wording(call.request, place.zone)
        may_act = bool(call.principal.roles_in(place.id) & ACTORS)
        waiting = [view.entry_view(one, found.names, w) for one in found.entries if one.standing is Standing.SUSPENSE]
        return pages.page(
            call,
            "payouts.html",
            look_of(place),
            title=w.gettext("Payouts and bank"),
            runs=[view.run_view(one, party, found.names, may_act=may_act, w=w) for one in found.runs[:RUNS_SHOWN]],
            nexts=[_next_view(one, place.id, day, w) for one in found.nexts],
            credits=view.credit_views(found.credits, found.next_number, w),
            open_collectors=[
                found.names[run.stored.collector] for run in found.runs if run.stored.state in OPEN_STATES
            ],
            day=day.isoformat(),
            accounts=[view.account_view(one, found.names, w) for one in found.positions],
            waiting=waiting,
            entries=[view.entry_view(one, found.names, w) for one in found.entries[: view.ENTRIES_SHOWN]],
            payers=found.payers,
            may_act=may_act,
            has_provider=found.has_provider,
        )


def _run_forms(table: RouteTable, database: Database, clock: Clock) -> None:
    forms = RunForms(database, clock, service, BASE)

    @table.route("POST", BASE, roles=ACTORS, gives="text/html", takes=FORM, tag="payouts")
    async def propose_on_page(call: Call, form: ProposeForm) -> web.StreamResponse:
        """Propose a run; the same page sent twice is one run."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, place.id, form.key, party, form.collector, form.execution_day)
            return service.propose(conn, place.id, asked, now_ms, settled_lines(conn, place.id))

        return forms.at((await database.write(act)).stored.number)

    @table.route("POST", BASE + "/refunds", roles=ACTORS, gives="text/html", takes=FORM, tag="payouts")
    async def refund_on_page(call: Call, form: RefundForm) -> web.StreamResponse:
        """Propose to pay back what a payer paid too much; the same page sent twice is one run."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, place.id, form.key, party, form.collector, form.execution_day)
            payer = named(conn, place.id, "payer", form.payer)
            return service.propose_refunds(conn, place.id, asked, [payer], now_ms)

        return forms.at((await database.write(act)).stored.number)

    @table.route("POST", BASE + "/{number}/approve", roles=ACTORS, gives="text/html", takes=FORM, tag="payouts")
    async def approve_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """Release a run as its second person."""
        return await forms.approve(call, number)

    @table.route("POST", BASE + "/{number}/file", roles=ACTORS, gives="application/xml", takes=FORM, tag="payouts")
    async def file_from_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """The bank file of a released run; again gives the same bytes."""
        place = await here(database, call)
        data = await database.write(service.bank_file, place.id, number, clock.utc_ms(), person(call))
        return file_response(f"payout-{number}.xml", data, "application/xml")

    @table.route("POST", BASE + "/{number}/sent", roles=ACTORS, gives="text/html", takes=FORM, tag="payouts")
    async def sent_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """Say that the bank has the file; cannot be undone."""
        return await forms.mark_sent(call, number)

    @table.route("POST", BASE + "/{number}/cancel", roles=ACTORS, gives="text/html", takes=FORM, tag="payouts")
    async def cancel_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """End a run that no bank has seen."""
        return await forms.cancel(call, number)


def _bank_forms(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route(
        "POST",
        "/bank-files",
        roles=ACTORS,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=FILE_BYTES_MAX,
        tag="bank",
    )
    async def bank_file_on_page(call: Call, form: FileForm) -> web.StreamResponse:
        """Take a file from the bank; the same again changes nothing."""
        place = await here(database, call)
        if not form.file:
            raise BadInput("file", "is empty or was not chosen; choose the file that your bank gave you")
        await database.write(take, place.id, form.file, clock.utc_ms())
        return see_other(f"{BASE}#accounts")

    @table.route("POST", "/bank-entries/{entry}/assign", roles=ACTORS, gives="text/html", takes=FORM, tag="bank")
    async def assign_on_page(call: Call, entry: EntryId, form: AssignForm) -> web.StreamResponse:
        """Say whose payment an entry in suspense is; cannot be undone."""
        place, now_ms = await here(database, call), clock.utc_ms()

        def act(conn: Connection) -> StoredEntry:
            payer = named(conn, place.id, "party", form.party)
            return bank.assign(conn, place.id, entry, payer, now_ms)

        await database.write(act)
        return see_other(f"{BASE}#waiting")


def _next_view(one: Next[Draft], community: str, day: date, w: Wording) -> NextView:
    plan = Plan((), ()) if one.draft is None else one.draft.plan
    return view.next_view(one.collector, plan, one.key(community, day), one.refusal, w)


def _look(conn: Connection, community: str, day: date, now_ms: int) -> _Found:
    names = names_by_id(conn, community)
    found = upcoming(conn, community, names, day, now_ms)
    payers = {payer for one in bank.positions(conn, community) for payer in bank.payers_of(conn, community, one.holder)}
    return _Found(
        service.show_all(conn, community),
        found,
        all_credits(conn, community, now_ms),
        store.RUNS.next_number(conn, community),
        bank.positions(conn, community),
        bank.entries(conn, community),
        sorted(names[one] for one in payers if one in names),
        bool(psp_chains(conn, community)),
        names,
    )
