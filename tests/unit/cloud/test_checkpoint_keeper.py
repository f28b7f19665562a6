"""A database that goes away ends no server: it is said once, tried again, and said once that it is back."""

import asyncio
import logging

import pytest
from sqlalchemy.exc import OperationalError
from support.books import T0, open_books
from tallystick_cloud import checkpoints
from tallystick_cloud.db import Database
from tallystick_cloud.schema import checkpoint

TIMES_AWAY = 3


class Clock:
    def utc_ms(self) -> int:
        return T0


async def test_keeper_outlives_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    books = open_books()
    real, asked, signed = Database.write, 0, asyncio.Event()

    async def write(self: Database, *args: object) -> object:
        nonlocal asked
        asked += 1
        if asked <= TIMES_AWAY:
            raise OperationalError("SELECT", {}, Exception("server closed the connection unexpectedly"))
        done = await real(self, *args)  # type: ignore[arg-type]
        if asked > TIMES_AWAY + 1:  # the beat after the first good one: what it says is said
            signed.set()
        return done

    monkeypatch.setattr(Database, "write", write)
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.001)
    keeper = checkpoints.CheckpointKeeper(books.database, books.aggregator, Clock())
    with caplog.at_level(logging.WARNING, logger=checkpoints.__name__):
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(60):
            await signed.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    said = [record.getMessage() for record in caplog.records]
    assert [("does not answer" in one, "answers again" in one) for one in said] == [(True, False), (False, True)]
    assert len(books.rows(checkpoint)) == 1
    books.database.close()
