"""SQL of uses, ratings, counters, journals, postings and balances.

It only adds; balance, account_day and counter, which are running sums, are what moves.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError
from tallystick_protocol import cbor

from tallystick_cloud import bulk
from tallystick_cloud.bulk import Row, Rows
from tallystick_cloud.errors import Conflict
from tallystick_cloud.schema import (
    account_day,
    balance,
    counter,
    in_order,
    journal,
    posting_period,
    standing,
    use_frame,
    use_row,
)

from .model import DAY_MS, FAR_MS, Amounts, end_of, position_of, total

BEYOND = "would leave what an account can hold (9,223,372,036 units); nothing is booked, check the amounts"
IN_MAX = 5000  # values in one IN list: far below SQLite's 32,766 parameters
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class CounterRow:
    value: int
    position: bytes


_RATED = select(standing).where(standing.c.use_id.in_(bindparam("uses", expanding=True)))
_OF_CHAIN = select(standing).where(
    standing.c.chain == bindparam("chain"), standing.c.kind == bindparam("kind"), standing.c.counters != ""
)
_AFTER = _OF_CHAIN.where(standing.c.end_ms >= bindparam("from_ms")).order_by(*in_order(standing))
_WITHIN = _OF_CHAIN.where(
    standing.c.end_ms > bindparam("after_ms"),
    standing.c.end_ms <= bindparam("to_ms"),
    standing.c.recorded_ms < bindparam("known_ms"),
).order_by(*(column.desc() for column in in_order(standing)))
_NEWEST = select(
    func.max(
        select(use_row.c.end_ms)
        .where(use_row.c.frame == use_frame.c.id, use_row.c.end_ms <= bindparam("to_ms"))
        .order_by(use_row.c.end_ms.desc())
        .limit(1)
        .scalar_subquery()
    )
).where(use_frame.c.chain == bindparam("chain"), use_frame.c.kind == bindparam("kind"))
"""When the last use of a chain ended: one look into the index for each frame."""
_FIRST_END = select(
    func.min(
        select(use_row.c.end_ms)
        .where(use_row.c.frame == use_frame.c.id)
        .order_by(use_row.c.end_ms)
        .limit(1)
        .scalar_subquery()
    )
).where(use_frame.c.chain == bindparam("chain"))
"""When its first one ended: likewise."""
_LAST_ENDS = select(
    use_frame.c.chain,
    use_frame.c.id,
    select(use_row.c.end_ms)
    .where(
        use_row.c.frame == use_frame.c.id,
        use_row.c.end_ms <= bindparam("to_ms"),
        use_row.c.recorded_ms < bindparam("known_ms"),
    )
    .order_by(use_row.c.end_ms.desc())
    .limit(1)
    .scalar_subquery()
    .label("end_ms"),
).where(use_frame.c.chain.in_(bindparam("chains", expanding=True)), use_frame.c.kind == bindparam("kind"))
"""When the last use of each frame ended, of those that were known."""
_JOURNAL = insert(journal).returning(journal.c.id, sort_by_parameter_order=True)
_PERIOD = (
    select(
        posting_period.c.id,
        posting_period.c.opened_ms,
        select(journal.c.recorded_ms)
        .where(journal.c.community == bindparam("c"))
        .order_by(journal.c.recorded_ms.desc())
        .limit(1)
        .scalar_subquery()
        .label("newest_ms"),
    )
    .where(posting_period.c.community == bindparam("c"), posting_period.c.closed_ms.is_(None))
    .order_by(posting_period.c.id.desc())
    .limit(1)
)


def lock_chains(conn: Connection, chains: Iterable[bytes]) -> None:
    """The counters' lock: one per contract chain, in order. On SQLite the one writer holds it already."""
    if conn.dialect.name != "postgresql":
        return
    numbers = [int.from_bytes(chain[:8], "big", signed=True) for chain in sorted(chains)]
    conn.exec_driver_sql("SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n", (numbers,))


def known_uses(conn: Connection, ids: Sequence[bytes]) -> set[bytes]:
    return {bytes(found) for (found,) in bulk.rows_where(conn, 'SELECT use_id FROM "use" WHERE use_id', ids)}


def counters(conn: Connection, keys: Iterable[bytes]) -> dict[bytes, CounterRow]:
    rows = bulk.rows_where(conn, "SELECT counter, value, position FROM counter WHERE counter", keys)
    return {bytes(key): CounterRow(value, bytes(position)) for key, value, position in rows}


def uses_after(
    conn: Connection, chain: bytes, kind: str, position: bytes, payers: Collection[bytes] | None = None
) -> list[Any]:
    """Uses of a chain that count in some counter and come after a position, as they stand, in canonical order.

    payers: of these alone.
    """
    given = {"chain": chain, "kind": kind, "from_ms": end_of(position)}
    query = _AFTER if payers is None else _AFTER.where(standing.c.payer.in_(list(payers)))
    return [row for row in conn.execute(query, given) if position_of(row) > position]


def uses_until(
    conn: Connection, chain: bytes, kind: str, to_ms: int, from_ms: int = 0, known_ms: int = FAR_MS
) -> Iterator[Any]:
    """Those that ended in [from_ms, to_ms] and were recorded before `known_ms`, the newest first, as far as asked for.

    An hour, two, four ... are read at once, for the one wanted is among the newest, as a rule. Times without a use are
    stepped over.
    """
    span_ms, given = HOUR_MS, {"chain": chain, "kind": kind, "known_ms": known_ms}
    while to_ms >= from_ms:
        after_ms = max(to_ms - span_ms, from_ms - 1)
        rows = conn.execute(_WITHIN, {**given, "after_ms": after_ms, "to_ms": to_ms}).all()
        yield from rows
        to_ms, span_ms = after_ms, 2 * span_ms
        if not rows:
            newest = conn.execute(_NEWEST, {"chain": chain, "kind": kind, "to_ms": to_ms}).scalar_one()
            to_ms = from_ms - 1 if newest is None else newest


def first_end(conn: Connection, chain: bytes) -> int | None:
    """When the first use of a chain ended, of whatever kind; None before there is one."""
    found: int | None = conn.execute(_FIRST_END, {"chain": chain}).scalar_one()
    return found


def last_uses(
    conn: Connection, chains: Collection[bytes], kind: str, to_ms: int, known_ms: int = FAR_MS
) -> dict[bytes, list[Any]]:
    """chain -> its uses that ended last by then, of those recorded before `known_ms`, as they stand; those of several
    channels may have ended together. One look into the index for each frame, whatever it holds."""
    if not chains:
        return {}
    given = {"chains": list(chains), "kind": kind, "to_ms": to_ms, "known_ms": known_ms}
    ends = [row for row in conn.execute(_LAST_ENDS, given) if row.end_ms is not None]
    latest: dict[bytes, int] = {}
    for row in ends:
        latest[bytes(row.chain)] = max(row.end_ms, latest.get(bytes(row.chain), row.end_ms))
    wanted = [(bytes(row.id), row.end_ms) for row in ends if row.end_ms == latest[bytes(row.chain)]]
    rows = bulk.rows_among(conn, "use_id, recorded_ms", use_row, ("frame", "end_ms"), wanted)
    found: dict[bytes, list[Any]] = {}
    for row in rated_uses(conn, [bytes(use_id) for use_id, recorded_ms in rows if recorded_ms < known_ms]).values():
        found.setdefault(bytes(row.chain), []).append(row)
    return found


def rated_uses(conn: Connection, ids: Iterable[bytes]) -> dict[bytes, Any]:
    """Each use with its standing rating: the highest revision."""
    return {bytes(row.use_id): row for chunk in _chunks(list(ids)) for row in conn.execute(_RATED, {"uses": chunk})}


def insert_frames(conn: Connection, rows: Mapping[bytes, Row]) -> None:
    """rows: of `use_frame` by id. Most are there already, and are only looked for."""
    query = "SELECT id FROM use_frame WHERE id"
    known = {bytes(found) for (found,) in bulk.rows_where(conn, query, sorted(rows))}
    bulk.insert_new(conn, use_frame, [rows[at] for at in sorted(rows.keys() - known)])


def set_counter(conn: Connection, key: bytes, position: bytes, value: int) -> None:
    conn.execute(update(counter).where(counter.c.counter == key).values(position=position, value=value))


def drop_counter(conn: Connection, key: bytes) -> None:
    conn.execute(delete(counter).where(counter.c.counter == key))


def upsert_counters(conn: Connection, rows: Rows) -> None:
    """rows: of `counter`, by key."""
    bulk.upsert_rows(conn, counter, rows, ("position", "value"))


BEHIND_MS_MAX = 60_000  # as long as an upload waits to be written (ingest/commit.py)


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """The open posting period; `known_ms`: the newest moment as of which the books may have been told."""

    id: int
    known_ms: int

    def recorded(self, now_ms: int) -> int:
        """When what came at `now_ms` is recorded: not before what is recorded already, or what was told as of a moment
        would change. A clock that goes back further than anything waits to be written was wrong, and is followed."""
        return self.known_ms if 0 < self.known_ms - now_ms <= BEHIND_MS_MAX else now_ms


def open_period(conn: Connection, community: str, now_ms: int) -> OpenPeriod:
    """The first is opened with the community. To be asked for under the lock of what is written."""
    found = conn.execute(_PERIOD, {"c": community}).one_or_none()
    if found is not None:
        return OpenPeriod(int(found.id), max(found.opened_ms, found.newest_ms or 0))
    opened = insert(posting_period).returning(posting_period.c.id)
    return OpenPeriod(int(conn.execute(opened, {"community": community, "opened_ms": now_ms}).scalar_one()), now_ms)


def insert_journals(conn: Connection, rows: list[dict[str, object]]) -> list[int]:
    """Ids in the order of the rows."""
    return [int(found) for found in conn.execute(_JOURNAL, rows).scalars()] if rows else []


def posting_rows(community: str, journal_id: int, lines: Amounts, recorded_ms: int) -> list[tuple[object, ...]]:
    """The rows of one journal's postings, in account order, to be written together with others. Raises Conflict."""
    if any(abs(amount) > cbor.INT_MAX for amount in lines.values()):
        raise Conflict("posting", BEYOND)
    return [
        (journal_id, position, community, *line.key(), lines[line], recorded_ms)
        for position, line in enumerate(sorted(lines, key=lambda one: one.key()))
    ]


def move_balances(conn: Connection, community: str, moves: Iterable[tuple[int, Amounts]]) -> None:
    """Add amounts to balances and to their days, in key order, so that writers never wait for each other in a ring.

    moves: (recorded ms, amounts). Raises Conflict when an account would hold more than 64 bits; the caller's
    transaction is to be given up.
    """
    by_day: dict[int, list[Amounts]] = {}
    for recorded_ms, lines in moves:
        by_day.setdefault(recorded_ms // DAY_MS, []).append(lines)
    sums = {day: total(parts) for day, parts in by_day.items()}
    lines = next(iter(sums.values())) if len(sums) == 1 else total(sums.values())
    rows = [(*line.key(), community, lines[line]) for line in sorted(lines, key=lambda one: one.key())]
    try:
        bulk.upsert_rows(conn, balance, rows, ("amount",), adds=True)
        bulk.upsert_rows(conn, account_day, _day_rows(community, sums), ("amount",), adds=True)
    except (DataError, IntegrityError) as error:
        raise Conflict("balance", BEYOND) from error


def _day_rows(community: str, sums: Mapping[int, Amounts]) -> list[tuple[object, ...]]:
    """A day's movement of an account is that under all its contracts."""
    found: dict[tuple[bytes, int, bytes, str, str], int] = {}
    for day, lines in sums.items():
        for line, amount in lines.items():
            key = line.party, day, line.holder, line.account.value, line.unit
            found[key] = found.get(key, 0) + amount
    return [(community, *key, found[key]) for key in sorted(found) if found[key]]


def _chunks(values: list[bytes]) -> Iterable[list[bytes]]:
    return (values[at : at + IN_MAX] for at in range(0, len(values), IN_MAX))
