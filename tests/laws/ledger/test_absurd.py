"""Amounts and counts beyond all measure: refused or set aside on both databases, and the books stay as they were."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Table
from support.books import DAY, HOUR, T0, Books, dump
from support.uploads import SimGateway, money, segment, wash
from tallystick_cloud import schema
from tallystick_cloud.errors import Conflict
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Line
from tallystick_protocol.cbor import INT_MAX
from tallystick_protocol.codes import ReceiptStatus
from tallystick_protocol.part import Part

MONEY: tuple[Table, ...] = (
    schema.use_row, schema.rerating, schema.counter, schema.journal, schema.posting, schema.balance,
    schema.account_day,
)  # fmt: skip
QUARTER = 900_000
HUGE = 10**18


def money_rows(books: Books) -> str:
    """A hash of every row that says what somebody owes."""

    def read(conn: Connection) -> str:
        return dump(conn, MONEY)

    return books.database.read_now(read)


def used(first: int, total: int, counts: int) -> Part:
    return money(1, [segment(first, [(T0, total), (T0 + QUARTER, total + counts)], serial="S1")])


@pytest.fixture
def gateway(either: Books) -> SimGateway:
    """With a wash in the books, so that there is something to be spoilt."""
    found = SimGateway("cellar")
    either.enrol(found, "cellar")
    either.seal_and_send(found, wash(2, 1, 1, 1, T0, T0 + HOUR), T0 + DAY)
    return found


def test_a_use_of_ten_to_the_eighteen_is_set_aside_with_its_reason_and_the_chain_goes_on(
    either: Books, gateway: SimGateway
) -> None:
    before = money_rows(either)
    outcome = either.seal_and_send(gateway, [used(1, 1000, HUGE)], T0 + DAY)
    assert outcome.receipt.status is ReceiptStatus.ACCEPTED
    assert len(outcome.receipt.quarantined) == 1
    assert money_rows(either) == before
    (row,) = (one for one in either.rows(schema.exception) if one["state"] == "quarantined")
    assert "use: costs 200000000000001, more than the 9223372036 that an amount can hold" in str(row["detail"])
    either.seal_and_send(gateway, wash(2, 4, 2, 2, T0 + 2 * HOUR, T0 + 3 * HOUR), T0 + DAY)
    assert len(either.rows(schema.use)) == 2
    assert either.audit() == []


def entry(books: Books, key: str, nano: int) -> journals.Entry:
    party = {str(row["name"]): row["id"] for row in books.rows(schema.party)}
    coop, anna = party["Coop"], party["Anna"]
    assert isinstance(coop, bytes)
    assert isinstance(anna, bytes)
    lines = {
        Line(coop, Account.RECEIVABLE, anna, bytes(32), "EUR"): nano,
        Line(coop, Account.OWN, coop, bytes(32), "EUR"): -nano,
    }
    return journals.Entry(key, "test", key.encode(), lines)


def test_an_account_never_leaves_what_it_can_hold(either: Books) -> None:
    """SQLite would go on with a float, 512 nano wrong; PostgreSQL would stop with an error that says nothing."""
    either.run(journals.post, "lindenhof", [entry(either, "first", INT_MAX - 1)], T0)
    before = either.dump()
    for nano in (2, INT_MAX, -INT_MAX + 1):
        if nano > 0:
            with pytest.raises(Conflict, match="would leave what an account can hold"):
                either.run(journals.post, "lindenhof", [entry(either, f"more {nano}", nano)], T0)
            assert either.dump() == before
        else:
            either.run(journals.post, "lindenhof", [entry(either, "back", nano)], T0)
    assert [row["amount"] for row in either.rows(schema.balance)] == [0, 0]
    assert either.audit() == []


def test_an_entry_beyond_64_bits_is_refused_before_it_is_written(either: Books) -> None:
    before = either.dump()
    with pytest.raises(Conflict, match="would leave what an account can hold"):
        either.run(journals.post, "lindenhof", [entry(either, "huge", INT_MAX + 1)], T0)
    assert either.dump() == before
