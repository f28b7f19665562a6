"""Rows out of a database and into one, whatever schema it has: those of an older one are read from the database.

It never decides whether rows may be written.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, LargeBinary, MetaData, Table, func, insert, inspect, select, text
from sqlalchemy.schema import DropTable
from tallystick_protocol.errors import InvariantError

from tallystick_cloud import migrations, schema
from tallystick_cloud.errors import BadInput

from .container import Writer

VERSIONS = "alembic_version"
FRAME_ROWS, FRAME_BYTES = 2_000, 1 << 20

Progress = Callable[[str, int, int], None]
"""(what is being done, rows so far, rows in all)"""


def tables_of(conn: Connection, revision: str) -> dict[str, Table]:
    """The database's tables by name, without the migrations' own."""
    found = schema.metadata
    if revision != migrations.revisions()[-1]:
        found = MetaData()
        found.reflect(conn)
    return {name: table for name, table in sorted(found.tables.items()) if name != VERSIONS}


def counts(conn: Connection, tables: dict[str, Table]) -> dict[str, int]:
    return {name: conn.execute(select(func.count()).select_from(table)).scalar_one() for name, table in tables.items()}


def dump(conn: Connection, tables: dict[str, Table], expected: dict[str, int], out: Writer, say: Progress) -> None:
    """Every row, in the order of the primary key, so that the same books give the same frames."""
    done, total = 0, sum(expected.values())
    for name, table in tables.items():
        columns = [column.name for column in table.columns]
        octets = octets_of(table)
        written = 0
        for rows in _portions(conn, table):
            out.rows(name, columns, octets, rows)
            written += len(rows)
            say(f"saving {name}", done + written, total)
        if written != expected[name]:
            raise InvariantError(f"{name} has {written} rows where {expected[name]} were counted in one snapshot")
        done += written


def octets_of(table: Table) -> list[str]:
    return [column.name for column in table.columns if isinstance(column.type, LargeBinary)]


def _portions(conn: Connection, table: Table) -> Iterator[list[list[Any]]]:
    query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=FRAME_ROWS)
    rows: list[list[Any]] = []
    size = 0
    for row in conn.execute(query):
        rows.append([_plain(value) for value in row])
        size += sum(len(value) for value in rows[-1] if isinstance(value, str))
        if len(rows) == FRAME_ROWS or size > FRAME_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _plain(value: Any) -> Any:
    match value:
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case None | bool() | int() | str():
            return value
        case _:
            raise InvariantError(f"a column holds a {type(value).__name__}, which backups do not know")


def load(conn: Connection, table: Table, columns: list[str], octets: list[str], rows: list[list[Any]]) -> None:
    """Insert a frame's rows; raises BadInput when the table has other columns."""
    if set(columns) != {column.name for column in table.columns} or set(octets) != set(octets_of(table)):
        raise BadInput("backup", f"has other columns in {table.name} than its schema; take another copy")
    places = [columns.index(name) for name in octets]
    try:
        for row in rows:
            for place in places:
                if row[place] is not None:
                    row[place] = base64.b64decode(row[place], validate=True)
    except (ValueError, TypeError):
        raise BadInput("backup", f"has octets in {table.name} that are not base 64; take another copy") from None
    if rows:
        conn.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


def count_on(conn: Connection, tables: dict[str, Table]) -> None:
    """PostgreSQL counts row numbers in sequences, which rows that bring their number do not move."""
    if conn.dialect.name != "postgresql":
        return
    for name, table in tables.items():
        column = table.autoincrement_column
        if column is not None:
            sequence = f"pg_get_serial_sequence('\"{name}\"', '{column.name}')"
            highest = f'(SELECT max("{column.name}") FROM "{name}")'
            conn.execute(text(f"SELECT setval({sequence}, coalesce({highest}, 1), {highest} IS NOT NULL)"))


def strangers(conn: Connection) -> list[str]:
    """Tables of the database that no version of this program makes."""
    return sorted(set(inspect(conn).get_table_names()) - set(schema.metadata.tables) - {VERSIONS})


def drop_all(conn: Connection) -> None:
    """Every table of the database, inside the caller's transaction; no table refers to another one."""
    for name in inspect(conn).get_table_names():
        conn.execute(DropTable(Table(name, MetaData())))
