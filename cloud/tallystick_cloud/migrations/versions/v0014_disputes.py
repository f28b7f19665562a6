"""The table of disputes.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dispute",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("use_id", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("opened_by", sa.LargeBinary(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.LargeBinary(), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decision_shown", sa.LargeBinary(), nullable=True),
        sa.Column("given_back", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("use_id", name=op.f("uq_dispute_use_id")),
    )
    op.create_index(op.f("ix_dispute_community_state"), "dispute", ["community", "state"], unique=False)
    op.create_index(op.f("ix_dispute_chain_decided_ms"), "dispute", ["chain", "decided_ms"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_dispute_chain_decided_ms"), table_name="dispute")
    op.drop_index(op.f("ix_dispute_community_state"), table_name="dispute")
    op.drop_table("dispute")
