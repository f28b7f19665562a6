"""Tables of bills that are shared by a key.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cost_bill",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("bill", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("decision_ref", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("posted_by", sa.LargeBinary(), nullable=False),
        sa.Column("posted_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reversed_by", sa.LargeBinary(), nullable=True),
        sa.Column("reversed_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("reversed_why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cost_bill")),
        sa.UniqueConstraint("community", "bill", name=op.f("uq_cost_bill_community_bill")),
    )
    op.create_index(op.f("ix_cost_bill_chain"), "cost_bill", ["chain"], unique=False)
    op.create_table(
        "cost_share",
        sa.Column("bill", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Text(), nullable=False),
        sa.Column("last_day", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bill", "position", name=op.f("pk_cost_share")),
    )
    op.create_index(op.f("ix_cost_share_community_party"), "cost_share", ["community", "party"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_cost_share_community_party"), table_name="cost_share")
    op.drop_table("cost_share")
    op.drop_index(op.f("ix_cost_bill_chain"), table_name="cost_bill")
    op.drop_table("cost_bill")
