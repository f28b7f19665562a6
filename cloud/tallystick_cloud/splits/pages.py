"""The page of money that a payment provider splits: runs step by step, accounts there, and what the provider says.

It never moves money by a link: every step is a form of our own page, and the service asks for the second person.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

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
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import proposal
from tallystick_cloud.runs.checks import working_day
from tallystick_cloud.runs.pages import RunForms
from tallystick_cloud.runs.upcoming import Next, nexts
from tallystick_cloud.runs.view import RUNS_SHOWN, NextView

from . import answer, service, store, view
from .instructions import Format
from .model import ACCOUNT_CHARS_MAX, Outcome
from .service import Draft, Run

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE = "/splits"
DAYS_AHEAD = 1
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
TYPES = {Format.CSV: "text/csv", Format.JSON: "application/json"}


class ProposeForm(BaseModel):
    """`key` comes with the page, so that sending it twice makes one run."""

    key: Text
    collector: Text
    execution_day: date


class AccountForm(BaseModel):
    """How the provider calls a party."""

    party: Text
    account: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=ACCOUNT_CHARS_MAX)]


class FileForm(BaseModel):
    """A file from the provider."""

    file: bytes


class ToldForm(SureForm):
    """What became of everything that has no outcome yet."""

    outcome: Literal[Outcome.PAID, Outcome.REFUSED]


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that the page shows."""

    nexts: list[Next[Draft]]
    runs: list[Run]
    accounts: dict[bytes, str]
    parties: list[bytes]
    names: dict[bytes, str]


def split_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page and its forms."""
    table = RouteTable()
    _page(table, database, pages, clock)
    forms = RunForms(database, clock, service, BASE)
    _run_forms(table, database, clock, forms)
    _provider_forms(table, database, clock, forms)
    return table


def _page(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="splits")
    async def splits_page(call: Call) -> web.StreamResponse:
        """What a payment provider is to charge and to pass on, and what became of it."""
        place, now_ms = await here(database, call), clock.utc_ms()
        day = working_day(now_ms, DAYS_AHEAD)
        found = await database.read(_look, place.id, day, now_ms)
        w, names = pages.wording(call.request, place.zone), found.names
        may_act = bool(call.principal.roles_in(place.id) & ACTORS)
        reader, runs = call.principal.party, found.runs[:RUNS_SHOWN]
        return pages.page(
            call,
            "splits.html",
            look_of(place),
            title=w.gettext("Payment provider"),
            nexts=[_next_view(one, names, place.id, day, w) for one in found.nexts],
            day=day.isoformat(),
            runs=[view.run_view(one, reader, names, may_act=may_act, w=w) for one in runs],
            accounts=sorted((names[one], found.accounts.get(one, "")) for one in found.parties),
            people=sorted(names.values()),
            account_max=ACCOUNT_CHARS_MAX,
            may_act=may_act,
        )


def _run_forms(table: RouteTable, database: Database, clock: Clock, forms: RunForms[Run]) -> None:
    @table.route("POST", BASE, roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def propose_split_on_page(call: Call, form: ProposeForm) -> web.StreamResponse:
        """Propose a run; the same page sent twice is one run."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, place.id, form.key, party, form.collector, form.execution_day)
            return service.propose(conn, place.id, asked, now_ms)

        return forms.at((await database.write(act)).stored.number)

    @table.route("POST", BASE + "/{number}/approve", roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def approve_split_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """Release a run as its second person."""
        return await forms.approve(call, number)

    @table.route("POST", BASE + "/{number}/cancel", roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def cancel_split_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """End a run that no provider has seen."""
        return await forms.cancel(call, number)

    @table.route("POST", BASE + "/{number}/sent", roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def split_sent_on_page(call: Call, number: int, form: SureForm) -> web.StreamResponse:
        """Say that the provider has the file; cannot be undone."""
        return await forms.mark_sent(call, number)

    @table.route("POST", BASE + "/{number}/outcome", roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def split_outcome_on_page(call: Call, number: int, form: ToldForm) -> web.StreamResponse:
        """Say what the provider did with all that it has not decided; cannot be undone."""
        place = await here(database, call)
        await database.write(service.tell, place.id, number, form.outcome, person(call), clock.utc_ms())
        return forms.at(number)


def _provider_forms(table: RouteTable, database: Database, clock: Clock, forms: RunForms[Run]) -> None:
    async def instructions(call: Call, number: int, form: Format) -> web.Response:
        place = await here(database, call)
        data = await database.write(service.file, place.id, number, form, clock.utc_ms(), person(call))
        response = file_response(f"split-{number}.{form.value}", data, TYPES[form])
        response.charset = "utf-8"
        return response

    @table.route("POST", BASE + "/{number}/csv", roles=ACTORS, gives="text/csv", takes=FORM, tag="splits")
    async def split_csv_from_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """The instructions of a released run as CSV; again gives the same bytes."""
        return await instructions(call, number, Format.CSV)

    @table.route(
        "POST", BASE + "/{number}/json", roles=ACTORS, gives="application/octet-stream", takes=FORM, tag="splits"
    )
    async def split_json_from_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """The same as JSON."""
        return await instructions(call, number, Format.JSON)

    @table.route("POST", "/split-accounts", roles=ACTORS, gives="text/html", takes=FORM, tag="splits")
    async def split_account_on_page(call: Call, form: AccountForm) -> web.StreamResponse:
        """Keep how the provider calls a party; takes the place of the one before."""
        place, now_ms = await here(database, call), clock.utc_ms()

        def act(conn: Connection) -> None:
            party = named(conn, place.id, "party", form.party)
            service.set_account(conn, place.id, party, form.account, now_ms)

        await database.write(act)
        return see_other(f"{BASE}#accounts")

    @table.route(
        "POST",
        "/split-answers",
        roles=ACTORS,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=answer.FILE_BYTES_MAX,
        tag="splits",
    )
    async def split_answer_on_page(call: Call, form: FileForm) -> web.StreamResponse:
        """Take the provider's file of outcomes: all of it or nothing; the same again changes nothing."""
        place = await here(database, call)
        if not form.file:
            raise BadInput("file", "is empty or was not chosen; choose the file that the provider gave you")
        runs = await database.write(service.take, place.id, form.file, person(call), clock.utc_ms())
        return forms.at(runs[0].stored.number)


def _look(conn: Connection, community: str, day: date, now_ms: int) -> _Found:
    names = names_by_id(conn, community)
    found = nexts(
        service.collectors(conn, community),
        names,
        day,
        lambda asked: service.preview(conn, community, asked, now_ms),
    )
    accounts = store.accounts(conn, community)
    parties = sorted({*service.recipients(conn, community), *accounts})
    return _Found(found, service.show_all(conn, community), accounts, parties, names)


def _next_view(one: Next[Draft], names: dict[bytes, str], community: str, day: date, w: Wording) -> NextView:
    plan = service.NOTHING if one.draft is None else one.draft.plan
    return view.next_view(one.collector, plan, names, one.key(community, day), one.refusal, w)
