"""Pages of energy communities: what was shared in a period, day or year, by whom, and where its worth goes.

It never posts anything (`desk.py` does), and shows a member's numbers to that member and to the offices alone."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import StringConstraints
from sqlalchemy import Connection
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.money.contract import Contract, RatingPeriod
from tallystick_protocol.money.pool_energy import Row

from tallystick_cloud.city.model import Community
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import book
from tallystick_cloud.db import Database
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.amounts import exact
from tallystick_cloud.http.authz import Role
from tallystick_cloud.http.locale import Wording
from tallystick_cloud.http.pages import Pages, csv_response, see_other
from tallystick_cloud.http.place import here, look_of
from tallystick_cloud.http.rail import READERS
from tallystick_cloud.http.route import Call, Int64, RouteTable
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.ports import Clock
from tallystick_cloud.uses.model import Basis, Reader
from tallystick_cloud.uses.reader import reader_of
from tallystick_cloud.uses.store import insert_access

from . import service, shares, store, view
from .errors import PoolRefused
from .model import Interval, Worked, pool_of
from .named import Named, holding, named

BASE, ONE = "/pools", "/pools/{chain}"
ChainHex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
PeriodText = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}(-[01][0-9](-[0-3][0-9])?|-Q[1-4]|-W[0-5][0-9])?$")]
ROWS_MAX = 400_000
"""Meters times intervals that one page works out: a second or two; a larger period is for the command."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which period of which pool, and the begin of the interval that is shown closely."""

    chain: bytes
    period: str | None
    at: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that the page shows. `is_counted`: the threshold counts over just this period.

    `closed`: (ms, whether final) of the newest close of what is shown."""

    versions: list[Version]
    period: str
    worked: Worked
    is_counted: bool
    names: dict[bytes, str]
    closed: tuple[int, bool] | None

    @property
    def contract(self) -> Contract:
        return self.versions[-1].contract


def pool_pages(database: Database, pages: Pages, clock: Clock) -> RouteTable:
    """List and page."""
    table = RouteTable()

    @table.route("GET", BASE, roles=READERS, gives="text/html", tag="pools")
    async def pool_list(call: Call) -> web.StreamResponse:
        """The energy communities that I am in; the only one at once."""
        place = await here(database, call)
        reader = reader_of(call, "list of pools", clock.utc_ms())
        found = await database.read(pools_of, reader)
        if len(found) == 1:
            return see_other(f"{BASE}/{next(iter(found)).hex()}")
        w = pages.wording(call.request, place.zone)
        rows = [(chain.hex(), versions[-1].contract.name) for chain, versions in found.items()]
        return pages.page(call, "pools.html", look_of(place), title=w.gettext("Energy community"), pools=rows)

    @table.route("GET", ONE, roles=READERS, gives="text/html", tag="pools")
    async def pool_page(
        call: Call, chain: ChainHex, period: PeriodText | None = None, at: Int64 | None = None
    ) -> web.StreamResponse:
        """What was shared in a period, one interval of it closely, the members' shares and where the worth goes."""
        place = await here(database, call)
        reader = reader_of(call, "page of a pool", clock.utc_ms())
        asked = Asked(bytes.fromhex(chain), period, at)
        found = await database.write(_look, reader, asked)
        return _page(call, pages, place, reader, asked, found)

    @table.route("GET", ONE + "/energy.csv", roles=READERS, gives="text/csv", tag="pools")
    async def pool_file(call: Call, chain: ChainHex, period: PeriodText | None = None) -> web.StreamResponse:
        """Exactly the rows of the page's table."""
        await here(database, call)
        reader = reader_of(call, "file of a pool", clock.utc_ms())
        found = await database.write(_look, reader, Asked(bytes.fromhex(chain), period, None))
        w = _wording(call, pages, found)
        listed = shares.columns(found.worked, _name_of(named(found.period), w))
        return csv_response(f"energy-{found.period}.csv", view.as_csv(listed, found.contract.unit, w))

    return table


def pools_of(conn: Connection, reader: Reader) -> dict[bytes, list[Version]]:
    """chain -> the versions in force, of pools that the reader is in (an office: all), by name."""
    found: dict[bytes, list[Version]] = {}
    for one in book(conn, reader.community).versions:
        if one.contract.pool is not None:
            found.setdefault(one.chain, []).append(one)
    mine = {
        chain: versions
        for chain, versions in found.items()
        if reader.holds_office or any(one.concerns(reader.party or b"") for one in versions)
    }
    return dict(sorted(mine.items(), key=lambda one: (one[1][-1].contract.name, one[0])))


def _look(conn: Connection, reader: Reader, asked: Asked) -> Found:
    versions = pools_of(conn, reader).get(asked.chain)
    if versions is None:
        raise NotFound("pool", "is none that you are in; look at your contracts")
    contract = versions[-1].contract
    period = asked.period or _newest_day(conn, reader, versions)
    span = service.span_of(contract, period)
    check_size(versions[-1], span.period, period)
    try:
        worked = service.look(conn, reader.community, versions, span)
        is_counted = service.counts_threshold(versions, span)
    except PoolRefused:  # no version was in force then: there is nothing to see, and that is no mistake
        worked, is_counted = Worked(span.period, (), ()), False
    insert_access(conn, access_row(reader, asked.chain, len(worked.intervals)))
    close = store.newest_close(conn, asked.chain, span.period)
    closed = None if close is None else (int(close.closed_ms), close.kind == "final")
    return Found(versions, period, worked, is_counted, names_by_id(conn, reader.community), closed)


def check_size(version: Version, span: Period, period: str) -> None:
    """Raises BadInput for a period with more readings than a page works out."""
    rows = (span.to_ms - span.from_ms) // version.contract.terms.interval_ms * len(pool_of(version).points)
    if rows > ROWS_MAX:
        raise BadInput("period", f"{period} has {rows} readings, too many for a page; look at a month or a day of it")


def access_row(reader: Reader, chain: bytes, intervals: int) -> dict[str, object]:
    """The row that says who looked at whose hours."""
    basis = Basis.OFFICE if reader.holds_office else Basis.SPLIT
    row: dict[str, object] = {"community": reader.community, "actor": reader.party, "on_behalf": None}
    row |= {"resource": "hours of a pool", "contract": chain, "purpose": reader.purpose, "basis": basis.value}
    return row | {"row_count": intervals, "at_ms": reader.now_ms}


def _newest_day(conn: Connection, reader: Reader, versions: list[Version]) -> str:
    """Today where meters count, else the last day that a file of the grid speaks of, else today."""
    zone = ZoneInfo(versions[-1].contract.zone)
    today = _local(reader.now_ms, zone).date().isoformat()
    if service.look(conn, reader.community, versions, service.span_of(versions[-1].contract, today)).intervals:
        return today
    newest = store.newest_start(conn, reader.community)
    return today if newest is None else _local(newest, zone).date().isoformat()


def _page(call: Call, pages: Pages, place: Community, reader: Reader, asked: Asked, found: Found) -> web.Response:
    contract, worked = found.contract, found.worked
    w = _wording(call, pages, found)
    period = named(found.period)
    listed = shares.columns(worked, _name_of(period, w))
    chosen = _chosen(worked, asked.at)
    sums = shares.sums(worked.intervals)
    members = shares.members(worked.intervals)
    own = next((one for one in members if one.party == reader.party), None)
    return pages.page(
        call,
        "pool.html",
        look_of(place),
        title=contract.name,
        contract=contract,
        chain=asked.chain.hex(),
        unit=contract.unit,
        period=period.text,
        period_name=period_name(period, w),
        steps=_steps(period, contract.terms.rating_period, reader.now_ms, w),
        kwh=[view.energy(one, w) for one in (sums.injected, sums.withdrawn, sums.shared)],
        worth=exact(sums.worth, w),
        own=None if own is None else exact(own.got - own.charged, w),
        evidence=view.evidence(worked.intervals, w),
        books=_books(found, w),
        chart=view.chart(listed, w),
        columns=view.columns(listed, _links(period, asked.chain, w), None if chosen is None else chosen.start_ms, w),
        is_day=period.kind is RatingPeriod.DAY,
        by_day=period.kind in (RatingPeriod.WEEK, RatingPeriod.MONTH),
        interval=_interval(chosen, reader, found.names, w),
        destinations=view.destinations(shares.destinations(worked.intervals), found.names, w),
        threshold=view.threshold(contract, sums, is_counted=found.is_counted, w=w),
        member_count=w.count(len(members)),
        members=view.members(members, reader.party, found.names, sees_all=reader.holds_office, w=w),
        opens=[(why, w.count(n)) for why, n in Counter(one.why for one in worked.opens).most_common()],
        holds_office=reader.holds_office,
        may_act=Role.COMMUNITY_MANAGER in call.principal.roles_in(place.id),
    )


def _wording(call: Call, pages: Pages, found: Found) -> Wording:
    """The reader's language in the contract's zone, in which its days are."""
    return pages.wording(call.request, found.contract.zone)


def _interval(one: Interval | None, reader: Reader, names: dict[bytes, str], w: Wording) -> dict[str, Any] | None:
    if one is None:
        return None
    to_ms = one.start_ms + one.version.contract.terms.interval_ms

    def meters(rows: Sequence[Row]) -> tuple[view.MeterView, ...]:
        return view.meters(one, rows, reader.party, names, sees_all=reader.holds_office, w=w)

    return {
        "name": w.gettext("{start} to {end}, {day}").format(
            start=w.time(one.start_ms), end=w.time(to_ms), day=w.date(one.start_ms)
        ),
        "plants": meters(one.sharing.plants),
        "consumers": meters(one.sharing.consumers),
        "shared": view.energy(one.sharing.shared, w),
        "worth": exact(one.worth.fee, w),
        "evidence": view.evidence([one], w),
    }


def _chosen(worked: Worked, at: int | None) -> Interval | None:
    """The interval that holds a moment, else the newest in which something was shared, else the newest."""
    for one in worked.intervals if at is not None else ():
        if one.start_ms == at:
            return one
    shared = [one for one in worked.intervals if one.sharing.shared] or list(worked.intervals)
    return shared[-1] if shared else None


def _books(found: Found, w: Wording) -> tuple[str, str]:
    """Mark and words: whether the period stands in the books."""
    if found.closed is None:
        return "off", w.gettext("not closed yet: as the data say now")
    at_ms, is_final = found.closed
    words = (
        w.gettext("closed {day}") if is_final else w.gettext("on account since {day}, the year's close pays the rest")
    )
    return "ok", words.format(day=w.date(at_ms))


def _name_of(period: Named, w: Wording) -> Callable[[int], str]:
    """What a column is called: the time in a day, the day in a week or month, the month in what is longer."""
    match period.kind:
        case RatingPeriod.DAY:
            return w.time
        case RatingPeriod.WEEK | RatingPeriod.MONTH:
            return lambda ms: w.weekday(w.when(ms).date())
        case _:
            return lambda ms: w.month(w.when(ms).year, w.when(ms).month)


def _links(period: Named, chain: bytes, w: Wording) -> Callable[[int], str]:
    """Where a column leads: to its interval, its day, its month."""
    base = f"{BASE}/{chain.hex()}?period="
    match period.kind:
        case RatingPeriod.DAY:
            return lambda ms: f"{base}{period.text}&at={ms}#h-interval"
        case RatingPeriod.WEEK | RatingPeriod.MONTH:
            return lambda ms: base + holding(w.when(ms).date(), RatingPeriod.DAY)
        case _:
            return lambda ms: base + holding(w.when(ms).date(), RatingPeriod.MONTH)


def period_name(period: Named, w: Wording) -> str:
    """A period in words; a week and a quarter keep their names, which everybody can look up."""
    match period.kind:
        case RatingPeriod.DAY:
            return w.day(period.first)
        case RatingPeriod.MONTH:
            return w.month(period.first.year, period.first.month)
        case _:
            return period.text


def _steps(period: Named, closed_by: RatingPeriod, now_ms: int, w: Wording) -> dict[str, Any]:
    """The period before, the one after (empty while it has not begun), and what holds its first day: the period that
    the contract closes by, where that is a week or quarter, the month and the year, each with its name and word."""
    has_begun = period.after <= w.when(now_ms).date()
    words = {
        RatingPeriod.WEEK: w.gettext("Week"),
        RatingPeriod.MONTH: w.gettext("Month"),
        RatingPeriod.QUARTER: w.gettext("Quarter"),
        RatingPeriod.YEAR: w.gettext("Year"),
    }
    shown = {RatingPeriod.MONTH, RatingPeriod.YEAR, closed_by, period.kind}
    around = [(holding(period.first, kind), word, kind is period.kind) for kind, word in words.items() if kind in shown]
    return {"before": period.before_it, "after": period.after_it if has_begun else "", "around": around}


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone)
