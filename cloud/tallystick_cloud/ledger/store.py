"""SQL of uses, ratings, counters, journals, postings and balances.

It only adds; balance, counter and use_counter, which are running sums, are what moves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Insert, bindparam, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from tallystick_cloud.schema import balance, counter, journal, posting, posting_period, use, use_counter, use_rating

from .model import Amounts

IN_MAX = 5000  # values in one IN list: far below SQLite's 32,766 parameters


@dataclass(frozen=True, slots=True)
class CounterRow:
    value: int
    position: bytes


_COUNTERS = select(counter.c.counter, counter.c.value, counter.c.position).where(
    counter.c.counter.in_(bindparam("keys", expanding=True))
)
_LATER = (
    select(use_counter.c.use_id)
    .where(use_counter.c.counter.in_(bindparam("keys", expanding=True)), use_counter.c.position > bindparam("p"))
    .distinct()
)
_KEYS_OF = select(use_counter.c.counter).where(use_counter.c.use_id.in_(bindparam("uses", expanding=True))).distinct()
_BEFORE = (
    select(use_counter.c.after)
    .where(use_counter.c.counter == bindparam("k"), use_counter.c.position < bindparam("p"))
    .order_by(use_counter.c.position.desc())
    .limit(1)
)
_USES = select(use).where(use.c.use_id.in_(bindparam("uses", expanding=True)))
_RATINGS = (
    select(use_rating.c.use_id, use_rating.c.revision, use_rating.c.fee, use_rating.c.shares, use_rating.c.counters)
    .where(use_rating.c.use_id.in_(bindparam("uses", expanding=True)))
    .order_by(use_rating.c.revision)
)
_KNOWN = select(use.c.use_id).where(use.c.use_id.in_(bindparam("uses", expanding=True)))
_USE = insert(use)
_RATING = insert(use_rating)
_USE_COUNTER = insert(use_counter)
_MOVE_COUNTER = (
    update(use_counter)
    .where(use_counter.c.counter == bindparam("k"), use_counter.c.position == bindparam("p"))
    .values(before=bindparam("b"), after=bindparam("a"))
)
_JOURNAL = insert(journal).returning(journal.c.id, sort_by_parameter_order=True)
_POSTING = insert(posting)
_PERIOD = select(posting_period.c.id).where(
    posting_period.c.community == bindparam("c"), posting_period.c.closed_ms.is_(None)
)


def lock_chains(conn: Connection, chains: Iterable[bytes]) -> None:
    """The counters' lock: one per contract chain, in order. On SQLite the one writer holds it already."""
    if conn.dialect.name != "postgresql":
        return
    for chain in sorted(chains):
        number = int.from_bytes(chain[:8], "big", signed=True)
        conn.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})


def known_uses(conn: Connection, ids: Sequence[bytes]) -> set[bytes]:
    return {bytes(found) for found in conn.execute(_KNOWN, {"uses": list(ids)}).scalars()}


def counters(conn: Connection, keys: Iterable[bytes]) -> dict[bytes, CounterRow]:
    wanted = list(keys)
    if not wanted:
        return {}
    return {bytes(k): CounterRow(v, bytes(p)) for k, v, p in conn.execute(_COUNTERS, {"keys": wanted})}


def later_uses(conn: Connection, keys: Iterable[bytes], position: bytes) -> set[bytes]:
    """Uses in any of the counters after a position."""
    return {bytes(i) for i in conn.execute(_LATER, {"keys": list(keys), "p": position}).scalars()}


def keys_of_uses(conn: Connection, ids: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for chunk in _chunks(list(ids)):
        found |= {bytes(k) for k in conn.execute(_KEYS_OF, {"uses": chunk}).scalars()}
    return found


def counter_before(conn: Connection, key: bytes, position: bytes) -> int:
    """The counter's value before a position; 0 when no use is there."""
    return conn.execute(_BEFORE, {"k": key, "p": position}).scalar_one_or_none() or 0


def uses(conn: Connection, ids: Iterable[bytes]) -> list[Any]:
    return [row for chunk in _chunks(list(ids)) for row in conn.execute(_USES, {"uses": chunk})]


def ratings(conn: Connection, ids: Iterable[bytes]) -> dict[bytes, Any]:
    """The standing rating of each use: its highest revision."""
    return {bytes(row.use_id): row for chunk in _chunks(list(ids)) for row in conn.execute(_RATINGS, {"uses": chunk})}


def insert_uses(conn: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        conn.execute(_USE, rows)


def insert_ratings(conn: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        conn.execute(_RATING, rows)


def insert_use_counters(conn: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        conn.execute(_USE_COUNTER, rows)


def move_use_counters(conn: Connection, rows: list[dict[str, object]]) -> None:
    """rows: k, p, b, a = counter, position, before, after."""
    if rows:
        conn.execute(_MOVE_COUNTER, rows)


def upsert_counters(conn: Connection, rows: list[dict[str, object]]) -> None:
    if not rows:
        return
    made = _insert(conn, counter)
    changes = {"value": made.excluded.value, "position": made.excluded.position}
    conn.execute(made.on_conflict_do_update(index_elements=["counter"], set_=changes), rows)


def open_period(conn: Connection, community: str, now_ms: int) -> int:
    """The open posting period; the first use of a community opens the first."""
    found = conn.execute(_PERIOD, {"c": community}).scalar_one_or_none()
    if found is not None:
        return int(found)
    opened = insert(posting_period).returning(posting_period.c.id)
    return int(conn.execute(opened, {"community": community, "opened_ms": now_ms}).scalar_one())


def insert_journals(conn: Connection, rows: list[dict[str, object]]) -> list[int]:
    """Ids in the order of the rows."""
    return [int(found) for found in conn.execute(_JOURNAL, rows).scalars()] if rows else []


def posting_rows(community: str, journal_id: int, lines: Amounts) -> list[dict[str, object]]:
    """The rows of one journal's postings, in account order, to be written together with others."""
    return [
        {
            "journal": journal_id,
            "position": position,
            "community": community,
            "holder": line.holder,
            "account": line.account.value,
            "party": line.party,
            "chain": line.chain,
            "unit": line.unit,
            "amount": lines[line],
        }
        for position, line in enumerate(sorted(lines, key=lambda one: one.key()))
    ]


def write_postings(conn: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        conn.execute(_POSTING, rows)


def move_balances(conn: Connection, community: str, lines: Amounts) -> None:
    """Add amounts to balances, in account order, so that writers never wait for each other in a ring."""
    if not lines:
        return
    made = _insert(conn, balance)
    keys = ["holder", "account", "party", "chain", "unit"]
    moved = made.on_conflict_do_update(index_elements=keys, set_={"amount": balance.c.amount + made.excluded.amount})
    ordered = sorted(lines, key=lambda one: one.key())
    rows = [
        {**dict(zip(keys, line.key(), strict=True)), "community": community, "amount": lines[line]} for line in ordered
    ]
    conn.execute(moved, rows)


def _insert(conn: Connection, table: Any) -> Any:
    made: Insert = postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)
    return made


def _chunks(values: list[bytes]) -> Iterable[list[bytes]]:
    return (values[at : at + IN_MAX] for at in range(0, len(values), IN_MAX))
