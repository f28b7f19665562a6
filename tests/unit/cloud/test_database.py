"""Transactions: whole or not at all, retried when a race is lost, looked at without a trace."""

import asyncio
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import OperationalError
from support import postgres
from tallystick_cloud import db, schema
from tallystick_cloud.db import Database, engine_of
from tallystick_cloud.errors import BadInput, Busy
from tallystick_cloud.migrations import upgrade


def put(conn: Connection, key: str) -> None:
    row = {"community": "c", "key": key, "content": b"", "answer": "", "at_ms": 0}
    conn.execute(insert(schema.idempotency), row)


def keys(conn: Connection) -> list[str]:
    return list(conn.execute(select(schema.idempotency.c.key).order_by(schema.idempotency.c.key)).scalars())


def test_write_that_fails_leaves_nothing(empty: Database) -> None:
    empty.write_now(upgrade)

    def half(conn: Connection) -> None:
        put(conn, "a")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        empty.write_now(half)
    assert empty.read_now(keys) == []


def test_looking_leaves_no_trace(empty: Database) -> None:
    empty.write_now(upgrade)
    if empty.is_sqlite:
        empty.read_now(put, "a")
        assert empty.read_now(keys) == []


async def test_many_writers_at_once_lose_nothing(empty: Database) -> None:
    empty.write_now(upgrade)
    await asyncio.gather(*(empty.write(put, f"{number:02}") for number in range(20)))
    assert await empty.read(keys) == [f"{number:02}" for number in range(20)]


def test_lost_race_is_tried_again_and_then_named(empty: Database) -> None:
    empty.write_now(upgrade)
    tries: list[int] = []

    class Lost(Exception):
        sqlstate = "40001"

    def race(conn: Connection, wins_at: int) -> int:
        tries.append(1)
        if len(tries) < wins_at:
            raise OperationalError("x", {}, Lost())
        return len(tries)

    assert empty.write_now(race, 3) == 3
    tries.clear()
    with pytest.raises(Busy, match="send the request again"):
        empty.write_now(race, 1_000)


def test_other_errors_are_not_hidden_by_a_retry(empty: Database) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        empty.write_now(lambda conn: conn.execute(text("SELECT * FROM no_such_table")))


def test_unknown_database_is_refused() -> None:
    with pytest.raises(BadInput, match="mysql is not supported"):
        engine_of("mysql://localhost/x")


def test_sqlite_is_durable_and_writes_ahead(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
    with db.engine.connect() as conn:
        assert conn.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert conn.execute(text("PRAGMA synchronous")).scalar_one() == 2
    db.close()


@pytest.mark.parametrize("idle", [True, False])
def test_a_connection_that_its_server_closed_is_replaced_unless_it_was_used_a_moment_ago(
    postgres_server: str, monkeypatch: pytest.MonkeyPatch, *, idle: bool
) -> None:
    monkeypatch.setattr(db, "FRESH_S", -1.0 if idle else 3600.0)
    with postgres.database(postgres_server) as url:
        database = Database(url)
        pid = database.read_now(_pid)
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
        with nullcontext() if idle else pytest.raises(OperationalError):
            database.read_now(_pid)
        assert database.read_now(_pid) != pid
        database.close()


def _pid(conn: Connection) -> int:
    return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
