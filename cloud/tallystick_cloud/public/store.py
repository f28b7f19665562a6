"""SQL of what a community publishes.

It never reads a figure.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from tallystick_cloud.schema import public_rule

from .model import Rule, Shows


def rules(conn: Connection, community: str) -> tuple[Rule, ...]:
    """By asset."""
    rows = conn.execute(select(public_rule).where(public_rule.c.community == community).order_by(public_rule.c.asset))
    return tuple(
        Rule(
            row.asset,
            frozenset(Shows(one) for one in row.shows.split(",")),
            row.payers_min,
            row.decision,
            row.decided_ms,
        )
        for row in rows
    )


def put(conn: Connection, row: Mapping[str, object]) -> None:
    remove(conn, str(row["community"]), str(row["asset"]))
    conn.execute(insert(public_rule), dict(row))


def remove(conn: Connection, community: str, asset: str) -> bool:
    """Whether there was one."""
    where = public_rule.c.community == community, public_rule.c.asset == asset
    return bool(conn.execute(delete(public_rule).where(*where)).rowcount)
