"""Pools in use: take a file of the grid, show a period, close it into the books.

It never posts twice: a close posts what the period's data say, less what its closes posted before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from tallystick_protocol.ids import sha256
from tallystick_protocol.money.calendar import Period, period_of
from tallystick_protocol.money.contract import Contract, ContractState, RatingPeriod, in_force, version_at
from tallystick_protocol.money.zone import offsets_of
from tallystick_protocol.pool_settlement import CloseKind

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.ledger.journals import Entry, post
from tallystick_cloud.ledger.model import Amounts, difference
from tallystick_cloud.ledger.store import lock_chains
from tallystick_cloud.settlement.office import Office

from . import grid_file, keep, store
from .erase import forget_erased
from .errors import PoolRefused, RowsDiffer
from .facts import WEIGHT_BYTES, facts_of
from .model import HOUR_MS, Worked, interval_at, pool_of, standing_for, work_out
from .named import named
from .statements import check_books

K = TypeVar("K")
V = TypeVar("V")
DAY_MS = 24 * HOUR_MS
TOLD_MAX = 5  # rows that a refusal names


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file brought: rows that are new, that were there, that correct others."""

    new: int
    known: int
    corrected: int


@dataclass(frozen=True, slots=True)
class Span:
    """A period by the name people give it; `is_year` for one such as 2026."""

    period: Period
    is_year: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """`posted`: what this close added to the books, empty when nothing changed. `again`: the same was closed before."""

    worked: Worked
    kind: CloseKind
    posted: Amounts
    again: bool


def pool_versions(conn: Connection, community: str, chain: bytes | None = None) -> list[Version]:
    """The versions in force of the community's one pool, or of the chain. Raises NotFound or BadInput."""
    chains: dict[bytes, list[Version]] = {}
    for version in contracts.book(conn, community).versions:
        if version.contract.pool is not None:
            chains.setdefault(version.chain, []).append(version)
    if chain is not None:
        if chain not in chains:
            raise NotFound("contract", f"{chain.hex()} is no contract with a pool in force in {community}")
        return chains[chain]
    if not chains:
        raise NotFound("contract", f"{community} has no contract with a [pool] in force; propose one first")
    if len(chains) > 1:
        names = ", ".join(f"{one[-1].contract.name} ({h.hex()[:16]})" for h, one in sorted(chains.items()))
        raise BadInput("--contract", f"is missing; there are several pools: {names}")
    return next(iter(chains.values()))


# ------------------------------------------------------------ files


def take_energy(
    conn: Connection, community: str, versions: Sequence[Version], data: bytes, name: str, why: str | None, now_ms: int
) -> Taken:
    """Store a file of energy; raises BadInput or PoolRefused, then nothing is stored.

    A row that says something else than the one before is refused, or with `why` its next version.
    """
    contract = versions[-1].contract
    finest = min(one.contract.terms.interval_ms for one in versions)
    rows = grid_file.energy_rows(grid_file.text_in(data), offsets_of(contract.zone), finest)
    spans = {start_ms: interval_at(versions, start_ms) for start_ms in {row.start_ms for row in rows}}
    known_meters = {asset.asset for version in versions for asset in version.contract.assets}
    for row in rows:
        if row.meter not in known_meters:
            raise BadInput(
                f"line {row.line}, meter", f"{row.meter!r} is no meter of {contract.name}: name an [[asset]]"
            )
        if row.start_ms % spans[row.start_ms]:
            raise BadInput(f"line {row.line}, start", f"is not on an edge of {spans[row.start_ms] // 60_000} minutes")
    _check_spans(conn, community, rows, spans)
    if not rows:
        return Taken(0, 0, 0)
    first, last = min(row.start_ms for row in rows), max(row.start_ms for row in rows)
    stands = {key: (one.version, one.wh) for key, one in store.energy(conn, community, first, last + 1).items()}
    keyed = {(row.meter, row.direction.value, row.start_ms): (row.wh, row.line) for row in rows}
    fresh, taken = _fresh(keyed, stands, why)
    h = _store_file(conn, community, data, "energy", name, len(rows), now_ms)
    store.insert_energy(
        conn,
        [
            {"community": community, "meter": meter, "direction": direction, "start_ms": start, "version": version,
             "span_ms": spans[start], "wh": keyed[meter, direction, start][0], "file": h,
             "why": why if version > 1 else None, "taken_ms": now_ms}
            for (meter, direction, start), version in fresh.items()
        ],
    )  # fmt: skip
    return taken


def _check_spans(conn: Connection, community: str, rows: Sequence[grid_file.Energy], spans: Mapping[int, int]) -> None:
    """Refuse rows among stored ones of another length: of two contracts, or from before an interval was agreed."""
    for span_ms in set(spans.values()):
        mine = [row for row in rows if spans[row.start_ms] == span_ms]
        first, last = min(row.start_ms for row in mine), max(row.start_ms for row in mine)
        for meter, span in store.other_spans(conn, community, {row.meter for row in mine}, span_ms, (first, last)):
            raise PoolRefused("interval", f"of {meter} was {span // 60_000} minutes in files before: they do not mix")


def take_prices(
    conn: Connection, community: str, versions: Sequence[Version], data: bytes, name: str, why: str | None, now_ms: int
) -> Taken:
    """Store a file of the price series that the contract depends on in its time; as `take_energy`."""
    rows = grid_file.price_rows(grid_file.text_in(data), offsets_of(versions[-1].contract.zone))
    series = _series_of(versions, [row.start_ms for row in rows])
    if not rows:
        return Taken(0, 0, 0)
    stands = store.prices(conn, community, series, min(r.start_ms for r in rows), max(r.start_ms for r in rows) + 1)
    keyed = {row.start_ms: (str(row.price), row.line) for row in rows}
    fresh, taken = _fresh(keyed, stands, why)
    h = _store_file(conn, community, data, "price", name, len(rows), now_ms)
    store.insert_prices(
        conn,
        [
            {"community": community, "series": series, "start_ms": start, "version": version, "price": keyed[start][0],
             "file": h, "why": why if version > 1 else None, "taken_ms": now_ms}
            for start, version in fresh.items()
        ],
    )  # fmt: skip
    return taken


def _series_of(versions: Sequence[Version], starts: Sequence[int]) -> str:
    """The series that the versions in force at these times depend on. Raises PoolRefused for none, and for several: a
    file is of one."""
    contracts = [one.contract for one in versions]
    held = [version_at(contracts, start_ms) or contracts[0] for start_ms in starts] or contracts[-1:]
    found = sorted({one.pool.series for one in held if one.pool is not None and one.pool.series is not None})
    if not found:
        raise PoolRefused("series", f"{contracts[-1].name} depends on no price series; its classes have fixed prices")
    if len(found) > 1:
        names = " and ".join(found)
        raise PoolRefused("series", f"is not one over the file's time, but {names}: split the file where it changes")
    return found[0]


def take_coefficients(
    conn: Connection, community: str, versions: Sequence[Version], data: bytes, name: str, year: int, now_ms: int
) -> Taken:
    """Store the file of coefficients that a version of the contract names by its hash; any other is refused."""
    h = sha256(data)
    wanted = {one.contract.pool.coefficients for one in versions if one.contract.pool is not None} - {None}
    if h not in wanted:
        says = ", ".join(bytes(one).hex()[:16] for one in wanted if one) or "none"
        raise PoolRefused("file", f"has the SHA-256 {h.hex()}; the contract names {says}: sign a version with this one")
    hours, columns = grid_file.coefficient_columns(grid_file.text_in(data))
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    if hours != days * 24:
        raise BadInput("file", f"has {hours} hours; {year} has {days * 24}")
    if store.has_file(conn, community, h):
        taken = {of for of, _ in store.coefficients(conn, community, h).values()}
        if taken != {year}:
            detail = f"was taken in for {taken.pop()}; a year has a file, and a version that names it, of its own"
            raise PoolRefused("file", f"{detail} (an empty line at its end makes another file)")
        return Taken(0, hours * len(columns), 0)
    _store_file(conn, community, data, "coefficients", name, hours * len(columns), now_ms)
    rows = [
        {"h": h, "community": community, "meter": meter, "year": year,
         "weights": b"".join(weight.to_bytes(WEIGHT_BYTES, "big") for weight in weights)}
        for meter, weights in columns.items()
    ]  # fmt: skip
    store.insert_coefficients(conn, rows)
    return Taken(hours * len(columns), 0, 0)


def _fresh(
    keyed: Mapping[K, tuple[V, int]], stands: Mapping[K, tuple[int, V]], why: str | None
) -> tuple[dict[K, int], Taken]:
    """(key -> the version to store, what they are); PoolRefused where a row says another value without a reason."""
    fresh: dict[K, int] = {}
    clashes = []
    known = 0
    for key, (value, line) in keyed.items():
        version, old = stands.get(key, (0, None))
        if version and old == value:
            known += 1
            continue
        if version:
            clashes.append(f"line {line} says {value}, {old} is stored")
        fresh[key] = version + 1
    if clashes and why is None:
        told = "; ".join(clashes[:TOLD_MAX]) + ("; ..." if len(clashes) > TOLD_MAX else "")
        raise RowsDiffer(len(clashes), told)
    return fresh, Taken(len(fresh) - len(clashes), known, len(clashes))


def _store_file(conn: Connection, community: str, data: bytes, kind: str, name: str, rows: int, now_ms: int) -> bytes:
    h = sha256(data)
    if not store.has_file(conn, community, h):
        row = {"h": h, "community": community, "kind": kind, "name": name, "row_count": rows, "taken_ms": now_ms}
        store.insert_file(conn, row)
    return h


# ------------------------------------------------------------ periods


def span_of(contract: Contract, text: str) -> Span:
    """YYYY, YYYY-Q1, YYYY-MM, YYYY-W01 or YYYY-MM-DD as local days of the contract's zone. Raises BadInput."""
    found = named(text)
    epoch, offsets = date(1970, 1, 1).toordinal(), offsets_of(contract.zone)
    begin, end = (offsets.first_at((one.toordinal() - epoch) * DAY_MS) for one in (found.first, found.after))
    return Span(Period(begin, end), found.kind is RatingPeriod.YEAR)


def moment_span(contract: Contract, text: str) -> Period:
    """The interval that holds a moment (YYYY-MM-DDTHH:MM, local or with an offset), or a day, month or year."""
    if "T" not in text:
        return span_of(contract, text).period
    step = contract.terms.interval_ms
    start_ms = grid_file.moment("INTERVAL", text, offsets_of(contract.zone))
    begin = start_ms - start_ms % step
    return Period(begin, begin + step)


def look(conn: Connection, community: str, versions: Sequence[Version], span: Span) -> Worked:
    """A period as its data say now, all of its worth, also where only an advance is paid; nothing is posted."""
    facts = facts_of(conn, community, versions, span.period)
    counts_above = counts_threshold(versions, span)
    return work_out(versions, versions[0].chain, span.period, facts, is_final=True, counts_above=counts_above)


def counts_threshold(versions: Sequence[Version], span: Span) -> bool:
    """Whether what is above the threshold counts over this time: a year that is trued up, or else just one period that
    the contract closes by. Raises PoolRefused where none is in force."""
    return span.is_year if _is_trued_up(versions, span.period) else _period_at(versions, span.period)[1] == span.period


@dataclass(frozen=True, slots=True)
class Planned:
    """What a close would post: `lines` are what the data say less what stands; `digest` names exactly these data.

    `earlier` closes lie in the same time, `number` counts those of just this period, of which the newest had the
    same data where `again`. `gone`: erased members, for whom what was posted before stands.
    """

    worked: Worked
    kind: CloseKind
    lines: Amounts
    digest: bytes
    earlier: int
    number: int
    again: bool
    gone: frozenset[bytes] = frozenset()


def planned(conn: Connection, community: str, versions: Sequence[Version], span: Span, now_ms: int) -> Planned:
    """What closing a period would post now; nothing is stored. Raises as `close` does."""
    chain = versions[0].chain
    period, kind = _closing(versions, span)
    if now_ms < period.to_ms:
        raise PoolRefused("period", f"ends on {_day_of(versions, period.to_ms)}; close it when it is over")
    is_final = kind is CloseKind.FINAL
    if store.final_over(conn, chain, period.from_ms, period.to_ms) is not None:
        raise PoolRefused("period", "lies in a year that is trued up: close the year again to post what changed")
    facts = facts_of(conn, community, versions, period)
    worked = work_out(versions, chain, period, facts, is_final=is_final, counts_above=is_final)
    before = store.closes(conn, chain, period.from_ms, period.to_ms)
    _check(conn, versions, worked, before)
    span_ms = period.from_ms, period.to_ms
    mine = [row for row in before if row.kind == kind.value and (row.from_ms, row.to_ms) == span_ms]
    digest = keep.digest_of(worked)
    posted = store.posted(conn, chain, *span_ms)
    gone = _gone(versions, posted)
    lines = difference(standing_for(worked.lines, posted, gone), posted)
    if mine and mine[-1].digest == digest and not lines:
        return Planned(worked, kind, {}, digest, len(before), len(mine), again=True)
    return Planned(worked, kind, lines, digest, len(before), len(mine) + 1, again=False, gone=gone)


def _gone(versions: Sequence[Version], posted: Amounts) -> frozenset[bytes]:
    """Whom closes posted something and nobody knows any more: their openings were erased."""
    known = {bytes(party.id) for one in versions for party in one.contract.parties}
    known |= {bytes(payer) for one in versions for payer in (*one.payers, one.contract.collector)}
    return frozenset(line.party for line in posted if line.party not in known)


def close(
    conn: Connection,
    office: Office,
    versions: Sequence[Version],
    span: Span,
    now_ms: int,
    shown: bytes | None = None,
) -> Closed:
    """Post what a period's data say, less what was posted for it, and sign it. With the same data it changes nothing.

    Of a contract that is trued up a rating period is paid on account, and its year closes it. `shown`: the digest of
    the plan that a person agreed to. Raises PoolRefused.
    """
    community, chain = office.context.community, versions[0].chain
    contracts.lock_versions(conn, [community])
    lock_chains(conn, [chain])
    versions = pool_versions(conn, community, chain)  # as they are now that none can come into force
    found = planned(conn, community, versions, span, now_ms)
    if shown is not None and shown != found.digest:
        raise PoolRefused("period", "has other data now than were shown: look at it again, then close it")
    if found.again:
        return Closed(found.worked, found.kind, {}, again=True)
    period, journal = found.worked.period, None
    if found.lines:
        is_true_up = found.kind is CloseKind.FINAL and found.number == 1
        cause = "pool-close" if not found.earlier else "pool-true-up" if is_true_up else "pool-correction"
        key = f"pool:{chain.hex()}:{period.from_ms}:{period.to_ms}:{found.kind.value}:{found.number}"
        entry = Entry(key, cause, chain, found.lines, (period.from_ms, period.to_ms))
        (journal,) = post(conn, community, [entry], now_ms)
    listed = [one for one in versions if one.contract.effective_from_ms < period.to_ms]
    made = keep.Close(listed, found.worked, found.kind, found.number, journal, found.digest, found.gone)
    keep.keep(conn, office, made, now_ms)
    check_books(conn, chain)
    forget_erased(conn, community)
    return Closed(found.worked, found.kind, found.lines, again=False)


def _day_of(versions: Sequence[Version], ms: int) -> date:
    return datetime.fromtimestamp((ms - 1) // 1000, ZoneInfo(versions[-1].contract.zone)).date()


def _check(conn: Connection, versions: Sequence[Version], worked: Worked, before: Sequence[Any]) -> None:
    """Refuse a first close of nothing, and one that would lack what went with an erased member.

    The grid's rows of a member stay until a period is closed finally, so what was paid on account can be trued up.
    """
    if not worked.intervals and not before:
        why = worked.opens[0].why if worked.opens else "the contract is not in force in it"
        raise PoolRefused("period", f"has no complete interval: {why}")
    starts = [one.start_ms for one in worked.intervals] + [one.start_ms for one in worked.opens]
    if not before or not any(_has_erased(versions, start_ms) for start_ms in starts):
        return
    opens = {one.start_ms for one in worked.opens}
    lost = any(row.start_ms in opens for close in before for row in store.intervals(conn, close.id))
    if lost or any(close.kind == CloseKind.FINAL.value for close in before):
        raise PoolRefused("period", "has a meter whose member was erased since it was closed: what was posted stands")


def _has_erased(versions: Sequence[Version], start_ms: int) -> bool:
    """Whether somebody is a member then of whom nobody knows any more who it was."""
    contract = version_at([one.contract for one in versions], start_ms)
    version = next(one for one in versions if one.contract is contract)
    points = zip(version.contract.assets, pool_of(version).points, strict=True)
    return any(point.is_member(start_ms) and version.payer(asset) is None for asset, point in points)


def _is_trued_up(versions: Sequence[Version], period: Period) -> bool:
    """Whether a version says so that was in force in the year of the period, until its end: the next year may have
    another rule."""
    contracts = [one.contract for one in versions]
    zone = versions[-1].contract.zone
    year = span_of(versions[-1].contract, f"{datetime.fromtimestamp(period.from_ms // 1000, ZoneInfo(zone)).year}")
    held = [one for state in ContractState for one in in_force(contracts, state, year.period.from_ms, period.to_ms)]
    return any(one.contract.pool.trued_up for one in held if one.contract.pool is not None)


def _period_at(versions: Sequence[Version], period: Period) -> tuple[Contract, Period]:
    """The contract in force at the begin or the end of a period, and its rating period there. Raises PoolRefused."""
    all_ = [one.contract for one in versions]
    contract = version_at(all_, period.from_ms) or version_at(all_, period.to_ms - 1)
    if contract is None:
        raise PoolRefused("period", "lies where no version of the contract is in force")
    return contract, period_of(contract, period.from_ms)


def _closing(versions: Sequence[Version], span: Span) -> tuple[Period, CloseKind]:
    """The period that is closed, and whether finally."""
    trued_up = _is_trued_up(versions, span.period)
    if trued_up and span.is_year:
        return span.period, CloseKind.FINAL
    contract, period = _period_at(versions, span.period)
    if period != span.period:
        raise PoolRefused("period", f"is not a {contract.terms.rating_period.value}, which the contract closes by")
    return period, CloseKind.ACCOUNT if trued_up else CloseKind.FINAL
