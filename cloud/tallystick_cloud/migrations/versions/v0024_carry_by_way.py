"""What is carried to a buyer's next document is kept by the way of payment: a provider's has documents of its own.

What was carried until now is to be transferred, for nothing else had documents.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

NAME = "invoice_carry"
_HEAD = ("issuer", "buyer")
_TAIL = ("community", "nano")


def upgrade() -> None:
    rows = _rows((*_HEAD, *_TAIL))
    op.drop_table(NAME)
    _create(sa.Column("way", sa.Text(), nullable=False))
    _insert((*_HEAD, "way", *_TAIL), [(*row[:2], "transfer", *row[2:]) for row in rows])


def downgrade() -> None:
    rows = [row for row in _rows((*_HEAD, "way", *_TAIL)) if row[2] == "transfer"]
    op.drop_table(NAME)
    _create()
    _insert((*_HEAD, *_TAIL), [(*row[:2], *row[3:]) for row in rows])


def _rows(names: tuple[str, ...]) -> list[tuple[object, ...]]:
    """A row per buyer: they fit in memory."""
    table = sa.table(NAME, *(sa.column(name) for name in names))
    return [tuple(row) for row in op.get_bind().execute(sa.select(table))]


def _create(*way: sa.Column[str]) -> None:
    op.create_table(
        NAME,
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        *way,
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("nano", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "buyer", *(one.name for one in way), name=op.f("pk_invoice_carry")),
    )


def _insert(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    if rows:
        table = sa.table(NAME, *(sa.column(name) for name in names))
        op.get_bind().execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
