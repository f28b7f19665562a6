"""SQL of pools: rows of the grid's files, prices, coefficients and closes.

It never changes a row but to erase a person; a correction is a row with the next version.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update
from tallystick_protocol import cose
from tallystick_protocol.money.calendar import Period
from tallystick_protocol.pool_settlement import PoolSettlement
from tallystick_protocol.sum_tree import SumNode

from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    balance,
    coefficient,
    contract_version,
    grid_file,
    grid_row,
    journal,
    pool_close,
    pool_erased,
    pool_interval,
    pool_secret,
    pool_statement,
    posting,
    series_price,
)

OF_A_PARTY = [Account.RECEIVABLE.value, Account.PAYABLE.value, Account.FUND.value]

Key = tuple[str, str, int]
"""(meter, direction, start in ms)"""


def has_file(conn: Connection, community: str, h: bytes) -> bool:
    where = (grid_file.c.community == community, grid_file.c.h == h)
    return conn.execute(select(grid_file.c.h).where(*where)).first() is not None


def insert_file(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(grid_file), dict(row))


def files(conn: Connection, community: str) -> Sequence[Any]:
    """Everything that was taken in, the newest first."""
    query = select(grid_file).where(grid_file.c.community == community)
    return conn.execute(query.order_by(grid_file.c.taken_ms.desc(), grid_file.c.name)).all()


@dataclass(frozen=True, slots=True)
class GridValue:
    """The newest row of a meter in an interval of this length."""

    version: int
    wh: int
    span_ms: int


def energy(conn: Connection, community: str, from_ms: int, to_ms: int) -> dict[Key, GridValue]:
    """What the grid's files say as it stands, of intervals that start in [from, to)."""
    where = (grid_row.c.community == community, grid_row.c.start_ms >= from_ms, grid_row.c.start_ms < to_ms)
    key = (grid_row.c.meter, grid_row.c.direction, grid_row.c.start_ms)
    query = select(*key, grid_row.c.version, grid_row.c.wh, grid_row.c.span_ms).where(*where)
    rows = conn.execute(query.order_by(grid_row.c.version))
    return {(meter, direction, start): GridValue(*value) for meter, direction, start, *value in rows}


def newest_start(conn: Connection, community: str) -> int | None:
    """Begin of the last interval that a file of the grid speaks of."""
    query = select(func.max(grid_row.c.start_ms)).where(grid_row.c.community == community)
    found = conn.execute(query).scalar_one()
    return None if found is None else int(found)


def other_spans(
    conn: Connection, community: str, meters: Iterable[str], span_ms: int, time: tuple[int, int]
) -> list[tuple[str, int]]:
    """(meter, length of an interval) of rows that start in [first, last] and have another length."""
    rows = conn.execute(
        select(grid_row.c.meter, grid_row.c.span_ms)
        .where(grid_row.c.community == community, grid_row.c.meter.in_(list(meters)))
        .where(grid_row.c.start_ms >= time[0], grid_row.c.start_ms <= time[1], grid_row.c.span_ms != span_ms)
        .distinct()
        .order_by(grid_row.c.meter)
    )
    return [(meter, int(span)) for meter, span in rows]


def insert_energy(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(grid_row), [dict(row) for row in rows])


def prices(conn: Connection, community: str, series: str, from_ms: int, to_ms: int) -> dict[int, tuple[int, str]]:
    """start -> (version, price) as it stands, of prices that start in [from, to)."""
    table = series_price.c
    where = (table.community == community, table.series == series, table.start_ms >= from_ms, table.start_ms < to_ms)
    rows = conn.execute(select(table.start_ms, table.version, table.price).where(*where).order_by(table.version))
    return {start: (version, price) for start, version, price in rows}


def insert_prices(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(series_price), [dict(row) for row in rows])


def coefficients(conn: Connection, community: str, h: bytes) -> dict[str, tuple[int, bytes]]:
    """meter -> (year, weights) of a file; empty when it was not uploaded."""
    where = (coefficient.c.community == community, coefficient.c.h == h)
    rows = conn.execute(select(coefficient.c.meter, coefficient.c.year, coefficient.c.weights).where(*where))
    return {meter: (year, bytes(weights)) for meter, year, weights in rows}


def insert_coefficients(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    conn.execute(insert(coefficient), [dict(row) for row in rows])


def closes(conn: Connection, chain: bytes, from_ms: int, to_ms: int) -> list[Any]:
    """Closes of periods inside [from, to), oldest first."""
    where = (pool_close.c.chain == chain, pool_close.c.from_ms >= from_ms, pool_close.c.to_ms <= to_ms)
    return list(conn.execute(select(pool_close).where(*where).order_by(pool_close.c.id)))


def final_over(conn: Connection, chain: bytes, from_ms: int, to_ms: int) -> Any:
    """The newest final close of a longer period that holds [from, to), None when there is none."""
    where = (pool_close.c.chain == chain, pool_close.c.from_ms <= from_ms, pool_close.c.to_ms >= to_ms)
    longer = pool_close.c.to_ms - pool_close.c.from_ms > to_ms - from_ms
    query = select(pool_close).where(*where, longer, pool_close.c.kind == "final").order_by(pool_close.c.id.desc())
    return conn.execute(query.limit(1)).one_or_none()


def posted(conn: Connection, chain: bytes, from_ms: int, to_ms: int) -> dict[Line, int]:
    """What the closes of periods inside [from, to) have posted so far."""
    keys = (posting.c.holder, posting.c.account, posting.c.party, posting.c.chain, posting.c.unit)
    where = (pool_close.c.chain == chain, pool_close.c.from_ms >= from_ms, pool_close.c.to_ms <= to_ms)
    rows = conn.execute(
        select(*keys, func.sum(posting.c.amount))
        .join(pool_close, and_(pool_close.c.journal == posting.c.journal))
        .where(*where)
        .group_by(*keys)
    )
    return {Line(bytes(h), Account(a), bytes(p), bytes(c), u): int(n) for h, a, p, c, u, n in rows}


def insert_close(conn: Connection, row: Mapping[str, object]) -> int:
    return int(conn.execute(insert(pool_close).returning(pool_close.c.id), dict(row)).scalar_one())


def insert_intervals(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(pool_interval), [dict(row) for row in rows])


def insert_secrets(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(pool_secret), [dict(row) for row in rows])


def newest_h(conn: Connection, chain: bytes) -> bytes | None:
    """The signed close before of a contract."""
    query = select(pool_close.c.h).where(pool_close.c.chain == chain, pool_close.c.h.is_not(None))
    found = conn.execute(query.order_by(pool_close.c.id.desc()).limit(1)).scalar_one_or_none()
    return None if found is None else bytes(found)


def newest_close(conn: Connection, chain: bytes, period: Period) -> Any:
    """The newest close that holds all of a period, None when there is none."""
    where = (pool_close.c.chain == chain, pool_close.c.from_ms <= period.from_ms, pool_close.c.to_ms >= period.to_ms)
    return conn.execute(select(pool_close).where(*where).order_by(pool_close.c.id.desc()).limit(1)).one_or_none()


def signed_of(close: Any) -> PoolSettlement:
    """What a close says, as it was signed."""
    return PoolSettlement.decode(cose.parse(bytes(close.envelope)).payload)


def intervals(conn: Connection, close_id: int) -> list[Any]:
    """All intervals of a close, in order."""
    query = select(pool_interval).where(pool_interval.c.close == close_id).order_by(pool_interval.c.position)
    return list(conn.execute(query))


def secrets(conn: Connection, close_id: int) -> dict[tuple[bytes, int], bytes]:
    """(version, point) -> secret."""
    rows = conn.execute(select(pool_secret).where(pool_secret.c.close == close_id))
    return {(bytes(row.version), row.point): bytes(row.secret) for row in rows}


def contract_leaves(conn: Connection, hashes: Sequence[bytes]) -> list[Any]:
    """(h, envelope, leaf) of contract versions, in the order asked for."""
    columns = (contract_version.c.h, contract_version.c.envelope, contract_version.c.leaf)
    rows = {bytes(row.h): row for row in conn.execute(select(*columns).where(contract_version.c.h.in_(list(hashes))))}
    return [rows[bytes(h)] for h in hashes]


def chains_closed(conn: Connection, community: str) -> set[bytes]:
    """Contracts with a pool of which something was closed."""
    rows = conn.execute(select(pool_close.c.chain).where(pool_close.c.community == community).distinct())
    return {bytes(chain) for chain in rows.scalars()}


# ------------------------------------------------------------ statements


def insert_statements(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(pool_statement), [dict(row) for row in rows])


def statements(conn: Connection, close_id: int) -> list[Any]:
    """The statements of a close, in the order of its tree; empty for a close of before there were any."""
    query = select(pool_statement).where(pool_statement.c.close == close_id).order_by(pool_statement.c.position)
    return list(conn.execute(query))


def moves_since(conn: Connection, chain: bytes, after: int) -> list[Any]:
    """(journal, key, cause, cause_ref, party, nano that it owes more) of journals after one, in their order."""
    rows = conn.execute(
        select(
            journal.c.id, journal.c.key, journal.c.cause, journal.c.cause_ref, posting.c.party,
            func.sum(posting.c.amount).label("nano"),
        )
        .join(posting, posting.c.journal == journal.c.id)
        .where(posting.c.chain == chain, posting.c.account.in_(OF_A_PARTY), journal.c.id > after)
        .group_by(journal.c.id, journal.c.key, journal.c.cause, journal.c.cause_ref, posting.c.party)
        .order_by(journal.c.id, posting.c.party)
    )  # fmt: skip
    return list(rows)


def newest_journal(conn: Connection, community: str) -> int:
    found = conn.execute(select(func.max(journal.c.id)).where(journal.c.community == community)).scalar()
    return 0 if found is None else int(found)


def owed_under(conn: Connection, chain: bytes) -> dict[bytes, int]:
    """party -> nano that is owed to it (negative: that it owes) under a contract."""
    where = (balance.c.chain == chain, balance.c.account.in_(OF_A_PARTY))
    rows = conn.execute(select(balance.c.party, func.sum(balance.c.amount)).where(*where).group_by(balance.c.party))
    return {bytes(party): -int(nano) for party, nano in rows}


def erase_statements(conn: Connection, community: str, party: bytes) -> int:
    """Salt and bytes of a party's statements; how many."""
    mine = (
        pool_statement.c.community == community,
        pool_statement.c.party == party,
        pool_statement.c.data.is_not(None),
    )
    return conn.execute(update(pool_statement).where(*mine).values(salt=None, data=None)).rowcount


# ------------------------------------------------------------ erasure


def all_closes(conn: Connection, chain: bytes) -> list[Any]:
    """Every close of a contract, oldest first."""
    return list(conn.execute(select(pool_close).where(pool_close.c.chain == chain).order_by(pool_close.c.id)))


def erased_leaves(conn: Connection, close_id: int) -> dict[int, dict[int, SumNode]]:
    """position of an interval -> index -> leaf of a meter whose numbers are gone."""
    found: dict[int, dict[int, SumNode]] = {}
    for row in conn.execute(select(pool_erased).where(pool_erased.c.close == close_id)):
        found.setdefault(row.position, {})[row.leaf] = SumNode.decode(bytes(row.node))
    return found


def insert_erased(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(pool_erased), [dict(row) for row in rows])


def strip_interval(conn: Connection, row: Any, meters: str, worth: str, money: str) -> None:
    """Leave in an interval what is about others."""
    where = (pool_interval.c.close == row.close, pool_interval.c.position == row.position)
    conn.execute(update(pool_interval).where(*where).values(meters=meters, worth=worth, money=money))


def delete_secrets(conn: Connection, close_id: int, version: bytes, points: Iterable[int]) -> None:
    where = (pool_secret.c.close == close_id, pool_secret.c.version == version, pool_secret.c.point.in_(list(points)))
    conn.execute(delete(pool_secret).where(*where))


def grid_starts(conn: Connection, community: str, meter: str, direction: str) -> list[int]:
    """Begins of the intervals that the grid's files say something of."""
    where = (grid_row.c.community == community, grid_row.c.meter == meter, grid_row.c.direction == direction)
    return list(
        conn.execute(select(grid_row.c.start_ms).where(*where).distinct().order_by(grid_row.c.start_ms)).scalars()
    )


def delete_energy(conn: Connection, community: str, meter: str, direction: str, starts: Sequence[int]) -> int:
    """How many rows went, of all versions."""
    gone = 0
    for at in range(0, len(starts), IN_MAX):
        where = (
            grid_row.c.community == community,
            grid_row.c.meter == meter,
            grid_row.c.direction == direction,
            grid_row.c.start_ms.in_(list(starts[at : at + IN_MAX])),
        )
        gone += conn.execute(delete(grid_row).where(*where)).rowcount
    return gone
