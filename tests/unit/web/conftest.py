"""A seeded city on SQLite always, and on PostgreSQL where a server is installed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from support import postgres
from support.city_seed import Seed, seed_city
from tallystick_cloud import schema
from tallystick_cloud.db import Database


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    if postgres.binaries() is None:
        if postgres.required():
            pytest.fail("PostgreSQL is required here (TALLYSTICK_REQUIRE_SERVICES=1) and not installed")
        pytest.skip("PostgreSQL is not installed")
    with postgres.cluster() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def conn(request: pytest.FixtureRequest) -> Iterator[Connection]:
    if request.param == "sqlite":
        yield from _seeded("sqlite:///:memory:")
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield from _seeded(url)


def _seeded(url: str) -> Iterator[Connection]:
    database = Database(url)
    with database.engine.begin() as found:
        schema.metadata.create_all(found)
        seed_city(found, Seed(gateways=4, uses=0, alarms=0))
        yield found
    database.close()
