"""What an account holds now, and what it held as known at an earlier moment.

It only reads; what was published for a moment never changes.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from tallystick_cloud.schema import balance, journal, posting

Key = tuple[bytes, str, bytes, str]
"""(holder, account, party, unit)"""


def balances(conn: Connection, community: str) -> Mapping[Key, int]:
    """Nano per account now, summed over contracts."""
    columns = (balance.c.holder, balance.c.account, balance.c.party, balance.c.unit)
    rows = conn.execute(
        select(*columns, func.sum(balance.c.amount)).where(balance.c.community == community).group_by(*columns)
    )
    return {(bytes(row[0]), row[1], bytes(row[2]), row[3]): int(row[4]) for row in rows}


def as_of(conn: Connection, community: str, recorded_ms: int) -> Mapping[Key, int]:
    """Nano per account as known at that moment: journals recorded up to and including it."""
    columns = (posting.c.holder, posting.c.account, posting.c.party, posting.c.unit)
    rows = conn.execute(
        select(*columns, func.sum(posting.c.amount))
        .join(journal, journal.c.id == posting.c.journal)
        .where(posting.c.community == community, journal.c.recorded_ms <= recorded_ms)
        .group_by(*columns)
    )
    return {(bytes(row[0]), row[1], bytes(row[2]), row[3]): int(row[4]) for row in rows}
