"""The page of an energy community's office that puts a period beside what others say of it: own meters beside the
grid's file, what was shared beside a scheme's statement.

It stores nothing but who looked: which of the two is right, a person asks the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy import Connection

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.db import Database
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.route import MULTIPART, Call, RouteTable
from tallystick_cloud.ports import Clock
from tallystick_cloud.uses.model import Reader
from tallystick_cloud.uses.reader import reader_of
from tallystick_cloud.uses.store import insert_access

from . import compare, service, view
from .compare import SHARED, Pair
from .desk import ACTORS, FILE_BYTES_MAX
from .named import named
from .pages import ONE, ChainHex, PeriodText, access_row, check_size, period_name

ROWS_SHOWN = 200
"""Intervals that differ and are listed; the sums are of all, and `tallystick pool compare` lists every one."""
FORM_BYTES_MAX = FILE_BYTES_MAX + 16_384


class StatementForm(BaseModel):
    """A scheme's statement of a period."""

    period: PeriodText
    file: bytes


@dataclass(frozen=True, slots=True)
class SumView:
    """All pairs of one kind; energy in kWh."""

    what: str
    count: str
    differing: str
    is_same: bool
    theirs: str
    ours: str
    difference: str


@dataclass(frozen=True, slots=True)
class PairView:
    """An interval that differs; empty where one side says nothing."""

    when: str
    what: str
    theirs: str
    ours: str
    difference: str


def beside_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """The page, and the form that hands in a statement."""
    table = RouteTable()

    async def shown(call: Call, chain: str, period: str, statement: bytes | None) -> web.StreamResponse:
        place = await here(database, call)
        reader = reader_of(call, "comparison of a pool", clock.utc_ms())
        version, pairs = await database.write(_pairs, reader, chain, period, statement)
        w = pages.wording(call.request, version.contract.zone)
        return pages.page(call, "pool_compare.html", look_of(place), **_shown(version, chain, period, pairs, w))

    @table.route("GET", ONE + "/compare", roles=ACTORS, gives="text/html", tag="pools")
    async def pool_compare_page(call: Call, chain: ChainHex, period: PeriodText) -> web.StreamResponse:
        """Own meters beside the grid's file, interval by interval."""
        return await shown(call, chain, period, None)

    @table.route(
        "POST", ONE + "/compare", roles=ACTORS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX,
        tag="pools",
    )  # fmt: skip
    async def compare_pool_statement(call: Call, chain: ChainHex, form: StatementForm) -> web.StreamResponse:
        """What was shared beside a scheme's statement; nothing is stored."""
        return await shown(call, chain, form.period, form.file)

    return table


def _pairs(
    conn: Connection, reader: Reader, chain: str, period: str, statement: bytes | None
) -> tuple[Version, list[Pair]]:
    """Of own meters, or of a statement. Writes an access row, for these are members' hours.

    Raises NotFound, or BadInput for a period that is none or too long for a page, or by line of the statement."""
    community = reader.community
    versions = service.pool_versions(conn, community, bytes.fromhex(chain))
    span = service.span_of(versions[-1].contract, period)
    check_size(versions[-1], span.period, period)
    if statement is None:
        found = compare.meters(conn, community, versions, span.period)
    else:
        rows = compare.rows_of(statement, versions[-1])
        found = compare.statement(service.look(conn, community, versions, span), rows)
    insert_access(conn, access_row(reader, bytes.fromhex(chain), len(found)))
    return versions[-1], found


def _shown(version: Version, chain: str, period: str, pairs: Sequence[Pair], w: Wording) -> dict[str, Any]:
    """What the template needs."""
    differing = [one for one in pairs if not one.is_same]
    return {
        "title": w.gettext("Beside the grid"),
        "pool": version.contract.name,
        "chain": chain,
        "period": period,
        "period_name": period_name(named(period), w),
        "minutes": version.contract.terms.interval_ms // 60_000,
        "sums": [_sum(one, w) for one in compare.sums(pairs)],
        "rows": [_row(one, w) for one in differing[:ROWS_SHOWN]],
        "differing": w.count(len(differing)),
        "is_cut": len(differing) > ROWS_SHOWN,
        "is_statement": any(one.what == SHARED for one in pairs),
    }


def _sum(one: compare.Sums, w: Wording) -> SumView:
    return SumView(
        _what(one.what, w),
        w.count(one.count),
        w.count(one.differing),
        not one.differing,
        view.energy(one.theirs, w),
        view.energy(one.ours, w),
        view.difference(one.ours - one.theirs, w),
    )


def _row(one: Pair, w: Wording) -> PairView:
    theirs, ours = ("" if wh is None else view.energy(wh, w) for wh in (one.theirs, one.ours))
    return PairView(w.day_time(one.start_ms), _what(one.what, w), theirs, ours, view.difference(one.difference, w))


def _what(what: str, w: Wording) -> str:
    return w.gettext("shared energy") if what == SHARED else what
