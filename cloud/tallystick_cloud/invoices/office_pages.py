"""The office's forms around documents: an issuer's setup, and a month's documents in two steps.

It never issues what was not shown first.
"""

from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.db import Database
from tallystick_cloud.given_file import text_of
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.month import Month, MonthText
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.store import named, names_by_id
from tallystick_cloud.ports import Clock

from . import service, store
from .desk import Asked
from .service import Issued
from .store import Stored
from .view import document_view

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
MONTHS_BACK = 12  # an older month is issued at the command line
FILE_BYTES_MAX = 2**18  # of a setup: a thousand parties with their addresses
FORM_BYTES_MAX = FILE_BYTES_MAX + 16_384
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SetupForm(BaseModel):
    """What an issuer says of itself, as a TOML file."""

    file: bytes


class MonthForm(BaseModel):
    """Whose documents of which month."""

    month: MonthText
    issuer: Name


@dataclass(frozen=True, slots=True)
class Trial:
    """What would be issued: the documents that do not exist yet."""

    issued: Issued
    fresh: list[Stored]


def office_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """Three forms."""
    table = RouteTable()

    @table.route(
        "POST",
        "/documents/setup",
        roles=ACTORS,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=FORM_BYTES_MAX,
        tag="money",
    )
    async def set_up_issuer_on_page(call: Call, form: SetupForm) -> web.StreamResponse:
        """Keep what an issuer says of itself; documents that are issued from now on say it."""
        place, party = await here(database, call), person(call)
        await database.write(
            service.set_up,
            place.id,
            text_of(form.file, FILE_BYTES_MAX, "the issuer's setup"),
            "file",
            party,
            clock.utc_ms(),
        )
        return see_other("/documents")

    @table.route("POST", "/documents/check", roles=ACTORS, gives="text/html", takes=FORM, tag="money")
    async def check_documents_on_page(call: Call, form: MonthForm) -> web.StreamResponse:
        """What would be issued of a month; nothing is kept."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()
        trial = await database.write(_tried, place.id, form, party, now_ms)
        names = await database.read(names_by_id, place.id)
        w = pages.wording(call.request, place.zone)
        return pages.page(
            call,
            "documents_check.html",
            look_of(place),
            title=w.gettext("Issue a month"),
            month=form.month,
            month_name=month_name(form.month, w),
            issuer=form.issuer,
            documents=[document_view(one, names, w) for one in trial.fresh],
            issued_before=len(trial.issued.documents) - len(trial.fresh),
            left=[(names.get(one.party, ""), one.contract, one.reason) for one in trial.issued.left],
        )

    @table.route("POST", "/documents", roles=ACTORS, gives="text/html", takes=FORM, tag="money")
    async def issue_documents_on_page(call: Call, form: MonthForm) -> web.StreamResponse:
        """Issue what was shown; the same again issues nothing twice."""
        place, party, now_ms = await here(database, call), person(call), clock.utc_ms()

        def act(conn: Connection) -> Issued:
            return service.issue(conn, place.id, form.month, _asked(conn, place.id, form, party), now_ms)

        await database.write(act)
        return see_other("/documents")

    return table


def issuers(conn: Connection, community: str) -> list[str]:
    """Names of whoever has a setup."""
    names = names_by_id(conn, community)
    return sorted({names[one] for one in store.prefixes(conn, community).values()})


def months_before(now_ms: int, zone: str, w: Wording) -> list[tuple[str, str]]:
    """Months that are over, the last one first, as a form says them and as a reader does."""
    running = Month.of(now_ms, zone)
    past = [running.step(-back).text for back in range(1, MONTHS_BACK + 1)]
    return [(one, month_name(one, w)) for one in past]


def month_name(text: str, w: Wording) -> str:
    month = Month.parse(text)
    return w.month(month.year, month.number)


def _asked(conn: Connection, community: str, form: MonthForm, party: bytes) -> Asked:
    return Asked(party, named(conn, community, "issuer", form.issuer))


def _tried(conn: Connection, community: str, form: MonthForm, party: bytes, now_ms: int) -> Trial:
    """Numbers are those that the documents would get now."""
    asked = _asked(conn, community, form, party)
    issued = service.would_issue(conn, community, form.month, asked, now_ms)
    return Trial(issued, [one for one in issued.documents if store.find(conn, community, one.number) is None])
