"""Epochs of the log: a log that was set back goes on under another name.

Every log so far is in its first epoch.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("log_head", sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "log_epoch",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "epoch", name=op.f("pk_log_epoch")),
    )
