"""The way to the database: one transaction per use case, on SQLite or PostgreSQL.

It never knows a table and never decides anything; a use case is a synchronous function over a Connection.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import StaticPool

from .errors import BadInput, Busy
from .sqlite import add_functions

P = ParamSpec("P")
T = TypeVar("T")

TRIES_MAX = 6  # 10 ms * 2^n: about 0.6 s in all; a gateway sends again anyway
RETRY_FIRST_S = 0.01
SQLITE_BUSY_MS = 10_000  # a backup or a command line holding the write lock
READERS = 4  # threads for reads; pages are short
FRESH_S = 1.0  # a server that is restarted takes about as long
POSTGRES_WRITERS = 4  # different gateways commit side by side; more only wait for log_head
RETRYABLE = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock timeout (PostgreSQL, app. A)


def engine_of(url: str) -> Engine:
    """An engine with every safety option spelled out; raises BadInput for another database."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise BadInput("--db", "is no database URL; use sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite(url, in_memory=parsed.database in (None, "", ":memory:"))
        case "postgresql":
            engine = create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                isolation_level="READ COMMITTED",  # locks are taken by hand in the global order
                pool_size=READERS + POSTGRES_WRITERS,
            )
            _look_after_idle(engine)
            return engine
        case other:
            raise BadInput("--db", f"{other} is not supported; use sqlite:///FILE or postgresql://...")


def _look_after_idle(engine: Engine) -> None:
    """Ask a connection whether it is still there, and replace it if not, unless it was used a moment ago: SQLAlchemy's
    own `pool_pre_ping` asks each time, a fifth of what a short read costs."""

    def used(connection: Any, record: Any) -> None:
        record.info["used_s"] = time.monotonic()

    def asked(connection: Any, record: Any, _: object) -> None:
        if time.monotonic() - record.info["used_s"] > FRESH_S and not _is_there(engine, connection):
            raise DisconnectionError("the server closed it")

    event.listen(engine, "connect", used)
    event.listen(engine, "checkin", used)
    event.listen(engine, "checkout", asked)


def _is_there(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def sqlite_url(data: Path) -> str:
    return f"sqlite:///{data / 'cloud.db'}"


def _sqlite(url: str, *, in_memory: bool) -> Engine:
    arguments: dict[str, Any] = {"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000}
    if in_memory:
        engine = create_engine(url, connect_args=arguments, poolclass=StaticPool)
    else:
        engine = create_engine(url, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver's own guess at BEGIN is off; see _begun
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # NORMAL loses acknowledged rows in a power cut
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA cache_size=-16000")
        cursor.close()
        add_functions(connection)

    @event.listens_for(engine, "begin")
    def _begun(conn: Connection) -> None:
        reading = conn.get_execution_options().get("tallystick_reading", False)
        conn.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    if state is None and "database is locked" in str(error.orig):
        return "40001"
    return state if isinstance(state, str) else None


@contextmanager
def savepoint(conn: Connection) -> Iterator[None]:
    """What is done inside is undone when it raises; the transaction goes on. Two statements: `begin_nested` costs
    three times as much (196 us against 58), and every batch has one."""
    conn.exec_driver_sql("SAVEPOINT part")
    try:
        yield
    except BaseException:
        with suppress(DBAPIError):  # the connection may be what broke; then the whole transaction goes
            conn.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            conn.exec_driver_sql("RELEASE SAVEPOINT part")
        raise
    conn.exec_driver_sql("RELEASE SAVEPOINT part")


class Database:
    """Runs use cases in threads, a whole transaction in one hop.

    Writers on SQLite stand in one line; on PostgreSQL they meet at row locks in the global order
    gateway_head, versions in force, counter (by contract chain), balance, log_head.
    """

    def __init__(self, url: str) -> None:
        self.engine = engine_of(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        writers = 1 if self.is_sqlite else POSTGRES_WRITERS
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")

    async def write(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One transaction; committed when this returns. Raises Busy after TRIES_MAX lost races."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writers, lambda: self.write_now(fn, *args, **kwargs))

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One consistent look; whatever fn writes is rolled back."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read_now(fn, *args, **kwargs))

    def write_now(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same on the caller's thread, for commands and tests."""
        for attempt in range(TRIES_MAX):
            try:
                with self.engine.begin() as conn:
                    return fn(conn, *args, **kwargs)
            except DBAPIError as error:
                if _sqlstate(error) not in RETRYABLE:
                    raise
            time.sleep(RETRY_FIRST_S * 2**attempt)
        raise Busy("database", f"lost {TRIES_MAX} races for its locks; send the request again")

    def read_now(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self.engine.connect() as conn:
            looking = conn.execution_options(tallystick_reading=True)
            if not self.is_sqlite:
                looking = conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return fn(looking, *args, **kwargs)

    def glance_now(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For fn that runs one statement, which is one look by itself: without a transaction's two round trips."""
        if self.is_sqlite:
            return self.read_now(fn, *args, **kwargs)
        with self.engine.connect() as conn:
            return fn(conn.execution_options(isolation_level="AUTOCOMMIT"), *args, **kwargs)

    def close(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()
