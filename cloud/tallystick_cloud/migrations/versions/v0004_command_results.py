"""What became of a command, as the gateway's own event says.

Nothing was answered so far: no gateway obeyed commands before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("command", sa.Column("result", sa.Text(), nullable=True))
    op.add_column("command", sa.Column("result_ms", sa.BigInteger(), nullable=True))
