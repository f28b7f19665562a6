"""What an account holds now, and what it held as known at an earlier moment.

It only reads; what was published for a moment never changes.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from tallystick_cloud.schema import balance, journal, posting

Key = tuple[bytes, str, bytes, str]
"""(holder, account, party, unit)"""


def balances(conn: Connection, community: str, party: bytes | None = None) -> Mapping[Key, int]:
    """Nano per account now, summed over contracts; of all, or of the accounts about one party."""
    columns = (balance.c.holder, balance.c.account, balance.c.party, balance.c.unit)
    wanted = [balance.c.community == community]
    if party is not None:
        wanted.append(balance.c.party == party)
    rows = conn.execute(select(*columns, func.sum(balance.c.amount)).where(*wanted).group_by(*columns))
    return {(bytes(row[0]), row[1], bytes(row[2]), row[3]): int(row[4]) for row in rows}


def as_of(conn: Connection, community: str, recorded_ms: int, party: bytes | None = None) -> Mapping[Key, int]:
    """Nano per account as known at that moment: journals recorded up to and including it."""
    columns = (posting.c.holder, posting.c.account, posting.c.party, posting.c.unit)
    wanted = [posting.c.community == community, journal.c.recorded_ms <= recorded_ms]
    if party is not None:
        wanted.append(posting.c.party == party)
    rows = conn.execute(
        select(*columns, func.sum(posting.c.amount))
        .join(journal, journal.c.id == posting.c.journal)
        .where(*wanted)
        .group_by(*columns)
    )
    return {(bytes(row[0]), row[1], bytes(row[2]), row[3]): int(row[4]) for row in rows}
