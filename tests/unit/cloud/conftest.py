"""Databases for the cloud's tests: SQLite always, PostgreSQL where a server is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgres
from tallystick_cloud.db import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        db = Database(f"sqlite:///{tmp_path / 'cloud.db'}")
        yield db
        db.close()
        return
    with postgres.database(request.getfixturevalue("postgres_server")) as url:
        db = Database(url)
        yield db
        db.close()
