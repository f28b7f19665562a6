"""Schema migrations and the functions that bring a database to the newest of them, or say where it stands.

It never drops data; every migration is tested on SQLite and PostgreSQL against `schema`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent


def upgrade(conn: Connection, revision: str = "head") -> None:
    """Bring the database behind `conn` to a migration (the newest), inside its transaction."""
    from alembic import command  # a fifth of a second that most command lines do not need

    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, revision)


def revision_of(conn: Connection) -> str | None:
    """The migration that a database stands at; None for one that was never migrated."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(conn).get_current_revision()


def revisions() -> list[str]:
    """Every migration of this program, oldest first."""
    from alembic.script import ScriptDirectory

    found = [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]
    return list(reversed(found))


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config
