"""Alembic's entry: runs the migrations on the connection that the caller handed over.

It never opens a connection of its own and never logs.
"""

from alembic import context

from tallystick_cloud.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
context.run_migrations()
