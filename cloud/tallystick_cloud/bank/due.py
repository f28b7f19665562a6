"""What a user owes and how to pay it: to whom, on which account, under which reference.

It never asks for a part of a cent: what is below one waits for the next use.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, func, select, true

from tallystick_cloud.contracts.store import by_provider
from tallystick_cloud.debits import mandates, store
from tallystick_cloud.debits.mandate import State
from tallystick_cloud.disputes.service import disputed_fees
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.money import whole_cents
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts.store import accounts
from tallystick_cloud.schema import balance

from .reference import reference_of

UNIT = "EUR"


@dataclass(frozen=True, slots=True)
class ByDebit:
    """How a due is collected: under which mandate, from which account; `day` and `cents` once a run is released."""

    mandate: str
    creditor_id: str
    iban: str
    day: date | None = None
    cents: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """`cents` that `payer` owes `holder`, to be paid under `reference`; `iban` None: the holder gave no account yet.

    `debit`: it is collected from the payer's account instead, and nobody has to do anything. `disputed` cents more are
    for uses in open disputes, and need not be paid until these are decided.
    """

    payer: str
    holder: str
    iban: str | None
    cents: int
    reference: str
    debit: ByDebit | None = None
    disputed: int = 0


def dues(conn: Connection, community: str, party: bytes, now_ms: int) -> tuple[Due, ...]:
    """What one party is to pay, by collector; not what it owes itself, nor what a payment provider collects."""
    return _dues(conn, community, now_ms, balance.c.party == party, party)


def all_dues(conn: Connection, community: str, now_ms: int) -> tuple[Due, ...]:
    """What everybody is to pay, by collector and payer."""
    return _dues(conn, community, now_ms, true())


def charged_by_provider(conn: Connection, community: str, party: bytes) -> tuple[tuple[str, int], ...]:
    """(collector, cents) that a party owes and a payment provider charges: nothing that it has to do."""
    rows = conn.execute(
        select(balance.c.holder, func.sum(balance.c.amount))
        .where(
            balance.c.community == community,
            balance.c.party == party,
            balance.c.unit == UNIT,
            balance.c.account == Account.RECEIVABLE.value,
            by_provider(balance.c.chain),
        )
        .group_by(balance.c.holder)
    )
    names = names_by_id(conn, community)
    found = ((names[bytes(holder)], whole_cents(int(nano))) for holder, nano in rows)
    return tuple(sorted(one for one in found if one[1]))


def _dues(
    conn: Connection, community: str, now_ms: int, which: ColumnElement[bool], payer: bytes | None = None
) -> tuple[Due, ...]:
    rows = conn.execute(
        select(balance.c.holder, balance.c.party, func.sum(balance.c.amount))
        .where(
            which,
            balance.c.community == community,
            balance.c.party != balance.c.holder,
            balance.c.unit == UNIT,
            balance.c.account == Account.RECEIVABLE.value,
            ~by_provider(balance.c.chain),
        )
        .group_by(balance.c.holder, balance.c.party)
    )
    names, known = names_by_id(conn, community), accounts(conn, community, now_ms)
    collected = by_debit(conn, community, now_ms, payer)
    disputed: dict[tuple[bytes, bytes], int] = {}
    for fee in disputed_fees(conn, community):
        disputed[fee.holder, fee.payer] = disputed.get((fee.holder, fee.payer), 0) + fee.nano
    found = []
    for holder, party, nano in rows:
        whole = whole_cents(int(nano))
        cents = whole_cents(int(nano) - disputed.get((bytes(holder), bytes(party)), 0))
        if whole:
            account = known.get(bytes(holder))
            reference = reference_of(community, bytes(holder), bytes(party))
            iban = None if account is None else account.iban
            debit = collected.get((bytes(holder), bytes(party)))
            found.append(Due(names[bytes(party)], names[bytes(holder)], iban, cents, reference, debit, whole - cents))
    return tuple(sorted(found, key=lambda one: (one.holder, one.payer)))


def by_debit(
    conn: Connection, community: str, now_ms: int, payer: bytes | None = None
) -> dict[tuple[bytes, bytes], ByDebit]:
    """(collector, payer) -> how it is collected; a dormant mandate collects nothing."""
    announced = store.announced(conn, community, payer)
    found = {}
    for one in mandates.show_all(conn, community, now_ms, payer):
        about = one.mandate.about
        key = about.collector, about.payer
        cents, day = announced.get(key, (None, None))
        if one.state is State.ACTIVE:
            found[key] = ByDebit(about.reference, about.creditor_id, about.debtor.iban, day, cents)
    return found
