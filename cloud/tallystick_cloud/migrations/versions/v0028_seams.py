"""Seams of a register that events told of and no accepted reading has crossed.

It adds a number to each channel; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("channel") as table:
        table.add_column(sa.Column("seams", sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("channel") as table:
        table.alter_column("seams", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("channel") as table:
        table.drop_column("seams")
