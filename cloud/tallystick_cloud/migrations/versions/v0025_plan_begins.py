"""A channel that comes into the plan of a running site is billed from a moment on, which its descriptor says too.

Those of before were planned before their gateway read them: they have none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("since_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("channel", "since_ms")
