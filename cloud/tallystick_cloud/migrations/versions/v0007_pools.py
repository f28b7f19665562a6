"""Tables of pools: files of the grid, energy, prices, coefficients, closes.

It only creates; nothing is read or changed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def number(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=null)


def upgrade() -> None:
    op.create_table(
        "coefficient",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        number("year"),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("h", "community", "meter", name=op.f("pk_coefficient")),
    )
    op.create_table(
        "grid_file",
        sa.Column("h", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        number("row_count"),
        number("taken_ms"),
        sa.PrimaryKeyConstraint("h", "community", name=op.f("pk_grid_file")),
    )
    op.create_table(
        "grid_row",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        number("start_ms"),
        number("version"),
        number("span_ms"),
        number("wh"),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        number("taken_ms"),
        sa.PrimaryKeyConstraint("community", "meter", "direction", "start_ms", "version", name=op.f("pk_grid_row")),
    )
    op.create_index(op.f("ix_grid_row_community_start_ms"), "grid_row", ["community", "start_ms"], unique=False)
    op.create_table(
        "pool_close",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        number("from_ms"),
        number("to_ms"),
        sa.Column("kind", sa.Text(), nullable=False),
        number("number"),
        number("interval_count"),
        number("open_count"),
        number("journal", null=True),
        number("closed_ms"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_close")),
    )
    op.create_index(op.f("ix_pool_close_chain_from_ms"), "pool_close", ["chain", "from_ms"], unique=False)
    op.create_table(
        "series_price",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        number("start_ms"),
        number("version"),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("file", sa.LargeBinary(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        number("taken_ms"),
        sa.PrimaryKeyConstraint("community", "series", "start_ms", "version", name=op.f("pk_series_price")),
    )


def downgrade() -> None:
    op.drop_table("series_price")
    op.drop_index(op.f("ix_pool_close_chain_from_ms"), table_name="pool_close")
    op.drop_table("pool_close")
    op.drop_index(op.f("ix_grid_row_community_start_ms"), table_name="grid_row")
    op.drop_table("grid_row")
    op.drop_table("grid_file")
    op.drop_table("coefficient")
