"""Books for the laws of the ledger: SQLite always, PostgreSQL where a server is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgres
from support.books import Books, open_books


@pytest.fixture
def books() -> Iterator[Books]:
    """On SQLite in memory."""
    found = open_books()
    yield found
    found.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """On a SQLite file and on PostgreSQL."""
    if request.param == "sqlite":
        found = open_books(f"sqlite:///{tmp_path / 'cloud.db'}")
        yield found
        found.database.close()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        found = open_books(url)
        yield found
        found.database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'cloud.db'}"
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        yield url
