"""The simulated aggregator's way to SQLite, cut short: SQLAlchemy builds and compiles every statement, then it goes to
the driver directly, and rows come back in SQLAlchemy's own results. What is unusual takes SQLAlchemy's whole way.
Traces are the same either way (`test_shortcuts_change_no_trace`); a sixth of a world's time went into that way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
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

    def __iter__(self) -> Iterator[Any]:
        return iter(self.all())


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
        metadata, text, names, ways = plan
        if compiled.post_compile_params:  # a list of values: as many marks as it has
            expanded = compiled._process_parameters_for_postcompile(values)
            text, names, ways = expanded.statement, expanded.positiontup, {**ways, **expanded.processors}
            values = {**values, **expanded.parameters}
        row = [ways[name](values[name]) if name in ways else values[name] for name in names]
        return Rows(metadata, self._run(text, row, many=False))

    def _begin_impl(self, transaction: Any) -> None:
        self._driver.execute("BEGIN IMMEDIATE")

    def _commit_impl(self) -> None:
        self._driver.commit()

    def _rollback_impl(self) -> None:
        self._driver.rollback()

    @cached_property
    def _driver(self) -> sqlite3.Connection:
        """One for ever: StaticPool's."""
        driver = self.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver

    def _run(self, statement: str, parameters: Sequence[Any], many: bool) -> sqlite3.Cursor:
        run = self._driver.executemany if many else self._driver.execute
        try:
            return run(statement, parameters)
        except sqlite3.Error as error:
            raise DBAPIError.instance(
                statement, parameters, error, sqlite3.Error, dialect=self.dialect, ismulti=many
            ) from error


@cache
def _named(names: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(names)


_Plan = tuple[SimpleResultMetaData, str, Sequence[str], Mapping[str, Any]]


@cache
def _plan(compiled: SQLCompiler) -> _Plan | None:
    """Columns that come back, the text, parameters in their order, and what makes the driver's values of which of them.
    None for what only SQLAlchemy can do: values that it makes itself, text of others, ..."""
    if compiled.literal_execute_params or compiled.isplaintext or compiled.positiontup is None:
        return None
    if compiled.insert_prefetch or compiled.update_prefetch:
        return None
    columns = compiled._result_columns
    ways = [one.type._cached_result_processor(compiled.dialect, None) for one in columns]
    metadata = SimpleResultMetaData([one.keyname for one in columns], _processors=ways if any(ways) else None)
    return metadata, compiled.string, compiled.positiontup, compiled._bind_processors
