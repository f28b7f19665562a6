"""What an account holds now, what it held as known at an earlier moment, and what of that was metered until a day.

It only reads; what was published for a moment never changes. Accounts that hold nothing are left out.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, select, union_all

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.schema import account_day, balance, journal, posting, use_frame, use_row

from .model import DAY_MS, amounts
from .rows import shares_of

Key = tuple[bytes, str, bytes, str]
"""(holder, account, party, unit)"""


def balances(conn: Connection, community: str, party: bytes | None = None) -> Mapping[Key, int]:
    """Nano per account now, summed over contracts; of all, or of the accounts about one party."""
    return _found(conn, _NOW[party is not None], {"community": community, "party": party})


def as_of(conn: Connection, community: str, recorded_ms: int, party: bytes | None = None) -> Mapping[Key, int]:
    """Nano per account as known at that moment: journals recorded up to and including it.

    From what stands now, a row per account and day since is taken back, and a part of one day: at most the half.
    """
    day, into_ms = divmod(recorded_ms, DAY_MS)
    given = {"community": community, "party": party}
    if into_ms < DAY_MS // 2:
        span = {"after": day - 1, "from": day * DAY_MS, "to": recorded_ms, "sign": 1}
    else:
        span = {"after": day, "from": recorded_ms + 1, "to": (day + 1) * DAY_MS - 1, "sign": -1}
    return _found(conn, _THEN[party is not None], {**given, **span})


def metered_until(
    conn: Connection, community: str, metered_ms: int, recorded_ms: int, party: bytes | None = None
) -> Mapping[Key, int]:
    """The same of what had been metered by a moment: of uses that had ended, and of other things that were over.

    It adds up every posting, for what was metered when is no running sum.
    """
    given = {"community": community, "party": party, "metered": metered_ms, "recorded": recorded_ms}
    sums = dict(_found(conn, _METERED[party is not None], given))
    rows = conn.execute(_CUT, given).all()  # uses of journals that reach beyond the moment
    versions = {chain: versions_of(conn, chain) for chain in {bytes(row.chain) for row in rows}}
    for row in rows:
        contract = versions[bytes(row.chain)][bytes(row.contract)].contract
        moved = amounts(contract, bytes(row.chain), bytes(row.payer), row.fee, shares_of(row))
        for line, nano in moved.items():
            if party is None or line.party == party:
                key = line.holder, line.account.value, line.party, line.unit
                sums[key] = sums.get(key, 0) + nano
    return {key: nano for key, nano in sums.items() if nano}


def _found(conn: Connection, query: Select[Any], given: Mapping[str, object]) -> dict[Key, int]:
    rows = conn.execute(query, given)
    return {(bytes(row[0]), row[1], bytes(row[2]), row[3]): int(row[4]) for row in rows}


def _part(table: Any, *wanted: ColumnElement[bool], sign: Any = 1, of_party: bool) -> Select[Any]:
    where = [table.c.community == bindparam("community"), *wanted]
    if of_party:
        where.append(table.c.party == bindparam("party"))
    columns = (table.c.holder, table.c.account, table.c.party, table.c.unit)
    return select(*columns, (table.c.amount * sign).label("amount")).where(*where)


def _summed(*parts: Select[Any]) -> Select[Any]:
    moved = union_all(*parts).subquery()
    columns = (moved.c.holder, moved.c.account, moved.c.party, moved.c.unit)
    total = func.sum(moved.c.amount)
    return select(*columns, total).group_by(*columns).having(total != 0)


def _then(*, of_party: bool) -> Select[Any]:
    within = posting.c.recorded_ms.between(bindparam("from"), bindparam("to"))
    if not of_party:  # postings are found by party or by journal
        recorded = journal.c.recorded_ms.between(bindparam("from"), bindparam("to"))
        within = posting.c.journal.in_(
            select(journal.c.id).where(journal.c.community == bindparam("community"), recorded)
        )
    return _summed(
        _part(balance, of_party=of_party),
        _part(account_day, account_day.c.day > bindparam("after"), sign=-1, of_party=of_party),
        _part(posting, within, sign=bindparam("sign"), of_party=of_party),
    )


def _metered(*, of_party: bool) -> Select[Any]:
    over = select(journal.c.id).where(
        journal.c.community == bindparam("community"),
        journal.c.metered_to_ms <= bindparam("metered"),
        journal.c.recorded_ms <= bindparam("recorded"),
    )
    return _summed(_part(posting, posting.c.journal.in_(over), of_party=of_party))


# Made once: to put a statement together takes longer than to run it.
_NOW = {True: _summed(_part(balance, of_party=True)), False: _summed(_part(balance, of_party=False))}
_THEN = {True: _then(of_party=True), False: _then(of_party=False)}
_METERED = {True: _metered(of_party=True), False: _metered(of_party=False)}
_CUT = (
    select(use_frame.c.chain, use_frame.c.contract, use_frame.c.payer, use_frame.c.parties, use_row.c.fee,
           use_row.c.shares)
    .join(use_row, use_row.c.frame == use_frame.c.id)
    .join(journal, and_(journal.c.id == use_row.c.journal, journal.c.metered_to_ms > bindparam("metered")))
    .where(
        journal.c.community == bindparam("community"),
        journal.c.metered_from_ms < bindparam("metered"),
        journal.c.recorded_ms <= bindparam("recorded"),
        use_row.c.end_ms <= bindparam("metered"),  # a correction is about one use, and is cut by nothing
    )
)  # fmt: skip
