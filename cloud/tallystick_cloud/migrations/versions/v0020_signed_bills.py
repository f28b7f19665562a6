"""Shared bills are signed and logged, with what proves its share to each payer.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cost_settlement",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("bill", sa.LargeBinary(), nullable=False),
        sa.Column("reverses", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("signed_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("h", name=op.f("pk_cost_settlement")),
    )
    op.create_index(op.f("ix_cost_settlement_bill"), "cost_settlement", ["bill"], unique=False)
    op.create_table(
        "cost_leaf",
        sa.Column("bill", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("piece", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("bill", "leaf", name=op.f("pk_cost_leaf")),
    )


def downgrade() -> None:
    op.drop_table("cost_leaf")
    op.drop_index(op.f("ix_cost_settlement_bill"), table_name="cost_settlement")
    op.drop_table("cost_settlement")
