"""Channels that wait behind a part our program failed on, why a part was set aside in words, and an index of those.

Both columns are empty for all that is there: nothing waits so far.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("held_ms", sa.BigInteger(), nullable=True))
    op.add_column("exception", sa.Column("detail", sa.Text(), nullable=True))
    op.create_index(
        "ix_part_quarantined",
        "part",
        ["gid"],
        unique=False,
        sqlite_where=sa.text("standing = 'quarantined'"),
        postgresql_where=sa.text("standing = 'quarantined'"),
    )
