"""Books with real rows in real schemas, for tests of backups and migrations."""

import json
import sqlite3
from contextlib import closing
from copy import copy
from pathlib import Path

from sqlalchemy import Connection
from support.books import DAY, HOUR, T0, Books, open_books
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud import migrations
from tallystick_cloud.backup import container, service
from tallystick_cloud.backup.container import Kind
from tallystick_cloud.clock import real_utc
from tallystick_cloud.db import Database
from tallystick_cloud.log.signing import checkpoint


def open_migrated(url: str) -> Books:
    """A founded community whose tables say at which migration they are, as those of a server do."""
    books = open_books(url)
    books.run(stamp)
    return books


def stamp(conn: Connection) -> None:
    conn.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    conn.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{migrations.revisions()[-1]}')")


def used_books(url: str) -> tuple[Books, SimGateway]:
    """Three batches of washes and readings, rated and posted, under one checkpoint."""
    books = open_migrated(url)
    gateway = SimGateway("one")
    books.enrol(gateway, "cellar")
    books.hello(gateway)
    for number in range(1, 4):
        use(books, gateway, number)
    sign(books, T0 + DAY)
    return books, gateway


def copied(books: Books, gateway: SimGateway, file: Path) -> tuple[Books, SimGateway]:
    """The same books in another file, and the gateway as it is: a test may do to them what it likes."""
    with (
        closing(sqlite3.connect(str(books.database.engine.url.database))) as source,
        closing(sqlite3.connect(file)) as to,
    ):
        source.backup(to)
    other, same = copy(books), copy(gateway)
    other.database = Database(f"sqlite:///{file}")
    same.random = copy(gateway.random)
    return other, same


def use(books: Books, gateway: SimGateway, number: int) -> None:
    """One wash and an hour of readings in one batch."""
    start = T0 + number * HOUR
    readings = [(start + minute * 60_000, 100 * number + minute) for minute in (0, 30, 55)]
    parts = wash(2, number * 3 - 2, number, number, start, start + HOUR // 2)
    parts.append(money(1, [segment(number * 3 - 2, readings, serial="S1")]))
    receipt = books.seal_and_send(gateway, parts, start + HOUR).receipt
    assert receipt.status.name == "ACCEPTED", receipt


def sign(books: Books, now_ms: int) -> bytes:
    note = books.run(checkpoint, books.aggregator.of(books.community), now_ms)
    assert isinstance(note, bytes)
    return note


def back_up(books: Books, file: Path, keys: bytes | None = None) -> Path:
    with file.open("wb") as out:
        books.database.read_now(service.write, out, lambda: keys, real_utc(), lambda *_: None)
    return file


def rewritten(file: Path, to: Path, change: dict[str, str]) -> Path:
    """The same backup with other bytes in its rows, and every checksum right again: not damage, but another story."""
    frames = list(container.frames(file))
    with to.open("wb") as out:
        writer = container.Writer(out)
        for frame in frames:
            if frame.kind is Kind.ROWS:
                table, columns, octets, rows = container.rows_of(frame.payload)
                text = json.dumps(rows)
                for old, new in change.items():
                    text = text.replace(old, new)
                writer.rows(table, columns, octets, json.loads(text))
            elif frame.kind is Kind.KEYS:
                writer.frame(frame.kind, frame.payload)
            else:
                before = frame.payload
        said = service.manifest.decode(before)
        writer.frame(Kind.MANIFEST, before.replace(said.contents.encode(), writer.contents.encode()))
        writer.finish()
    return to
