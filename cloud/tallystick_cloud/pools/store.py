"""SQL of pools: rows of the grid's files, prices, coefficients and closes.

It never changes a row; a correction is a row with the next version.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select

from tallystick_cloud.ledger.model import Account, Line
from tallystick_cloud.schema import coefficient, grid_file, grid_row, pool_close, posting, series_price

Key = tuple[str, str, int]
"""(meter, direction, start in ms)"""


def has_file(conn: Connection, community: str, h: bytes) -> bool:
    where = (grid_file.c.community == community, grid_file.c.h == h)
    return conn.execute(select(grid_file.c.h).where(*where)).first() is not None


def insert_file(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(grid_file), dict(row))


def energy(conn: Connection, community: str, from_ms: int, to_ms: int) -> dict[Key, tuple[int, int]]:
    """key -> (version, Wh) as it stands, of intervals that start in [from, to)."""
    where = (grid_row.c.community == community, grid_row.c.start_ms >= from_ms, grid_row.c.start_ms < to_ms)
    rows = conn.execute(
        select(grid_row.c.meter, grid_row.c.direction, grid_row.c.start_ms, grid_row.c.version, grid_row.c.wh)
        .where(*where)
        .order_by(grid_row.c.version)
    )
    return {(meter, direction, start): (version, wh) for meter, direction, start, version, wh in rows}


def spans(conn: Connection, community: str, meters: Iterable[str]) -> dict[str, int]:
    """meter -> length of the intervals of its rows."""
    rows = conn.execute(
        select(grid_row.c.meter, func.max(grid_row.c.span_ms))
        .where(grid_row.c.community == community, grid_row.c.meter.in_(list(meters)))
        .group_by(grid_row.c.meter)
    )
    return {meter: int(span) for meter, span in rows}


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


def final_over(conn: Connection, chain: bytes, at_ms: int) -> Any:
    """The newest final close of a period that holds a moment, None when there is none."""
    where = (pool_close.c.chain == chain, pool_close.c.from_ms <= at_ms, pool_close.c.to_ms > at_ms)
    query = select(pool_close).where(*where, pool_close.c.kind == "final").order_by(pool_close.c.id.desc())
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


def insert_close(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(pool_close), dict(row))


def chains_closed(conn: Connection, community: str) -> set[bytes]:
    """Contracts with a pool of which something was closed."""
    rows = conn.execute(select(pool_close.c.chain).where(pool_close.c.community == community).distinct())
    return {bytes(chain) for chain in rows.scalars()}
