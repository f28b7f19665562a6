"""What a user owes and how to pay it: to whom, on which account, under which reference.

It never asks for a part of a cent: what is below one waits for the next use.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from tallystick_cloud.ledger.model import Account
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts.model import whole_cents
from tallystick_cloud.payouts.store import accounts
from tallystick_cloud.schema import balance

from .reference import reference_of


@dataclass(frozen=True, slots=True)
class Due:
    """`cents` to pay to `holder` under `reference`; `iban` None: the holder gave no account yet."""

    holder: str
    iban: str | None
    cents: int
    reference: str


def dues(conn: Connection, community: str, party: bytes, now_ms: int, unit: str = "EUR") -> tuple[Due, ...]:
    """One per collector whom the party owes a cent or more, by name; what it owes itself is left out."""
    rows = conn.execute(
        select(balance.c.holder, func.sum(balance.c.amount))
        .where(
            balance.c.community == community,
            balance.c.party == party,
            balance.c.holder != party,
            balance.c.unit == unit,
            balance.c.account == Account.RECEIVABLE.value,
        )
        .group_by(balance.c.holder)
    )
    names, known = names_by_id(conn, community), accounts(conn, community, now_ms)
    found = []
    for holder, nano in rows:
        cents = whole_cents(int(nano))
        if cents:
            account = known.get(bytes(holder))
            reference = reference_of(community, bytes(holder), party)
            found.append(Due(names[bytes(holder)], None if account is None else account.iban, cents, reference))
    return tuple(sorted(found, key=lambda one: one.holder))
