"""The tables of unclaimed money.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unclaimed_rule",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("days", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.LargeBinary(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_unclaimed_rule")),
    )
    op.create_table(
        "unclaimed",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("nano", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("moved_by", sa.LargeBinary(), nullable=False),
        sa.Column("moved_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claimed_by", sa.LargeBinary(), nullable=True),
        sa.Column("claimed_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("identity", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unclaimed")),
    )
    op.create_index(op.f("ix_unclaimed_community_party"), "unclaimed", ["community", "party"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_unclaimed_community_party"), table_name="unclaimed")
    op.drop_table("unclaimed")
    op.drop_table("unclaimed_rule")
