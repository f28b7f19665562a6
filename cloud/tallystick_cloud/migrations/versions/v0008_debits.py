"""Tables of direct debits: mandates, runs, debits, approvals.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "debit",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("mandate", sa.LargeBinary(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("creditor_id", sa.Text(), nullable=False),
        sa.Column("signed_day", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("debtor", sa.Text(), nullable=False),
        sa.Column("debtor_iban", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("outcome_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit")),
        sa.UniqueConstraint("run", "position", name=op.f("uq_debit_run_position")),
    )
    op.create_index(op.f("ix_debit_community_party"), "debit", ["community", "party"], unique=False)
    op.create_index(op.f("ix_debit_mandate"), "debit", ["mandate"], unique=False)
    op.create_table(
        "debit_approval",
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run", "party", name=op.f("pk_debit_approval")),
    )
    op.create_table(
        "debit_run",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("creditor", sa.Text(), nullable=False),
        sa.Column("creditor_iban", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("collection_day", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposer", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("approved_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("written_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("file_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("held", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debit_run")),
        sa.UniqueConstraint("community", "key", name=op.f("uq_debit_run_community_key")),
        sa.UniqueConstraint("community", "number", name=op.f("uq_debit_run_community_number")),
    )
    op.create_index(op.f("ix_debit_run_community_state"), "debit_run", ["community", "state"], unique=False)
    op.create_table(
        "mandate",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("creditor_id", sa.Text(), nullable=False),
        sa.Column("debtor", sa.Text(), nullable=False),
        sa.Column("debtor_iban", sa.Text(), nullable=False),
        sa.Column("signed_day", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("used_day", sa.Text(), nullable=True),
        sa.Column("notice_days", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("added_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate")),
        sa.UniqueConstraint("community", "reference", name=op.f("uq_mandate_community_reference")),
    )
    op.create_index(op.f("ix_mandate_collector_payer"), "mandate", ["collector", "payer"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_mandate_collector_payer"), table_name="mandate")
    op.drop_table("mandate")
    op.drop_index(op.f("ix_debit_run_community_state"), table_name="debit_run")
    op.drop_table("debit_run")
    op.drop_table("debit_approval")
    op.drop_index(op.f("ix_debit_mandate"), table_name="debit")
    op.drop_index(op.f("ix_debit_community_party"), table_name="debit")
    op.drop_table("debit")
