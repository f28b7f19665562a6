"""A seeded city on SQLite always, and on PostgreSQL where a server is installed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from support import postgres
from support.city_seed import Seed, seed_city
from support.tables import make_tables
from tallystick_cloud.db import Database


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def city(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Seeded once; tests that change it do so in a transaction that is rolled back."""
    if request.param == "sqlite":
        yield from _seeded("sqlite:///:memory:")
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield from _seeded(url)


@pytest.fixture
def conn(city: Database) -> Iterator[Connection]:
    """What a test writes is gone after it."""
    with city.engine.connect() as found:
        yield found
        found.rollback()


def _seeded(url: str) -> Iterator[Database]:
    database = Database(url)
    make_tables(database)
    database.write_now(seed_city, Seed(gateways=4, uses=0, alarms=0))
    yield database
    database.close()
