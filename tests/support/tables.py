"""All tables in a fresh database, quickly: they are compiled once a process, and SQLite's content is copied whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache

from sqlalchemy import create_mock_engine
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.ddl import DDLElement
from tallystick_cloud import schema
from tallystick_cloud.db import Database


def make_tables(database: Database) -> None:
    """What `schema.metadata.create_all` does in an empty database."""
    statements = _statements(str(database.engine.url.drivername))
    if database.is_sqlite:
        with database.engine.begin() as conn:
            for one in statements:
                conn.exec_driver_sql(one)
        return
    with database.engine.begin() as conn:
        conn.exec_driver_sql(";".join(statements))


@cache
def _statements(driver: str) -> tuple[str, ...]:
    found: list[str] = []

    def keep(statement: Executable | DDLElement, *_: object, **__: object) -> None:
        found.append(str(statement.compile(dialect=engine.dialect)).strip())  # type: ignore[union-attr]

    engine = create_mock_engine(f"{driver}://", keep)
    schema.metadata.create_all(engine, checkfirst=False)
    return tuple(found)


def image_of(database: Database) -> bytes:
    """All that a SQLite database in memory holds."""
    with closing(database.engine.raw_connection()) as found:
        connection = found.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        return connection.serialize()


def restore(database: Database, image: bytes) -> None:
    """The SQLite database, in memory or a file, holds what was in that image and nothing else."""
    with closing(sqlite3.connect(":memory:")) as source, closing(database.engine.raw_connection()) as found:
        source.deserialize(image)
        connection = found.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        source.backup(connection)
