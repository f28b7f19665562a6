"""The table of reversals: uses that count as if they had never been.

It only creates: a dispute that was upheld before keeps its journal.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reversal",
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("h", sa.LargeBinary(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("use_id", name=op.f("pk_reversal")),
    )
    op.create_index(op.f("ix_reversal_chain"), "reversal", ["chain"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_reversal_chain"), table_name="reversal")
    op.drop_table("reversal")
