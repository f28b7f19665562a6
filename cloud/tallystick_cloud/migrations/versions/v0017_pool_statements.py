"""Statements of the parties of a pool, in every close of one that begins from now on.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pool_statement",
        sa.Column("close", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("moved", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closing", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("journal", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("close", "position", name=op.f("pk_pool_statement")),
    )
    op.create_index(op.f("ix_pool_statement_community_party"), "pool_statement", ["community", "party"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_pool_statement_community_party"), table_name="pool_statement")
    op.drop_table("pool_statement")
