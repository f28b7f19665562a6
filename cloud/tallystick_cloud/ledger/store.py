"""SQL of uses, ratings, counters, journals, postings and balances.

It only adds; balance, account_day, counter and use_counter, which are running sums, are what moves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError
from tallystick_protocol import cbor

from tallystick_cloud import bulk
from tallystick_cloud.bulk import Rows
from tallystick_cloud.errors import Conflict
from tallystick_cloud.schema import account_day, balance, counter, journal, posting_period, use, use_counter, use_rating

from .model import DAY_MS, Amounts, total

BEYOND = "would leave what an account can hold (9,223,372,036 units); nothing is booked, check the amounts"
IN_MAX = 5000  # values in one IN list: far below SQLite's 32,766 parameters


@dataclass(frozen=True, slots=True)
class CounterRow:
    value: int
    position: bytes


_LATER = (
    select(use_counter.c.counter, use_counter.c.use_id, use_counter.c.before, use_counter.c.after)
    .where(use_counter.c.counter.in_(bindparam("keys", expanding=True)), use_counter.c.position > bindparam("p"))
    .order_by(use_counter.c.position)
)
_KEYS_OF = select(use_counter.c.counter).where(use_counter.c.use_id.in_(bindparam("uses", expanding=True))).distinct()
_RATED = (
    select(use, use_rating.c.revision, use_rating.c.fee, use_rating.c.shares)
    .join(use_rating, use_rating.c.use_id == use.c.use_id)
    .where(use.c.use_id.in_(bindparam("uses", expanding=True)))
    .order_by(use_rating.c.revision)
)
_MOVE_COUNTER = (
    update(use_counter)
    .where(use_counter.c.counter == bindparam("k"), use_counter.c.position == bindparam("p"))
    .values(before=bindparam("b"), after=bindparam("a"))
)
_JOURNAL = insert(journal).returning(journal.c.id, sort_by_parameter_order=True)
_PERIOD = (
    select(posting_period.c.id)
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


@dataclass(frozen=True, slots=True)
class Later:
    """Uses in some counters after a position, and what those counters were before the first of them."""

    uses: frozenset[bytes]
    before: Mapping[bytes, int]
    moves: Mapping[tuple[bytes, bytes], tuple[int, int]]  # (counter, use) -> (before, after) as stored


def later(conn: Connection, keys: Iterable[bytes], position: bytes) -> Later:
    found: set[bytes] = set()
    before: dict[bytes, int] = {}
    moves: dict[tuple[bytes, bytes], tuple[int, int]] = {}
    for key, use_id, value, after in conn.execute(_LATER, {"keys": list(keys), "p": position}):
        found.add(bytes(use_id))
        before.setdefault(bytes(key), value)
        moves[bytes(key), bytes(use_id)] = value, after
    return Later(frozenset(found), before, moves)


def connected(conn: Connection, keys: set[bytes], position: bytes) -> tuple[set[bytes], Later]:
    """All uses after `position` that share a counter with these keys, directly or through each other; and all keys."""
    found = later(conn, keys, position)
    while (more := keys_of_uses(conn, found.uses) | keys) != keys:
        keys = more
        found = later(conn, keys, position)
    return keys, found


def keys_of_uses(conn: Connection, ids: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for chunk in _chunks(list(ids)):
        found |= {bytes(k) for k in conn.execute(_KEYS_OF, {"uses": chunk}).scalars()}
    return found


def rated_uses(conn: Connection, ids: Iterable[bytes]) -> dict[bytes, Any]:
    """Each use with its standing rating: the highest revision."""
    return {bytes(row.use_id): row for chunk in _chunks(list(ids)) for row in conn.execute(_RATED, {"uses": chunk})}


def move_use_counters(conn: Connection, rows: list[dict[str, object]]) -> None:
    """rows: k, p, b, a = counter, position, before, after."""
    if rows:
        conn.execute(_MOVE_COUNTER, rows)


def leave_counters(conn: Connection, use_id: bytes) -> dict[bytes, int]:
    """Take a use out of its counters; key -> value before it. One that stood at it is set back, or is gone with it."""
    mine = conn.execute(select(use_counter).where(use_counter.c.use_id == use_id)).all()
    conn.execute(delete(use_counter).where(use_counter.c.use_id == use_id))
    for row in mine:
        earlier = select(use_counter.c.position).where(
            use_counter.c.counter == row.counter, use_counter.c.position < row.position
        )
        last = conn.execute(earlier.order_by(use_counter.c.position.desc()).limit(1)).scalar_one_or_none()
        stand = counter.c.counter == row.counter, counter.c.position == row.position
        if last is None:
            conn.execute(delete(counter).where(*stand))
        else:
            conn.execute(update(counter).where(*stand).values(position=last, value=row.before))
    return {bytes(row.counter): row.before for row in mine}


def upsert_counters(conn: Connection, rows: Rows) -> None:
    """rows: of `counter`, by key."""
    bulk.upsert_rows(conn, counter, rows, ("position", "value"))


def open_period(conn: Connection, community: str, now_ms: int) -> int:
    """The open posting period; the first is opened with the community."""
    found = conn.execute(_PERIOD, {"c": community}).scalar_one_or_none()
    if found is not None:
        return int(found)
    opened = insert(posting_period).returning(posting_period.c.id)
    return int(conn.execute(opened, {"community": community, "opened_ms": now_ms}).scalar_one())


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
