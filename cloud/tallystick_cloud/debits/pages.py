"""Pages of direct debits: the office's runs, returns and mandates, and a payer's own mandates.

It never takes a party that acts from the request; a mandate is ended by the office or by whoever signed it."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, NoFields, SureForm
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages, file_response, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import HOLDERS, TREASURY
from tallystick_cloud.http.route import Call, RouteTable
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.payouts.pain import BankParty
from tallystick_cloud.ports import Clock
from tallystick_cloud.runs.api import proposal
from tallystick_cloud.runs.checks import working_day
from tallystick_cloud.runs.pages import RunForms
from tallystick_cloud.runs.upcoming import Next
from tallystick_cloud.runs.view import RUNS_SHOWN, NextView
from tallystick_cloud.settlement.payable import unsettled_fees

from . import mandates, service, store, view
from .mandate import NewMandate
from .mandates import Shown
from .model import Plan
from .service import Draft, Run
from .store import StoredDebit
from .upcoming import DAYS_AHEAD, upcoming

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
BASE, OWN = "/debits", "/mandates"
MANDATES_SHOWN, BACK_SHOWN = 300, 12
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
MandateId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ProposeForm(BaseModel):
    """`key` comes with the page, so that sending it twice makes one run."""

    key: Text
    collector: Text
    collection_day: date


class MandateForm(BaseModel):
    """A mandate as it was signed; `holder` empty: the payer's name stands on the account."""

    payer: Text
    collector: Text
    reference: Text
    creditor_id: Text
    iban: Text
    holder: Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)] = ""
    signed: date


@dataclass(frozen=True, slots=True)
class _Kept:
    """Mandates with what is due and what was collected under each."""

    mandates: list[Shown]
    beside: dict[bytes, view.Collected]
    past: dict[bytes, list[StoredDebit]]


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything that the office's page shows."""

    nexts: list[Next[Draft]]
    runs: list[Run]
    kept: _Kept
    names: dict[bytes, str]


def debit_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """Both pages and their forms."""
    table = RouteTable()
    _office(table, database, pages, clock)
    _own(table, database, pages, clock)
    forms = RunForms(database, clock, service, BASE)
    _run_forms(table, database, clock, forms)
    _bank_forms(table, database, clock, forms)
    _mandate_forms(table, database, clock)
    return table


def _office(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=TREASURY, gives="text/html", tag="debits")
    async def debits_page(call: Call) -> web.StreamResponse:
        """What is collected next, runs with what became of each debit, and all mandates."""
        place, now_ms = await here(database, call), clock.utc_ms()
        day = working_day(now_ms, DAYS_AHEAD)
        found = await database.read(_look, place.id, day, now_ms)
        w = pages.wording(call.request, place.zone)
        may_act = bool(call.principal.roles_in(place.id) & ACTORS)
        party, runs = call.principal.party, found.runs[:RUNS_SHOWN]
        kept = sorted(found.kept.mandates, key=lambda one: one.mandate.revoked_ms is not None)
        return pages.page(
            call,
            "debits.html",
            look_of(place),
            title=w.gettext("Direct debits"),
            nexts=[_next_view(one, found.names, place.id, day, w) for one in found.nexts],
            day=day.isoformat(),
            back=view.back_views(found.runs, found.names, w)[:BACK_SHOWN],
            runs=[view.run_view(one, party, found.names, may_act=may_act, w=w) for one in runs],
            mandates=_mandate_views(found.kept, kept[:MANDATES_SHOWN], found.names, is_office=True, w=w),
            is_cut=len(kept) > MANDATES_SHOWN,
            people=sorted(found.names.values()),
            may_act=may_act,
        )


def _own(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", OWN, roles=HOLDERS, gives="text/html", tag="debits")
    async def mandates_page(call: Call) -> web.StreamResponse:
        """My mandates: what is collected next, what was, and how to end one."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        kept = await database.read(_kept_by, place.id, party, now_ms)
        names = await database.read(names_by_id, place.id)
        w = pages.wording(call.request, place.zone)
        shown = sorted(kept.mandates, key=lambda one: one.mandate.revoked_ms is not None)
        return pages.page(
            call,
            "mandates.html",
            look_of(place),
            title=w.gettext("My direct debits"),
            mandates=_mandate_views(kept, shown, names, is_office=False, w=w),
        )


def _run_forms(table: RouteTable, database: Database, clock: Clock, forms: RunForms[Run]) -> None:
    @table.route("POST", BASE, roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def propose_debits_on_page(call: Call, form: ProposeForm) -> web.StreamResponse:
        """Propose a run; the same page sent twice is one run."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> Run:
            asked = proposal(conn, place.id, form.key, party, form.collector, form.collection_day)
            return service.propose(conn, place.id, asked, now_ms, unsettled_fees(conn, place.id))

        return forms.at((await database.write(act)).stored.number)

    @table.route("POST", BASE + "/{number}/approve", roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def approve_debits_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """Release a run as its second person."""
        return await forms.approve(call, number)

    @table.route("POST", BASE + "/{number}/cancel", roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def cancel_debits_on_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """End a run that no bank has seen."""
        return await forms.cancel(call, number)


def _bank_forms(table: RouteTable, database: Database, clock: Clock, forms: RunForms[Run]) -> None:
    @table.route("POST", BASE + "/{number}/file", roles=ACTORS, gives="application/xml", takes=FORM, tag="debits")
    async def debit_file_from_page(call: Call, number: int, form: NoFields) -> web.StreamResponse:
        """The bank file of a released run; again gives the same bytes."""
        place = await here(database, call)
        data = await database.write(service.bank_file, place.id, number, clock.utc_ms(), person(call))
        return file_response(f"debit-{number}.xml", data, "application/xml")

    @table.route("POST", BASE + "/{number}/sent", roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def debits_sent_on_page(call: Call, number: int, form: SureForm) -> web.StreamResponse:
        """Say that the bank has the file; cannot be undone."""
        return await forms.mark_sent(call, number)

    @table.route("POST", BASE + "/{number}/reject", roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def reject_debits_on_page(call: Call, number: int, form: SureForm) -> web.StreamResponse:
        """Say that the bank collects what is left of a run no more; cannot be undone."""
        place = await here(database, call)
        await database.write(service.reject, place.id, number, person(call), clock.utc_ms())
        return forms.at(number)


def _mandate_forms(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route("POST", OWN, roles=ACTORS, gives="text/html", takes=FORM, tag="debits")
    async def keep_mandate_on_page(call: Call, form: MandateForm) -> web.StreamResponse:
        """Keep a signed mandate; the same again is the same."""
        place, now_ms = await here(database, call), clock.utc_ms()

        def act(conn: Connection) -> Shown:
            collector = named(conn, place.id, "collector", form.collector)
            payer = named(conn, place.id, "payer", form.payer)
            debtor = BankParty(form.holder or form.payer, form.iban)
            asked = NewMandate(collector, payer, form.reference, form.creditor_id, debtor, form.signed)
            return mandates.add(conn, place.id, asked, now_ms)

        made = await database.write(act)
        return see_other(f"{BASE}#mandate-{made.mandate.id.hex()}")

    @table.route("POST", OWN + "/{mandate}/revoke", roles=HOLDERS, gives="text/html", takes=FORM, tag="debits")
    async def revoke_mandate_on_page(call: Call, mandate: MandateId, form: SureForm) -> web.StreamResponse:
        """End a mandate: the office any, a payer the own; cannot be undone."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        is_office = bool(call.principal.roles_in(place.id) & ACTORS)

        def act(conn: Connection) -> bool:
            kept = store.mandates(conn, place.id, None if is_office else party)
            found = next((one for one in kept if one.id.hex() == mandate), None)
            if found is None:
                raise NotFound("mandate", "is none of yours; load the page again")
            mandates.revoke(conn, place.id, found.about.reference, now_ms)
            return found.about.payer == party

        is_own = await database.write(act)
        return see_other(OWN if is_own else f"{BASE}#mandate-{mandate}")


def _look(conn: Connection, community: str, day: date, now_ms: int) -> _Found:
    names = names_by_id(conn, community)
    found = upcoming(conn, community, names, day, now_ms)
    runs = service.show_all(conn, community)
    return _Found(found, runs, _kept(conn, community, runs, now_ms), names)


def _kept_by(conn: Connection, community: str, payer: bytes, now_ms: int) -> _Kept:
    return _kept(conn, community, service.show_all(conn, community), now_ms, payer)


def _kept(conn: Connection, community: str, runs: list[Run], now_ms: int, payer: bytes | None = None) -> _Kept:
    """All mandates, or those of one payer, with what `runs` collected under them."""
    found = mandates.show_all(conn, community, now_ms, payer)
    owing, announced = store.owing(conn, community), store.announced(conn, community, payer)
    beside, standing = {}, {one.mandate.id for one in found if one.mandate.revoked_ms is None}
    for one in found:
        about = one.mandate.about
        due = sum(owing.get(about.collector, {}).get(about.payer, {}).values())
        told = announced.get((about.collector, about.payer)) if one.mandate.id in standing else None
        beside[bytes(one.mandate.id)] = view.Collected(due, told)
    past: dict[bytes, list[StoredDebit]] = {bytes(one.mandate.id): [] for one in found}
    for run in runs:
        for debit in run.debits:
            if debit.outcome is not None and debit.mandate in past:
                past[debit.mandate].append(debit)
    return _Kept(found, beside, past)


def _mandate_views(
    kept: _Kept, shown: list[Shown], names: dict[bytes, str], *, is_office: bool, w: Wording
) -> list[view.MandateView]:
    return [
        view.mandate_view(one, kept.beside[one.mandate.id], kept.past[one.mandate.id], names, is_office=is_office, w=w)
        for one in shown
    ]


def _next_view(one: Next[Draft], names: dict[bytes, str], community: str, day: date, w: Wording) -> NextView:
    plan = Plan((), ()) if one.draft is None else one.draft.plan
    return view.next_view(one.collector, plan, names, one.key(community, day), one.refusal, w)
