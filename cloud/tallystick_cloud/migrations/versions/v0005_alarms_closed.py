"""Who closed an alarm, and why.

Both are empty for alarms that ended by themselves.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm", sa.Column("closed_by", sa.LargeBinary(), nullable=True))
    op.add_column("alarm", sa.Column("cause", sa.Text(), nullable=True))
