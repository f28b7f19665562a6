"""The table of turns at shared assets, and openings of several users of one asset.

Openings of before are kept: each was of one user.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_PLACE = ["contract", "asset", "quantity"]


def upgrade() -> None:
    op.create_table(
        "turn",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("party", sa.LargeBinary(), nullable=False),
        sa.Column("said_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("from_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turn")),
    )
    op.create_index(op.f("ix_turn_community_asset_to_ms"), "turn", ["community", "asset", "to_ms"], unique=False)
    op.create_index(op.f("ix_turn_community_party"), "turn", ["community", "party"], unique=False)
    _key([*_PLACE, "party"])


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM user_opening WHERE salt NOT IN (SELECT max(salt) FROM user_opening GROUP BY "
                       "contract, asset, quantity)"))  # fmt: skip
    _key(_PLACE)
    op.drop_table("turn")


def _key(columns: list[str]) -> None:
    with op.batch_alter_table("user_opening") as batch:
        batch.drop_constraint(op.f("pk_user_opening"), type_="primary")
        batch.create_primary_key(op.f("pk_user_opening"), columns)
