"""Pages of an energy community's office: the grid's files are shown, then stored; a period is shown, then closed.

It never stores what was not shown, and never closes other data than those that were.
"""

import base64
import binascii
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Connection

from tallystick_cloud.context import Aggregator
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, CloudError
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.forms import FORM, SureForm
from tallystick_cloud.http.locale import N_, Wording
from tallystick_cloud.http.pages import Pages, see_other
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock
from tallystick_cloud.settlement.office import office_of

from . import intake, report, service, store, view
from .intake import FileKind, GridFile, Looked
from .named import named
from .pages import ONE, ChainHex, PeriodText, period_name
from .service import Planned

ACTORS = frozenset({Role.COMMUNITY_MANAGER})
FILE_BYTES_MAX = 4 * 2**20
"""What one page carries there and back: some 100,000 rows; a larger file is for the command."""
FORM_BYTES_MAX = FILE_BYTES_MAX * 4 // 3 + 16_384
"""The file in base64 and the words beside it."""
FILES_SHOWN, OPENS_SHOWN = 60, 12
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

KINDS = {
    FileKind.ENERGY: N_("Energy by meter and interval"),
    FileKind.PRICES: N_("Prices of the series"),
    FileKind.COEFFICIENTS: N_("Coefficients of a year"),
    "price": N_("Prices of the series"),  # as files are kept
}
ACCOUNTS = {
    Account.RECEIVABLE: N_("owes"),
    Account.PAYABLE: N_("is owed"),
    Account.FUND: N_("is owed, as a fund"),
}


class CheckForm(BaseModel):
    """A file to look at; `year` of coefficients."""

    kind: FileKind
    file: bytes
    year: Annotated[str, StringConstraints(pattern=r"^(20[0-9]{2})?$")] = ""
    name: Text = ""


class StoreForm(BaseModel):
    """The file that was shown, in base64; `why`: of rows that correct others."""

    kind: FileKind
    document: str
    year: Annotated[str, StringConstraints(pattern=r"^(20[0-9]{2})?$")] = ""
    name: Text = ""
    why: Text = ""


class CloseForm(SureForm):
    """The period, and the digest of the data that were shown."""

    period: PeriodText
    shown: Digest


def pool_desk(database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> RouteTable:
    """The pages and their forms."""
    table = RouteTable()
    _data(table, database, pages)
    _intake(table, database, pages, clock)
    _closing(table, database, pages, clock, aggregator)
    return table


def _data(table: RouteTable, database: Database, pages: Pages) -> None:
    @table.route("GET", ONE + "/data", roles=ACTORS, gives="text/html", tag="pools")
    async def pool_data_page(call: Call, chain: ChainHex) -> web.StreamResponse:
        """Take in files of the grid, and what was taken before."""
        place = await here(database, call)
        versions = await database.read(service.pool_versions, place.id, bytes.fromhex(chain))
        rows = await database.read(store.files, place.id)
        contract = versions[-1].contract
        w = pages.wording(call.request, contract.zone)
        return pages.page(
            call,
            "pool_data.html",
            look_of(place),
            title=w.gettext("Data of the grid"),
            pool=contract.name,
            chain=chain,
            kinds=[(one.value, w.gettext(KINDS[one])) for one in intake.kinds_of(versions)],
            minutes=contract.terms.interval_ms // 60_000,
            files=[
                (w.gettext(KINDS[row.kind]), row.name, w.count(row.row_count), w.day_time(row.taken_ms))
                for row in rows[:FILES_SHOWN]
            ],
            is_cut=len(rows) > FILES_SHOWN,
        )


def _intake(table: RouteTable, database: Database, pages: Pages, clock: Clock) -> None:
    @table.route(
        "POST", ONE + "/check", roles=ACTORS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX,
        tag="pools",
    )  # fmt: skip
    async def check_grid_file(call: Call, chain: ChainHex, form: CheckForm) -> web.StreamResponse:
        """What is in a file, what of it is new, and what it would correct; nothing is stored."""
        place = await here(database, call)
        file = _file(form.kind, form.name, form.file, form.year)

        def act(conn: Connection) -> tuple[list[Version], Looked]:
            versions = service.pool_versions(conn, place.id, bytes.fromhex(chain))
            return versions, intake.look(conn, place.id, versions, file, clock.utc_ms())

        versions, looked = await database.write(act)
        contract = versions[-1].contract
        w = pages.wording(call.request, contract.zone)
        return pages.page(
            call,
            "pool_check.html",
            look_of(place),
            title=w.gettext("Data of the grid"),
            pool=contract.name,
            chain=chain,
            kind=form.kind.value,
            kind_name=w.gettext(KINDS[form.kind]),
            name=file.name,
            year=form.year,
            document=base64.b64encode(file.data).decode(),
            differs=looked.differs,
            counts=[w.count(one) for one in (looked.taken.new, looked.taken.known, looked.taken.corrected)],
            is_nothing=not (looked.taken.new or looked.taken.corrected),
            meters=[
                (one.meter, w.count(one.rows), w.day_time(one.first_ms), w.day_time(one.last_ms),
                 view.energy(one.injected, w), view.energy(one.withdrawn, w))
                for one in looked.meters
            ],
        )  # fmt: skip

    @table.route(
        "POST", ONE + "/data", roles=ACTORS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX,
        tag="pools",
    )  # fmt: skip
    async def store_grid_file(call: Call, chain: ChainHex, form: StoreForm) -> web.StreamResponse:
        """Store the file that was shown; the same again changes nothing."""
        place = await here(database, call)
        try:
            data = base64.b64decode(form.document, validate=True)
        except binascii.Error:
            raise BadInput("document", "is damaged on its way back; hand the file in again") from None
        file = _file(form.kind, form.name, data, form.year)

        def act(conn: Connection) -> None:
            versions = service.pool_versions(conn, place.id, bytes.fromhex(chain))
            intake.take(conn, place.id, versions, file, form.why or None, clock.utc_ms())

        await database.write(act)
        return see_other(f"/pools/{chain}/data#files")


def _closing(table: RouteTable, database: Database, pages: Pages, clock: Clock, aggregator: Aggregator | None) -> None:
    @table.route("GET", ONE + "/close", roles=ACTORS, gives="text/html", tag="pools")
    async def pool_close_page(call: Call, chain: ChainHex, period: PeriodText) -> web.StreamResponse:
        """What closing a period would post, and what is open in it; nothing is posted."""
        place, now_ms = await here(database, call), clock.utc_ms()
        versions = await database.read(service.pool_versions, place.id, bytes.fromhex(chain))
        contract = versions[-1].contract
        w = pages.wording(call.request, contract.zone)
        shown: dict[str, Any] = {"plan": None, "refusal": ""}
        try:
            found = await database.read(_plan, place.id, chain, period, now_ms)
        except CloudError as refused:
            shown["refusal"] = refused.reason
        else:
            names = await database.read(names_by_id, place.id)
            shown["plan"] = _plan_view(found, names, w)
        return pages.page(
            call,
            "pool_close.html",
            look_of(place),
            title=w.gettext("Close a period"),
            pool=contract.name,
            chain=chain,
            period=period,
            period_name=period_name(named(period), w),
            unit=contract.unit,
            **shown,
        )

    @table.route("POST", ONE + "/close", roles=ACTORS, gives="text/html", takes=FORM, tag="pools")
    async def close_pool_on_page(call: Call, chain: ChainHex, form: CloseForm) -> web.StreamResponse:
        """Post and sign the period that was shown."""
        place, now_ms = await here(database, call), clock.utc_ms()
        office, shown = office_of(aggregator, place.id), bytes.fromhex(form.shown)

        def act(conn: Connection) -> None:
            versions = service.pool_versions(conn, place.id, bytes.fromhex(chain))
            span = service.span_of(versions[-1].contract, form.period)
            service.close(conn, office, versions, span, now_ms, shown)

        await database.write(act)
        return see_other(f"/pools/{chain}?period={form.period}")


def _file(kind: FileKind, name: str, data: bytes, year: str) -> GridFile:
    if not data:
        raise BadInput("file", "is empty or was not chosen; choose the file that the grid operator gave you")
    if len(data) > FILE_BYTES_MAX:
        raise BadInput("file", f"is larger than {FILE_BYTES_MAX} bytes; take it in with `tallystick pool upload`")
    return GridFile(kind, name or kind.value, data, int(year) if year else None)


def _plan(conn: Connection, community: str, chain: str, period: str, now_ms: int) -> Planned:
    versions = service.pool_versions(conn, community, bytes.fromhex(chain))
    return service.planned(conn, community, versions, service.span_of(versions[-1].contract, period), now_ms)


def _plan_view(found: Planned, names: dict[bytes, str], w: Wording) -> dict[str, Any]:
    lines = sorted(found.lines.items(), key=lambda one: (one[0].account.value, names.get(one[0].party, "")))
    opens = [(why, w.count(n)) for why, n in report.reasons(found.worked)]
    return {
        "digest": found.digest.hex(),
        "is_final": found.kind.value == "final",
        "again": found.again,
        "is_correction": found.earlier > 0,
        "intervals": w.count(len(found.worked.intervals)),
        "open_count": w.count(len(found.worked.opens)),
        "opens": opens[:OPENS_SHOWN],
        "shared": view.energy(sum(one.sharing.shared for one in found.worked.intervals), w),
        "evidence": view.evidence(found.worked.intervals, w),
        "lines": [
            (names.get(line.party, line.party.hex()[:8]), _says(line.account, nano, w), exact(abs(nano), w))
            for line, nano in lines
        ],
    }


def _says(account: Account, nano: int, w: Wording) -> str:
    """What the line does, in words: a receivable that falls, or a payable that rises, is taken back."""
    is_back = (nano < 0) is (account is Account.RECEIVABLE)
    word = w.gettext(ACCOUNTS[account])
    return w.gettext("{what}, taken back").format(what=word) if is_back else word
