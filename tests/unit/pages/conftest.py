"""The money world, made once; tests that change it do so in a transaction that is rolled back."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from support.money_world import open_money
from support.settled import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    found = open_money()
    yield found
    found.books.database.close()


@pytest.fixture
def conn(world: World) -> Iterator[Connection]:
    """What a test writes is gone after it."""
    with world.books.database.engine.connect() as found:
        yield found
        found.rollback()
