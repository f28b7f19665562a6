"""Schema migrations and the one function that brings a database to the newest of them.

It never drops data; every migration is tested on SQLite and PostgreSQL against `schema`.
"""

from pathlib import Path

from sqlalchemy import Connection

_HERE = Path(__file__).parent


def upgrade(conn: Connection) -> None:
    """Bring the database behind `conn` to the newest migration, inside its transaction."""
    from alembic import command  # a fifth of a second that most command lines do not need
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")
