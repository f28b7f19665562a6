"""Pages of disputes: the list, and one with what is held, what was said, and the form for the next step.

It never decides: a person of an office does, after saying that it cannot be undone, and the service checks who."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.city.model import Community
from tallystick_cloud.db import Database
from tallystick_cloud.disputes import seen, service, view
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.forms import SureForm
from tallystick_cloud.http.pages import Pages, file_response, see_other
from tallystick_cloud.http.place import here, look_of, person
from tallystick_cloud.http.rail import HOLDERS, READERS
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock
from tallystick_cloud.uses.model import Reader
from tallystick_cloud.uses.reader import OFFICES, reader_of

BASE, ONE = "/disputes", "/disputes/{use_id}"
FORM_BYTES_MAX = service.SHOWN_BYTES_MAX + 16_384
"""A document and the words beside it."""
UseHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=service.WHY_CHARS_MAX)]
ENDINGS = ((b"%PDF-", ".pdf"), (b"\x89PNG", ".png"), (b"\xff\xd8\xff", ".jpg"))
"""First bytes of what people hand in, so that the file opens; anything else is saved without an ending."""


class OpenForm(BaseModel):
    """Why the use is wrong, and what shows it (may be empty)."""

    why: Why
    document: bytes = b""


class DecideForm(SureForm):
    """Which way, and why."""

    decision: Literal["right", "stands"]
    why: Why
    document: bytes = b""


def dispute_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """Pages, forms and documents."""
    table = RouteTable()
    _list(table, database, pages, clock)
    _one(table, database, pages, clock)
    _forms(table, database, clock)
    _documents(table, database, clock)
    return table


def _list(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", BASE, roles=READERS, gives="text/html", tag="money")
    async def dispute_list(call: Call) -> web.StreamResponse:
        """Disputes that concern me, or for an office all; the open ones first."""
        place = await here(database, call)
        reader = reader_of(call, "list of disputes", clock.utc_ms())
        found, names, held = await database.write(_look, reader)
        w = pages.wording(call.request, place.zone)
        shown = [view.dispute_view(one, reader, names, w) for one in found]
        return pages.page(
            call,
            "disputes.html",
            look_of(place),
            title=w.gettext("Disputes"),
            waiting=[one for one in shown if one.is_open],
            ended=[one for one in shown if not one.is_open],
            held=exact(held, w) if held else None,
            holds_office=reader.holds_office,
            unit=place.unit,
            is_cut=len(shown) == seen.SEEN_MAX,
        )


def _one(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route("GET", ONE, roles=READERS, gives="text/html", tag="money")
    async def dispute_page(call: Call, use_id: UseHex) -> web.StreamResponse:
        """The dispute of a use with what is held, or the form to open one."""
        place = await here(database, call)
        reader = reader_of(call, "dispute page", clock.utc_ms())
        found = await database.write(seen.opened, reader, bytes.fromhex(use_id))
        names = await database.read(names_by_id, place.id)
        return _page(call, pages, place, found, reader, names)


def _page(
    call: Call, pages: Pages, place: Community, found: seen.Opened, reader: Reader, names: dict[bytes, str]
) -> web.Response:
    w = pages.wording(call.request, place.zone)
    one = found.seen
    shown = None if one is None else view.dispute_view(one, reader, names, w)
    return pages.page(
        call,
        "dispute.html",
        look_of(place),
        title=w.gettext("Dispute"),
        use_id=found.use.use_id.hex(),
        what=view.what(found.use, found.contract.name),
        detail=view.which(found.use, w),
        unit=found.contract.unit,
        fee=exact(found.fee, w),
        dispute=shown,
        steps=() if one is None else view.steps(one, reader, names, w),
        parts=view.parts(found, reader, w),
        standing=view.standing(found, shown, w),
        may_open=found.may_open,
        may_decide=one is not None and seen.may_decide(one, reader),
        holds_office=reader.holds_office,
    )


def _forms(table: RouteTable, database: Database, clock: Clock) -> None:
    @table.route(
        "POST", ONE, roles=HOLDERS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX, tag="money"
    )
    async def open_dispute_on_page(call: Call, use_id: UseHex, form: OpenForm) -> web.StreamResponse:
        """Say that a use is wrong; its shares are held until somebody decides."""
        place = await here(database, call)
        said = _said(call, use_id, form.why, form.document)
        await database.write(service.open_dispute, place.id, said, clock.utc_ms())
        return see_other(f"{BASE}/{use_id}")

    @table.route(
        "POST",
        ONE + "/decision",
        roles=OFFICES,
        gives="text/html",
        takes=MULTIPART,
        body_bytes_max=FORM_BYTES_MAX,
        tag="money",
    )
    async def decide_dispute_on_page(call: Call, use_id: UseHex, form: DecideForm) -> web.StreamResponse:
        """Decide a dispute with a reason; cannot be undone."""
        place, now_ms = await here(database, call), clock.utc_ms()
        said, is_right = _said(call, use_id, form.why, form.document), form.decision == "right"
        await database.write(lambda conn: service.decide(conn, place.id, said, is_right=is_right, now_ms=now_ms))
        return see_other(f"{BASE}/{use_id}")


def _documents(table: RouteTable, database: Database, clock: Clock) -> None:
    async def sent(call: Call, use_id: str, *, of_decision: bool) -> web.StreamResponse:
        reader = reader_of(call, "document of a dispute", clock.utc_ms())
        use = bytes.fromhex(use_id)
        data = await database.write(lambda conn: seen.document(conn, reader, use, of_decision=of_decision))
        ending = next((ending for first, ending in ENDINGS if data.startswith(first)), "")
        name = f"{'decision' if of_decision else 'dispute'}-{use_id[:8]}{ending}"
        return file_response(name, data, "application/octet-stream")

    @table.route("GET", ONE + "/document", roles=READERS, gives="application/octet-stream", tag="money")
    async def dispute_document(call: Call, use_id: UseHex) -> web.StreamResponse:
        """What was handed in by who opened the dispute."""
        return await sent(call, use_id, of_decision=False)

    @table.route("GET", ONE + "/decision-document", roles=READERS, gives="application/octet-stream", tag="money")
    async def decision_document(call: Call, use_id: UseHex) -> web.StreamResponse:
        """What was handed in by who decided."""
        return await sent(call, use_id, of_decision=True)


def _look(conn: Connection, reader: Reader) -> tuple[list[seen.Seen], dict[bytes, str], int]:
    """The disputes, names, and nano that is held now: the reader's own, or for an office everybody's."""
    lines = service.held(conn, reader.community)
    held = sum(lines.values()) if reader.holds_office else seen.held_of(lines, reader.party or b"")
    return seen.seen_by(conn, reader), names_by_id(conn, reader.community), held


def _said(call: Call, use_id: str, why: str, document: bytes) -> service.Said:
    return service.Said(bytes.fromhex(use_id), person(call), why, document or None)
