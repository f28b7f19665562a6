"""Every certificate of a gateway, not only the newest: a revocation list must name them all.

Certificates that were renewed before this version are not known any more; they expire by themselves.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_certificate",
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("gid", sa.LargeBinary(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_gateway_certificate")),
    )
    op.create_index(op.f("ix_gateway_certificate_gid"), "gateway_certificate", ["gid"])
    op.execute(
        "INSERT INTO gateway_certificate (serial, gid, community, expires_ms)"
        " SELECT certificate_serial, gid, community, certificate_expires_ms FROM gateway"
        " WHERE certificate_serial IS NOT NULL"
    )
    op.drop_column("gateway", "certificate_serial")
