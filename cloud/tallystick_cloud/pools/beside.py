"""The page of an energy community's office that puts a period beside what others say of it: own meters beside the
grid's file, what was shared beside a scheme's statement.

It stores nothing: which of the two is right, a person asks the grid.
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

from . import compare, service, view
from .compare import SHARED, Pair
from .desk import ACTORS, FILE_BYTES_MAX
from .pages import ONE, ChainHex, PeriodText, check_size, period_name

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


def beside_pages(database: Database, pages: Pages) -> RouteTable:
    """The page, and the form that hands in a statement."""
    table = RouteTable()

    @table.route("GET", ONE + "/compare", roles=ACTORS, gives="text/html", tag="pools")
    async def pool_compare_page(call: Call, chain: ChainHex, period: PeriodText) -> web.StreamResponse:
        """Own meters beside the grid's file, interval by interval."""
        place = await here(database, call)

        def look(conn: Connection) -> tuple[Version, list[Pair]]:
            versions, span = _asked(conn, place.id, chain, period)
            return versions[-1], compare.meters(conn, place.id, versions, span.period)

        version, pairs = await database.read(look)
        w = pages.wording(call.request, version.contract.zone)
        return pages.page(call, "pool_compare.html", look_of(place), **_shown(version, chain, period, pairs, w))

    @table.route(
        "POST", ONE + "/compare", roles=ACTORS, gives="text/html", takes=MULTIPART, body_bytes_max=FORM_BYTES_MAX,
        tag="pools",
    )  # fmt: skip
    async def compare_pool_statement(call: Call, chain: ChainHex, form: StatementForm) -> web.StreamResponse:
        """What was shared beside a scheme's statement; nothing is stored."""
        place = await here(database, call)

        def look(conn: Connection) -> tuple[Version, list[Pair]]:
            versions, span = _asked(conn, place.id, chain, form.period)
            rows = compare.rows_of(form.file, versions[-1])
            return versions[-1], compare.statement(service.look(conn, place.id, versions, span), rows)

        version, pairs = await database.read(look)
        w = pages.wording(call.request, version.contract.zone)
        return pages.page(call, "pool_compare.html", look_of(place), **_shown(version, chain, form.period, pairs, w))

    return table


def _asked(conn: Connection, community: str, chain: str, period: str) -> tuple[list[Version], service.Span]:
    """Raises NotFound, or BadInput for a period that is none or too long for a page."""
    versions = service.pool_versions(conn, community, bytes.fromhex(chain))
    span = service.span_of(versions[-1].contract, period)
    check_size(versions[-1], span.period, period)
    return versions, span


def _shown(version: Version, chain: str, period: str, pairs: Sequence[Pair], w: Wording) -> dict[str, Any]:
    """What the template needs."""
    differing = [one for one in pairs if not one.is_same]
    return {
        "title": w.gettext("Beside the grid"),
        "pool": version.contract.name,
        "chain": chain,
        "period": period,
        "period_name": period_name(period, w),
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
