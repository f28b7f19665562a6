"""Many rows of one table at once: binary COPY on PostgreSQL, executemany on SQLite.

It never knows what a row means; a row is a tuple in the order of the table's columns, without a number that the
database gives itself.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from struct import Struct
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Boolean, Connection, LargeBinary, Table, Text
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
Rows = Sequence[Row]

_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, no flags, no extension (PostgreSQL manual, COPY)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_NUMBER = Struct(">iq").pack
_LENGTH = Struct(">i").pack
_SHORT = [_LENGTH(length) for length in range(256)]
IN_MAX = 5000  # values in one IN list: far below the 32,766 parameters of SQLite
_TRUE, _FALSE = _LENGTH(1) + b"\x01", _LENGTH(1) + b"\x00"


def insert_rows(conn: Connection, table: Table, rows: Rows) -> None:
    """All of them or, with an exception, none that counts: the transaction is over then."""
    if not rows:
        return
    copy, insert = _statements(table)
    driver: Any = conn.connection.driver_connection
    if conn.dialect.name != "postgresql":
        conn.exec_driver_sql(insert, list(rows))
        return
    data = encode(table, rows)
    try:
        with driver.cursor() as cursor, cursor.copy(copy) as out:
            out.write(data)
    except psycopg.Error as error:
        gone = bool(driver.closed)
        raise DBAPIError.instance(copy, None, error, psycopg.Error, connection_invalidated=gone) from error


def encode(table: Table, rows: Rows) -> bytes:
    """The rows as binary COPY reads them: column by column, because one kind at a time is what is quick here."""
    width = Struct(">h").pack(len(_columns(table)))
    cells = (_kinds(table)[at](column) for at, column in enumerate(zip(*rows, strict=True)))
    body = [width + b"".join(row) for row in zip(*cells, strict=True)]
    return b"".join((_HEAD, *body, _END))


@cache
def _columns(table: Table) -> tuple[Any, ...]:
    return tuple(column for column in table.columns if column.autoincrement is not True)


@cache
def _statements(table: Table) -> tuple[str, str]:
    """COPY and INSERT."""
    names = ", ".join(f'"{column.name}"' for column in _columns(table))
    marks = ", ".join("?" * len(_columns(table)))
    copy = f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)'
    return copy, f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'


@cache
def _kinds(table: Table) -> tuple[Callable[[Iterable[Any]], list[bytes]], ...]:
    return tuple(_kind(column) for column in _columns(table))


def _kind(column: Any) -> Callable[[Iterable[Any]], list[bytes]]:
    match column.type, bool(column.nullable):
        case (LargeBinary(), False):
            return _octets
        case (LargeBinary(), True):
            return _octets_or_null
        case (Boolean(), False):
            return _flags
        case (BigInteger(), False):
            return _numbers
        case (BigInteger(), True):
            return _numbers_or_null
        case (Text(), _):
            return _texts
        case _:
            raise TypeError(f"{column}: a {column.type} has no binary form here")


def _octets(values: Iterable[Any]) -> list[bytes]:
    return [_cell(value) for value in values]


def _octets_or_null(values: Iterable[Any]) -> list[bytes]:
    return [_NULL if value is None else _cell(value) for value in values]


def _numbers(values: Iterable[Any]) -> list[bytes]:
    return [_NUMBER(8, value) for value in values]


def _numbers_or_null(values: Iterable[Any]) -> list[bytes]:
    return [_NULL if value is None else _NUMBER(8, value) for value in values]


def _flags(values: Iterable[Any]) -> list[bytes]:
    return [_TRUE if value else _FALSE for value in values]


def _texts(values: Iterable[Any]) -> list[bytes]:
    """Most columns of text hold a few words many times."""
    known: dict[str | None, bytes] = {None: _NULL}
    found = []
    for value in values:
        cell = known.get(value)
        if cell is None:
            data = value.encode()
            cell = known[value] = _length(len(data)) + data
        found.append(cell)
    return found


def _cell(value: bytes) -> bytes:
    return _SHORT[len(value)] + value if len(value) < 256 else _LENGTH(len(value)) + value


def _length(length: int) -> bytes:
    return _SHORT[length] if length < 256 else _LENGTH(length)


def update_rows(
    conn: Connection, table: Table, key: str, names: Sequence[str], rows: Rows, *, added: frozenset[str] = frozenset()
) -> None:
    """rows: (key, *values of `names`). Values of `added` are added to what stands there."""
    if not rows:
        return
    if conn.dialect.name != "postgresql":
        sets = ", ".join(f'"{name}" = "{name}" + ?' if name in added else f'"{name}" = ?' for name in names)
        statement = f'UPDATE "{table.name}" SET {sets} WHERE "{key}" = ?'
        conn.exec_driver_sql(statement, [(*values, at) for at, *values in rows])
        return
    sets = ", ".join(f'"{name}" = {f"t.{name} + " if name in added else ""}n."{name}"' for name in names)
    columns = ", ".join(f'"{name}"' for name in (key, *names))
    statement = f'UPDATE "{table.name}" AS t SET {sets} FROM {_unnest(table, (key, *names))} AS n ({columns})'
    conn.exec_driver_sql(f'{statement} WHERE t."{key}" = n."{key}"', _arrays(rows))


def upsert_rows(conn: Connection, table: Table, rows: Rows, names: Sequence[str], *, adds: bool = False) -> None:
    """Insert, or set `names` of the row that has the primary key (with `adds`: add to them). Locks in rows' order.

    Raises DataError or IntegrityError when a sum leaves 64 bits.
    """
    if not rows:
        return
    columns = [column.name for column in _columns(table)]
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    into = f'INSERT INTO "{table.name}" ({", ".join(_quoted(name) for name in columns)})'
    if conn.dialect.name != "postgresql":
        sets = ", ".join(f'"{name}" = {_sqlite_sum(table, name) if adds else _excluded(name)}' for name in names)
        then = f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"
        conn.exec_driver_sql(f"{into} VALUES ({', '.join('?' * len(columns))}) {then}", list(rows))
        return
    sets = ", ".join(f'"{name}" = {_sum(table, name) if adds else _excluded(name)}' for name in names)
    then = f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"
    conn.exec_driver_sql(f"{into} SELECT * FROM {_unnest(table, columns)} {then}", _arrays(rows))


def insert_new(conn: Connection, table: Table, rows: Rows) -> None:
    """Insert those whose primary key is not there yet. Locks in rows' order."""
    if not rows:
        return
    columns = [column.name for column in _columns(table)]
    into = f'INSERT INTO "{table.name}" ({", ".join(_quoted(name) for name in columns)})'
    if conn.dialect.name != "postgresql":
        marks = ", ".join("?" * len(columns))
        conn.exec_driver_sql(f"{into} VALUES ({marks}) ON CONFLICT DO NOTHING", list(rows))
        return
    conn.exec_driver_sql(f"{into} SELECT * FROM {_unnest(table, columns)} ON CONFLICT DO NOTHING", _arrays(rows))


def _excluded(name: str) -> str:
    return f'excluded."{name}"'


def _sum(table: Table, name: str) -> str:
    return f'"{table.name}"."{name}" + excluded."{name}"'


def _sqlite_sum(table: Table, name: str) -> str:
    """SQLite makes a float of what leaves 64 bits; NULL is refused, as PostgreSQL refuses the number."""
    total = _sum(table, name)
    return f"CASE WHEN typeof({total}) = 'integer' THEN {total} END"


def rows_where(conn: Connection, query: str, values: Iterable[Any], then: str = "") -> list[Any]:
    """Rows of `query`, which ends with the name of a column, where the column is one of `values`.

    One text however many values there are: the driver and the server read it once. `then`: what follows on PostgreSQL
    alone, for locks; SQLite has one writer and no rows to lock.
    """
    wanted = list(values)
    if not wanted:
        return []
    if conn.dialect.name == "postgresql":
        return list(conn.exec_driver_sql(f"{query} = ANY(%b) {then}", (wanted,)))
    found: list[Any] = []
    for at in range(0, len(wanted), IN_MAX):
        some = wanted[at : at + IN_MAX]
        found += conn.exec_driver_sql(f"{query} IN ({', '.join('?' * len(some))})", tuple(some))
    return found


def rows_among(conn: Connection, columns: str, table: Table, names: Sequence[str], rows: Rows) -> list[Any]:
    """`columns` of the rows of a table whose `names` are one of `rows`."""
    if not rows:
        return []
    query = f'SELECT {columns} FROM "{table.name}" WHERE ({", ".join(_quoted(name) for name in names)}) IN'
    if conn.dialect.name == "postgresql":
        return list(conn.exec_driver_sql(f"{query} (SELECT * FROM {_unnest(table, names)})", _arrays(rows)))
    found: list[Any] = []
    marks = f"({', '.join('?' * len(names))})"
    for at in range(0, len(rows), IN_MAX):
        some = rows[at : at + IN_MAX]
        flat = tuple(value for row in some for value in row)
        found += conn.exec_driver_sql(f"{query} (VALUES {', '.join([marks] * len(some))})", flat)
    return found


def _quoted(name: str) -> str:
    return f'"{name}"'


def _unnest(table: Table, names: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%b::{_array_of(table.columns[name].type)}' for name in names)})"


def _array_of(kind: Any) -> str:
    match kind:
        case LargeBinary():
            return "bytea[]"
        case BigInteger():
            return "bigint[]"
        case Text():
            return "text[]"
        case _:
            raise TypeError(f"arrays of {kind} are not made here")


def _arrays(rows: Rows) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
