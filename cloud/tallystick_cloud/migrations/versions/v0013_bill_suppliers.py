"""Whom a shared bill is owed to; empty where the collector has paid it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cost_bill", sa.Column("supplier", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("cost_bill", "supplier")
