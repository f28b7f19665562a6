"""Rows that go in together come out as they were, on both databases, and a bad one takes none of the others along."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from tallystick_cloud import bulk
from tallystick_cloud.db import Database
from tallystick_cloud.ingest.faults import is_of_content
from tallystick_cloud.schema import balance, metadata, part, posting

FIRST = (b"b" * 32, 0, "c", b"g" * 16, 1, 2, b"s" * 16, b"\x00\xff" * 200, "read", None)
PARTS = [FIRST, (b"b" * 32, 1, "ä\\\t\n", b"", None, None, None, None, "quarantined", "ABSENT")]


@pytest.fixture
def conn(empty: Database) -> Iterator[Connection]:
    """A transaction on tables of its own."""
    with empty.engine.connect() as found, found.begin() as transaction:
        metadata.create_all(found, tables=[part, posting, balance])
        yield found
        transaction.rollback()


def test_rows_come_out_as_they_went_in(conn: Connection) -> None:
    bulk.insert_rows(conn, part, PARTS)
    bulk.insert_rows(conn, part, [])
    assert [tuple(row) for row in conn.execute(select(part).order_by(part.c.position))] == PARTS
    row = (1, 1, "c", b"h", "payable", b"p", b"k", "EUR", -(2**63), 2**62)
    bulk.insert_rows(conn, posting, [row])
    assert [tuple(found) for found in conn.execute(select(posting))] == [row]


def test_a_row_that_is_there_ends_the_transaction_as_any_driver_error(conn: Connection) -> None:
    with pytest.raises(IntegrityError) as raised:
        bulk.insert_rows(conn, part, [*PARTS, PARTS[0]])
    assert is_of_content(raised.value)


def test_sums_are_added_and_one_that_leaves_64_bits_is_refused(conn: Connection) -> None:
    def line(amount: int) -> tuple[object, ...]:
        return (b"h", "payable", b"p", b"k", "EUR", "c", amount)

    for amount in (2**62, 2**62 - 1, -5):
        bulk.upsert_rows(conn, balance, [line(amount)], ("amount",), adds=True)
    assert conn.execute(select(balance.c.amount)).scalar_one() == 2**63 - 6
    with pytest.raises(DBAPIError):
        bulk.upsert_rows(conn, balance, [line(6)], ("amount",), adds=True)


def test_updates_set_and_add(conn: Connection) -> None:
    bulk.insert_rows(conn, part, PARTS)
    bulk.update_rows(conn, part, "position", ("channel", "reason"), [(1, 7, None), (5, 1, "none")])
    bulk.update_rows(conn, part, "position", ("channel",), [(0, 4)], added=frozenset({"channel"}))
    bulk.update_rows(conn, part, "position", ("channel",), [])
    found = conn.execute(select(part.c.position, part.c.channel, part.c.reason).order_by(part.c.position)).all()
    assert [tuple(row) for row in found] == [(0, 5, None), (1, 7, None)]


def test_many_values_are_looked_for_in_pieces(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "IN_MAX", 2)
    bulk.insert_rows(conn, part, [(bytes([n]), 0, *FIRST[2:]) for n in range(5)])
    found = bulk.rows_where(conn, "SELECT batch FROM part WHERE batch", [bytes([n]) for n in range(1, 9)])
    assert sorted(bytes(h) for (h,) in found) == [bytes([n]) for n in range(1, 5)]
    assert bulk.rows_where(conn, "SELECT batch FROM part WHERE batch", []) == []


def test_rows_are_looked_for_by_several_columns(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "IN_MAX", 2)
    bulk.insert_rows(conn, part, [(bytes([n]), n, *FIRST[2:]) for n in range(5)])
    wanted = [(bytes([n]), n) for n in range(1, 9)] + [(bytes([0]), 3)]
    found = bulk.rows_among(conn, "position", part, ("batch", "position"), wanted)
    assert sorted(position for (position,) in found) == [1, 2, 3, 4]
    assert bulk.rows_among(conn, "position", part, ("batch", "position"), []) == []
