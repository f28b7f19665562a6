"""What of a failure is a batch's own, and what is the machine's: the second never sets anything aside."""

import asyncio
import sqlite3
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from support.books import T0, open_books
from support.uploads import SimGateway
from tallystick_cloud import uplink as front
from tallystick_cloud.db import Database
from tallystick_cloud.errors import Busy
from tallystick_cloud.ingest import commit
from tallystick_cloud.ingest.faults import is_of_content
from tallystick_protocol import cose
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.errors import BadValue, InvariantError
from tallystick_protocol.receipt import Receipt


def wrapped(error: Exception, base: type[Exception]) -> Exception:
    """As SQLAlchemy raises it."""
    return DBAPIError.instance("SELECT", {}, error, base)  # type: ignore[no-any-return, call-overload]


@pytest.mark.parametrize(
    ("error", "is_own"),
    [
        (BadValue("part", "is bad"), True),
        (InvariantError("impossible"), True),
        (ZeroDivisionError(), True),
        (RecursionError(), True),
        (wrapped(sqlite3.IntegrityError("UNIQUE constraint failed"), sqlite3.Error), True),
        (wrapped(psycopg.errors.UniqueViolation(), psycopg.Error), True),
        (wrapped(psycopg.errors.NumericValueOutOfRange(), psycopg.Error), True),
        (OverflowError("Python int too large to convert to SQLite INTEGER"), True),
        (wrapped(sqlite3.OperationalError("database or disk is full"), sqlite3.Error), False),
        (wrapped(sqlite3.OperationalError("database is locked"), sqlite3.Error), False),
        (wrapped(sqlite3.DatabaseError("database disk image is malformed"), sqlite3.Error), False),
        (wrapped(psycopg.errors.DeadlockDetected(), psycopg.Error), False),
        (wrapped(psycopg.errors.DiskFull(), psycopg.Error), False),
        (wrapped(psycopg.errors.InFailedSqlTransaction(), psycopg.Error), False),
        (wrapped(psycopg.errors.AdminShutdown(), psycopg.Error), False),
        (PoolTimeout("QueuePool limit"), False),
        (OSError(28, "No space left on device"), False),
        (MemoryError(), False),
    ],
)
def test_what_is_the_parts_own(error: Exception, is_own: bool) -> None:
    assert is_of_content(error) is is_own


class _Silent:
    def publish(self, kind: str, data: object) -> None:
        return


class _Hand:
    def utc_ms(self) -> int:
        return T0


async def test_full_disk_is_answered_with_a_signed_busy_and_the_batch_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    books = open_books()
    gateway = SimGateway("cellar")
    books.enrol(gateway, "cellar")
    upload = gateway.seal([])
    uplink = front.Uplink(books.database, books.aggregator, _Hand(), lambda: datetime.now(UTC), _Silent())

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(commit, "ingest_group", full)
        receipt = Receipt.decode(cose.parse(await uplink.batch(gateway.gid, upload)).payload)
        assert (receipt.status, receipt.retry_after_ms) == (ReceiptStatus.BUSY, front.FAULT_RETRY_AFTER_MS)
        patch.setattr(Database, "read", lambda *_: asyncio.to_thread(full))
        with pytest.raises(Busy):
            await uplink.batch(gateway.gid, upload)
    again = Receipt.decode(cose.parse(await uplink.batch(gateway.gid, upload)).payload)
    assert again.status is ReceiptStatus.ACCEPTED
    books.database.close()
