"""Leaves of members who were erased from a pool's closes, so that the others' proofs can still be made.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pool_erased",
        sa.Column("close", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("node", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("close", "position", "leaf", name=op.f("pk_pool_erased")),
    )


def downgrade() -> None:
    op.drop_table("pool_erased")
