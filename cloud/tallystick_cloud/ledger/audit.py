"""Checks the books against their laws and says in words what does not hold.

It only reads; an empty answer is the only good one.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, literal_column, select
from tallystick_protocol.money.rating import UsageForm, counters_of

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.ledger.model import DAY_MS, Kind, counter_scope, position_of
from tallystick_cloud.ledger.rows import shares_of, steps_of, usage_of
from tallystick_cloud.ledger.store import rated_uses
from tallystick_cloud.ledger.summary import channel_ledgers
from tallystick_cloud.schema import (
    account_day,
    balance,
    counter,
    in_order,
    journal,
    posting,
    reversal,
    standing,
    use_rating,
)
from tallystick_cloud.schema import community as communities
from tallystick_cloud.unclaimed.service import amiss as unclaimed_amiss


def audit(conn: Connection) -> list[str]:
    """One sentence per law that does not hold, over all communities."""
    found: list[str] = []
    for community in conn.execute(select(communities.c.id).order_by(communities.c.id)).scalars():
        found += _journals(conn, community)
        found += _balances(conn, community)
        found += _days(conn, community)
        found += _splits(conn, community)
        found += _counters(conn, community)
        found += _channels(conn, community)
        found += unclaimed_amiss(conn, community)
        found += _reversals(conn, community)
    return found


def _journals(conn: Connection, community: str) -> list[str]:
    """Law 1: every journal sums to zero per unit."""
    rows = conn.execute(
        select(posting.c.journal, posting.c.unit, func.sum(posting.c.amount))
        .where(posting.c.community == community)
        .group_by(posting.c.journal, posting.c.unit)
        .having(func.sum(posting.c.amount) != 0)
    )
    return [f"{community}: journal {journal} sums to {amount} nano {unit}" for journal, unit, amount in rows]


def _balances(conn: Connection, community: str) -> list[str]:
    """Every balance is the sum of its postings."""
    keys = ("holder", "account", "party", "chain", "unit")
    posted = [posting.c[key] for key in keys]
    summed = _sums(
        conn, select(*posted, func.sum(posting.c.amount)).where(posting.c.community == community).group_by(*posted)
    )
    kept = [balance.c[key] for key in (*keys, "amount")]
    stored = _sums(conn, select(*kept).where(balance.c.community == community))
    return [
        f"{community}: balance {key[1]} of {key[2].hex()} is {has}, postings say {should}"
        for key, has, should in _differing(stored, summed)
    ]


def _days(conn: Connection, community: str) -> list[str]:
    """What an account moved on a day is the sum of its postings of that day, each recorded with its journal."""
    keys = ("party", "holder", "account", "unit")
    mine = posting.c.community == community
    posted = [*(posting.c[key] for key in keys), posting.c.recorded_ms // literal_column(str(DAY_MS))]
    summed = _sums(conn, select(*posted, func.sum(posting.c.amount)).where(mine).group_by(*posted))
    kept = [account_day.c[key] for key in (*keys, "day", "amount")]
    stored = _sums(conn, select(*kept).where(account_day.c.community == community))
    found = [
        f"{community}: {key[2]} of {key[0].hex()} moved {has} on day {key[4]}, postings say {should}"
        for key, has, should in _differing(stored, summed)
    ]
    other = (
        select(journal.c.id)
        .join(posting, posting.c.journal == journal.c.id)
        .where(mine, posting.c.recorded_ms != journal.c.recorded_ms)
        .distinct()
    )
    late = conn.execute(other).scalars()
    return found + [f"{community}: postings of journal {number} have another time than it" for number in late]


def _sums(conn: Connection, query: Select[Any]) -> dict[tuple[Any, ...], int]:
    return {tuple(row[:-1]): int(row[-1]) for row in conn.execute(query)}


def _differing(
    stored: Mapping[tuple[Any, ...], int], summed: Mapping[tuple[Any, ...], int]
) -> list[tuple[Any, int, int]]:
    """Key, what is stored and what it should be; nothing stored is 0."""
    both = ((key, stored.get(key, 0), summed.get(key, 0)) for key in stored.keys() | summed.keys())
    return [one for one in both if one[1] != one[2]]


def _splits(conn: Connection, community: str) -> list[str]:
    """Law 2: the shares of every rating sum to its fee, none is negative but a rebate's, and of those none positive."""
    found = []
    for row in conn.execute(select(use_rating).where(use_rating.c.community == community)):
        shares = [amount for _, amount in shares_of(row)]
        sign = -1 if row.form == UsageForm.REBATE else 1
        if sum(shares) != row.fee or any(amount * sign < 0 for amount in shares):
            found.append(
                f"{community}: use {bytes(row.use_id).hex()} revision {row.revision}: shares do not fit the fee"
            )
    return found


def _counters(conn: Connection, community: str) -> list[str]:
    """Counters chain: each use begins where the one before it ended; the last is where the counter stands.

    Law 4: no use moves one beyond the cap that its contract gives it. A later version may have a lower cap than was
    taken before: that stays, and its uses move the counter no further.
    """
    query = select(counter.c.counter, counter.c.value, counter.c.position).where(counter.c.community == community)
    stands = {bytes(key): (bytes(position), value) for key, value, position in conn.execute(query)}
    ends: dict[bytes, tuple[bytes, int]] = {}
    broken: set[bytes] = set()
    found = []
    versions: dict[bytes, dict[bytes, Version]] = {}
    rows = select(standing).where(standing.c.community == community, standing.c.counters != "")
    for row in conn.execute(rows.order_by(*in_order(standing))):
        chain = bytes(row.chain)
        if chain not in versions:
            versions[chain] = versions_of(conn, chain)
        contract, scope = versions[chain][bytes(row.contract)].contract, counter_scope(chain, Kind(row.kind))
        counters, steps = counters_of(contract, scope, usage_of(row)), steps_of(row)
        if len(counters) != len(steps):
            found.append(f"{community}: use {bytes(row.use_id).hex()} stands in other counters than its price has")
        for one, (before, after) in zip(counters, steps, strict=False):
            if ends.get(one.key, (b"", 0))[1] != before:
                broken.add(one.key)
            ends[one.key] = position_of(row), after
            if one.cap is not None and after > max(one.cap, before):
                found.append(f"{community}: counter {one.key.hex()} is {after}, its cap {one.cap}")
    broken |= {key for key in ends.keys() | stands.keys() if ends.get(key) != stands.get(key)}
    return [f"{community}: counter {key.hex()} does not chain" for key in sorted(broken)] + found


def _channels(conn: Connection, community: str) -> list[str]:
    """Law 15: what a channel counted is billed, excepted or open, and nothing twice."""
    found = []
    for one in channel_ledgers(conn, community):
        span = (one.last_total or 0) - (one.first_total or 0)
        if span != one.billed + one.exceptions + one.open:
            booked = f"{one.billed} billed + {one.exceptions} excepted + {one.open} open"
            found.append(f"{community}: channel {one.gateway}/{one.channel} counted {span}, {booked}")
    return found


def _reversals(conn: Connection, community: str) -> list[str]:
    """Law 9: a reversed use costs nothing and stands in no counter."""
    mine = select(reversal.c.use_id).where(reversal.c.community == community)
    ids = [bytes(one) for one in conn.execute(mine).scalars()]
    return [
        f"{community}: use {use_id.hex()} was reversed, and costs {row.fee} nano or still counts"
        for use_id, row in rated_uses(conn, ids).items()
        if row.fee or row.counters
    ]
