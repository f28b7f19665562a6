"""A house's bill on both databases: shared once, taken back once, and the books are as if it had never been."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select
from support.shared_house import CENTS, House, house, open_house
from tallystick_cloud import schema


@pytest.fixture
def home(either_url: str) -> Iterator[House]:
    made = open_house(either_url)
    yield made
    made.books.database.close()


def moved(home: House) -> dict[tuple[object, ...], int]:
    """Accounts that are not even."""

    def read(conn: Connection) -> dict[tuple[object, ...], int]:
        rows = conn.execute(select(schema.balance).where(schema.balance.c.amount != 0))
        return {(row.account, bytes(row.party), bytes(row.chain)): row.amount for row in rows}

    return home.books.database.read_now(read)


def test_shared_twice_and_taken_back_twice(home: House) -> None:
    before = moved(home)
    home.post(house())
    once = moved(home)
    assert sum(amount for (account, *_), amount in once.items() if account == "receivable") == CENTS * 10**7
    assert home.post(house()).again
    assert moved(home) == once
    assert not home.reverse().again
    assert home.reverse().again
    assert moved(home) == before
    assert home.books.audit() == []
