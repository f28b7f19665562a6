"""Tables of split instructions: accounts at a payment provider, what is due through it, runs, payments, approvals.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "split_account",
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("set_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("party", name=op.f("pk_split_account")),
    )
    op.create_table(
        "split_approval",
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("run", "party", name=op.f("pk_split_approval")),
    )
    op.create_table(
        "split_due",
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("nano", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("chain", "number", "payer", "party", name=op.f("pk_split_due")),
    )
    op.create_table(
        "split_part",
        sa.Column("payment", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider_account", sa.Text(), nullable=False),
        sa.Column("due", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("payment", "position", name=op.f("pk_split_part")),
    )
    op.create_index(op.f("ix_split_part_community_party"), "split_part", ["community", "party"], unique=False)
    op.create_table(
        "split_payment",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("payer", sa.LargeBinary(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("payer_account", sa.Text(), nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("outcome_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("paid_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_payment")),
        sa.UniqueConstraint("run", "position", name=op.f("uq_split_payment_run_position")),
    )
    op.create_index(op.f("ix_split_payment_chain_payer"), "split_payment", ["chain", "payer"], unique=False)
    op.create_index(op.f("ix_split_payment_community_payer"), "split_payment", ["community", "payer"], unique=False)
    op.create_table(
        "split_run",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("collector", sa.LargeBinary(), nullable=False),
        sa.Column("collector_name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("execution_day", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposer", sa.LargeBinary(), nullable=False),
        sa.Column("proposed_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("approved_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("written_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("held", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_run")),
        sa.UniqueConstraint("community", "key", name=op.f("uq_split_run_community_key")),
        sa.UniqueConstraint("community", "number", name=op.f("uq_split_run_community_number")),
    )
    op.create_index(op.f("ix_split_run_community_state"), "split_run", ["community", "state"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_split_run_community_state"), table_name="split_run")
    op.drop_table("split_run")
    op.drop_index(op.f("ix_split_payment_community_payer"), table_name="split_payment")
    op.drop_index(op.f("ix_split_payment_chain_payer"), table_name="split_payment")
    op.drop_table("split_payment")
    op.drop_index(op.f("ix_split_part_community_party"), table_name="split_part")
    op.drop_table("split_part")
    op.drop_table("split_due")
    op.drop_table("split_approval")
    op.drop_table("split_account")
