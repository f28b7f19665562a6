"""What an account moved on each day, and the time of a posting beside it: earlier balances without adding up all.

It fills both from the journals that are there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DAY_MS = 86_400_000


def upgrade() -> None:
    op.create_table(
        "account_day",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("community", "party", "day", "holder", "account", "unit", name=op.f("pk_account_day")),
    )
    with op.batch_alter_table("posting") as batch:
        batch.add_column(sa.Column("recorded_ms", sa.BigInteger(), autoincrement=False, nullable=True))
    recorded = "(SELECT journal.recorded_ms FROM journal WHERE journal.id = posting.journal)"
    op.execute(f"UPDATE posting SET recorded_ms = {recorded}")
    with op.batch_alter_table("posting") as batch:
        batch.alter_column("recorded_ms", existing_type=sa.BigInteger(), nullable=False)
        batch.drop_index(op.f("ix_posting_party_unit"))
        batch.create_index(op.f("ix_posting_party_recorded_ms"), ["party", "recorded_ms"], unique=False)
    columns = f"community, party, recorded_ms / {DAY_MS}, holder, account, unit"
    op.execute(
        f"INSERT INTO account_day SELECT {columns}, sum(amount) FROM posting GROUP BY {columns} HAVING sum(amount) <> 0"
    )


def downgrade() -> None:
    with op.batch_alter_table("posting") as batch:
        batch.drop_index(op.f("ix_posting_party_recorded_ms"))
        batch.create_index(op.f("ix_posting_party_unit"), ["party", "unit"], unique=False)
        batch.drop_column("recorded_ms")
    op.drop_table("account_day")
