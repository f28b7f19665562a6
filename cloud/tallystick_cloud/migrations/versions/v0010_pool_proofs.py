"""Closes of pools are signed, and their intervals are kept with what proves them.

Closes of before stay without a signature.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("h", "envelope", "digest"):
        op.add_column("pool_close", sa.Column(name, sa.LargeBinary(), nullable=True))
    op.add_column("pool_close", sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=True))
    op.create_table(
        "pool_interval",
        sa.Column("close", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("meters", sa.Text(), nullable=False),
        sa.Column("worth", sa.Text(), nullable=False),
        sa.Column("money", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("close", "position", name=op.f("pk_pool_interval")),
    )
    op.create_index(op.f("ix_pool_interval_close_start_ms"), "pool_interval", ["close", "start_ms"], unique=False)
    op.create_table(
        "pool_secret",
        sa.Column("close", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.LargeBinary(), nullable=False),
        sa.Column("point", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("close", "version", "point", name=op.f("pk_pool_secret")),
    )


def downgrade() -> None:
    op.drop_table("pool_secret")
    op.drop_index(op.f("ix_pool_interval_close_start_ms"), table_name="pool_interval")
    op.drop_table("pool_interval")
    for name in ("leaf", "digest", "envelope", "h"):
        op.drop_column("pool_close", name)
