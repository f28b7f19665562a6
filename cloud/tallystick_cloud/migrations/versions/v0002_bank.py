"""Tables of what the bank says: statements, entries, payments, status reports.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_entry",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("statement", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("end_to_end", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("iban", sa.Text(), nullable=True),
        sa.Column("remittance", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("bank_reference", sa.Text(), nullable=True),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=True),
        sa.Column("booked_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_entry")),
        sa.UniqueConstraint("statement", "position", name=op.f("uq_bank_entry_statement_position")),
    )
    op.create_index(op.f("ix_bank_entry_community_standing"), "bank_entry", ["community", "standing"], unique=False)
    op.create_table(
        "bank_payment",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("nano", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("booked_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_payment")),
    )
    op.create_index(op.f("ix_bank_payment_chain_booked_ms"), "bank_payment", ["chain", "booked_ms"], unique=False)
    op.create_table(
        "bank_report",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("run", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("rejected", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_report")),
        sa.UniqueConstraint("community", "report", name=op.f("uq_bank_report_community_report")),
    )
    op.create_table(
        "bank_statement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("iban", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("opening_cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("closing_cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("opening_day", sa.Text(), nullable=False),
        sa.Column("closing_day", sa.Text(), nullable=False),
        sa.Column("base", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_statement")),
        sa.UniqueConstraint("community", "iban", "statement", name=op.f("uq_bank_statement_community_iban_statement")),
    )
    op.create_index(op.f("ix_bank_statement_community_holder"), "bank_statement", ["community", "holder"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_bank_statement_community_holder"), table_name="bank_statement")
    op.drop_table("bank_statement")
    op.drop_table("bank_report")
    op.drop_index(op.f("ix_bank_payment_chain_booked_ms"), table_name="bank_payment")
    op.drop_table("bank_payment")
    op.drop_index(op.f("ix_bank_entry_community_standing"), table_name="bank_entry")
    op.drop_table("bank_entry")
