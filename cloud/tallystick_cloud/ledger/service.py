"""Books new uses: rates them and what comes after them in their counters, posts what is new and what changed.

It never changes a rating or a posting: a late use adds revisions and correction journals that name it as their cause.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from tallystick_cloud import bulk
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.schema import posting, rerating, use_row

from . import store
from .chain import ChainWork
from .lot import Booked, Cause, Job, Lot
from .model import FreshUse, Kind, check_zero
from .rows import Row


def book(
    conn: Connection, community: str, fresh: Sequence[FreshUse], versions: Mapping[bytes, Version], cause: Cause
) -> list[Booked]:
    """Book all of them, chain by chain. A use that is known already is left out: it is never billed twice.

    `versions`: h -> every version that was ever in force here.
    """
    if not fresh:
        return []
    known = store.known_uses(conn, [one.usage.use_id for one in fresh])
    lot = Lot([one for one in fresh if one.usage.use_id not in known], cause)
    return book_lots(conn, community, [lot], versions)[0]


def book_lots(
    conn: Connection, community: str, lots: Sequence[Lot], versions: Mapping[bytes, Version]
) -> list[list[Booked]]:
    """The same for several lots at once, each with journals of its own; for each lot what was booked.

    A use that is known already ends it with an IntegrityError. Rated together, uses that came together out of order
    need no corrections among themselves.
    """
    groups: dict[tuple[bytes, Kind], list[tuple[int, FreshUse]]] = {}
    for number, lot in enumerate(lots):
        for one in lot.uses:
            groups.setdefault((one.chain, one.kind), []).append((number, one))
    booked: list[list[Booked]] = [[] for _ in lots]
    if not groups:
        return booked
    store.lock_chains(conn, {chain for chain, _ in groups})
    period = store.open_period(conn, community, lots[0].cause.now_ms)
    lots = [lot.recorded(period.recorded(lot.cause.now_ms)) for lot in lots]
    works = [ChainWork(conn, community, at, groups[at], versions, lots) for at in sorted(groups)]
    now = store.counters(conn, {key for work in works for key in work.keys})
    for work in works:
        work.rate(now)
    jobs = [job for work in works for job in work.jobs]
    ids = _post(conn, community, period.id, jobs)
    _write(conn, works, ids)
    for work in works:
        for number, found in work.booked():
            booked[number].append(found)
    return booked


def _post(conn: Connection, community: str, period: int, jobs: Sequence[Job]) -> dict[str, int]:
    """Journals with their postings, by key: checked to sum to zero before anything is written."""
    if not jobs:
        return {}
    for job in jobs:
        check_zero(job.lines)
    ids = store.insert_journals(conn, [_journal_row(community, job, period) for job in jobs])
    rows: list[tuple[object, ...]] = []
    for journal, job in zip(ids, jobs, strict=True):
        rows += store.posting_rows(community, journal, job.lines, job.now_ms)
    bulk.insert_rows(conn, posting, rows)
    store.move_balances(conn, community, [(job.now_ms, job.lines) for job in jobs])
    return {job.key: journal for journal, job in zip(ids, jobs, strict=True)}


def _journal_row(community: str, job: Job, period: int) -> dict[str, object]:
    return {
        "community": community,
        "key": job.key,
        "cause": job.cause,
        "cause_ref": job.ref,
        "metered_from_ms": min(usage.start_ms for usage in job.usages),
        "metered_to_ms": max(usage.end_ms for usage in job.usages),
        "recorded_ms": job.now_ms,
        "posting_period": period,
    }


def _write(conn: Connection, works: Sequence[ChainWork], journals: Mapping[str, int]) -> None:
    """The uses with their first ratings, what others cost now, and where the counters went."""
    frames: dict[bytes, Row] = {}
    uses = [row for work in works for row in work.use_rows(journals, frames)]
    store.insert_frames(conn, frames)
    bulk.insert_rows(conn, use_row, uses)
    bulk.insert_rows(conn, rerating, [row for work in works for row in work.rerating_rows(journals)])
    store.upsert_counters(conn, sorted((row for work in works for row in work.counter_rows()), key=_first))


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]
