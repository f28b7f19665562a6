"""The migrations make exactly the tables that the code speaks of, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect
from tallystick_cloud import schema
from tallystick_cloud.db import Database
from tallystick_cloud.migrations import upgrade


def differences(conn: Connection) -> list[object]:
    context = MigrationContext.configure(conn, opts={"compare_type": True})
    return list(compare_metadata(context, schema.metadata))


def test_migrated_database_equals_the_metadata(empty: Database) -> None:
    empty.write_now(upgrade)
    assert empty.read_now(differences) == []


def test_migrating_twice_changes_nothing(empty: Database) -> None:
    empty.write_now(upgrade)
    empty.write_now(upgrade)
    assert empty.read_now(differences) == []


def test_primary_keys_equal_the_metadata(empty: Database) -> None:
    empty.write_now(upgrade)

    def keys(conn: Connection) -> dict[str, list[str]]:
        look = inspect(conn)
        return {name: look.get_pk_constraint(name)["constrained_columns"] for name in schema.metadata.tables}

    wanted = {name: [c.name for c in t.primary_key] for name, t in schema.metadata.tables.items()}
    assert empty.read_now(keys) == wanted


def test_every_row_states_its_community() -> None:
    for name, table in schema.metadata.tables.items():
        assert name == "community" or not table.c.community.nullable
