"""Documents: setups of issuers, invoices and credit notes, the statements that they took, what is carried.

All four begin empty.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoice_setup",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("set_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_setup")),
    )
    op.create_index(op.f("ix_invoice_setup_community_issuer"), "invoice_setup", ["community", "issuer"], unique=False)
    op.create_table(
        "invoice",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("year", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("seller", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("cents", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cites", sa.Text(), nullable=True),
        sa.Column("payout", sa.LargeBinary(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("community", "number", name=op.f("pk_invoice")),
        sa.UniqueConstraint(
            "community", "series", "year", "position", name=op.f("uq_invoice_community_series_year_position")
        ),
    )
    op.create_index(op.f("ix_invoice_community_issuer_period"), "invoice", ["community", "issuer", "period"])
    op.create_index(op.f("ix_invoice_community_buyer"), "invoice", ["community", "buyer"], unique=False)
    op.create_index(op.f("ix_invoice_community_seller"), "invoice", ["community", "seller"], unique=False)
    op.create_table(
        "invoice_statement",
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("settlement", sa.LargeBinary(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("taken_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("statement", "issuer", name=op.f("pk_invoice_statement")),
    )
    op.create_index(op.f("ix_invoice_statement_settlement_party"), "invoice_statement", ["settlement", "party"])
    op.create_table(
        "invoice_carry",
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("nano", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "buyer", name=op.f("pk_invoice_carry")),
    )
