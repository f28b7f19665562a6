"""The simulated aggregator's way to SQLite, cut short: SQLAlchemy builds and compiles every statement, then it goes to
the driver directly, and rows come back in SQLAlchemy's own results. What is unusual takes SQLAlchemy's whole way.
Traces are the same either way (`test_shortcuts_change_no_trace`); a quarter of a world's time went into that way."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import WARN_LINTING, SQLCompiler


class Rows(IteratorResult[Any]):
    """What a statement gave, read to its end."""

    def __init__(self, metadata: SimpleResultMetaData, cursor: sqlite3.Cursor) -> None:
        super().__init__(metadata, iter(cursor.fetchall()))
        self.rowcount = cursor.rowcount


class QuickConnection(Connection):
    """A connection to SQLite in memory, of one thread."""

    def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> Any:
        cursor = self._run(statement, parameters or (), isinstance(parameters, list))
        return Rows(_named(tuple(each[0] for each in cursor.description or ())), cursor)

    def execute(self, statement: Executable, parameters: Any = None, *, execution_options: Any = None) -> Any:
        if isinstance(parameters, list):
            return super().execute(statement, parameters)
        compiled, extracted, collected, _ = statement._compile_w_cache(  # type: ignore[attr-defined]
            dialect=self.dialect,
            compiled_cache=self.engine._compiled_cache,
            column_keys=sorted(parameters or ()),
            linting=self.dialect.compiler_linting | WARN_LINTING,
        )
        plan = _plan(compiled)
        if plan is None:
            return super().execute(statement, parameters)
        values = compiled.construct_params(
            parameters, extracted_parameters=extracted, escape_names=False, _collected_params=collected
        )
        metadata, names, processors = plan
        row = [values[name] for name in names]
        for at, process in processors:
            row[at] = process(row[at])
        return Rows(metadata, self._run(compiled.string, row, many=False))

    def _begin_impl(self, transaction: Any) -> None:
        self._driver.execute("BEGIN IMMEDIATE")

    def _commit_impl(self) -> None:
        self._driver.commit()

    def _rollback_impl(self) -> None:
        self._driver.rollback()

    @property
    def _driver(self) -> sqlite3.Connection:
        """One for ever: StaticPool's."""
        driver = self.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver

    def _run(self, statement: str, parameters: Sequence[Any], many: bool) -> sqlite3.Cursor:
        driver = self._driver
        try:
            return driver.executemany(statement, parameters) if many else driver.execute(statement, parameters)
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                statement, parameters, error, sqlite3.Error, dialect=self.dialect, ismulti=many
            ) from error


@cache
def _named(names: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(names)


_Plan = tuple[SimpleResultMetaData, Sequence[str], Sequence[tuple[int, Any]]]


@cache
def _plan(compiled: SQLCompiler) -> _Plan | None:
    """Columns that come back, parameters in their order, and what makes the driver's values of which of them. None for
    what only SQLAlchemy can do: lists of values in the text, values that it makes itself, ..."""
    if compiled.literal_execute_params or compiled.post_compile_params or compiled.isplaintext:
        return None
    if compiled.insert_prefetch or compiled.update_prefetch or compiled.positiontup is None:
        return None
    names = compiled.positiontup
    ways = compiled._bind_processors
    metadata = _metadata(compiled)
    return metadata, names, [(at, ways[name]) for at, name in enumerate(names) if name in ways]


def _metadata(compiled: SQLCompiler) -> SimpleResultMetaData:
    columns = compiled._result_columns
    ways = [one.type._cached_result_processor(compiled.dialect, None) for one in columns]
    return SimpleResultMetaData([one.keyname for one in columns], _processors=ways if any(ways) else None)
