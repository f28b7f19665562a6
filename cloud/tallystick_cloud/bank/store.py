"""SQL of statements from the bank, their entries and payments, and of what the books know about a collector.

It never deletes, and it never decides what an entry is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from tallystick_cloud.contracts.store import by_provider
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.schema import (
    balance,
    bank_entry,
    bank_payment,
    bank_report,
    bank_statement,
    contract_version,
    party_account,
)

from .model import Claim, Standing

NO_LEAF = 1 << 62  # sorts after every contract


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A row of bank_statement; see there for units."""

    id: int
    holder: bytes
    iban: str
    statement: str
    content: bytes
    currency: str
    opening_cents: int
    closing_cents: int
    opening_day: str
    closing_day: str
    base: int


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row of bank_entry with the statement it stands in."""

    id: bytes
    statement: str
    holder: bytes
    currency: str
    cents: int
    day: str
    name: str | None
    iban: str | None
    remittance: str
    standing: Standing
    about: str


def holder_of(conn: Connection, community: str, iban: str) -> bytes | None:
    """Whose account it is; None for nobody's or for two people's."""
    rows = conn.execute(
        select(party_account.c.party)
        .where(party_account.c.community == community, party_account.c.iban == iban)
        .distinct()
    )
    found = {bytes(row) for row in rows.scalars()}
    return found.pop() if len(found) == 1 else None


def payers_by_iban(conn: Connection, community: str) -> dict[str, bytes]:
    rows = conn.execute(
        select(party_account.c.iban, party_account.c.party).where(party_account.c.community == community)
    )
    found: dict[str, set[bytes]] = {}
    for iban, who in rows:
        found.setdefault(iban, set()).add(bytes(who))
    return {iban: next(iter(who)) for iban, who in found.items() if len(who) == 1}


def payers(conn: Connection, community: str, holder: bytes) -> list[bytes]:
    """Everybody who ever owed this collector something that is paid by transfer."""
    rows = conn.execute(
        select(balance.c.party)
        .where(
            balance.c.community == community,
            balance.c.holder == holder,
            balance.c.account == Account.RECEIVABLE.value,
            ~by_provider(balance.c.chain),
        )
        .distinct()
    )
    return sorted(bytes(row) for row in rows.scalars())


def claims_on(conn: Connection, community: str, holder: bytes, payer: bytes, unit: str) -> list[Claim]:
    """What one payer owes under each contract, in the order of `all_claims`."""
    rows = conn.execute(_claims(community, holder, unit).where(balance.c.party == payer))
    return [Claim(bytes(chain), amount) for _, chain, amount in rows]


def all_claims(conn: Connection, community: str, holder: bytes, unit: str) -> dict[bytes, list[Claim]]:
    """payer -> what it owes under each contract, the oldest contract first; also those that are even."""
    found: dict[bytes, list[Claim]] = {}
    for payer, chain, amount in conn.execute(_claims(community, holder, unit)):
        found.setdefault(bytes(payer), []).append(Claim(bytes(chain), amount))
    return found


def _claims(community: str, holder: bytes, unit: str) -> Select[bytes, bytes, int]:
    first = (
        select(contract_version.c.chain, func.min(contract_version.c.leaf).label("leaf"))
        .group_by(contract_version.c.chain)
        .subquery()
    )
    return (
        select(balance.c.party, balance.c.chain, balance.c.amount)
        .outerjoin(first, first.c.chain == balance.c.chain)  # a shared bill is under no contract
        .where(
            balance.c.community == community,
            balance.c.holder == holder,
            balance.c.unit == unit,
            balance.c.account == Account.RECEIVABLE.value,
            ~by_provider(balance.c.chain),
        )
        .order_by(func.coalesce(first.c.leaf, NO_LEAF), balance.c.chain)
    )


def bank_nano(conn: Connection, community: str, holder: bytes, unit: str) -> int:
    """What the books say is on the account."""
    found = conn.execute(
        select(func.coalesce(func.sum(balance.c.amount), 0)).where(
            balance.c.community == community,
            balance.c.holder == holder,
            balance.c.unit == unit,
            balance.c.account == Account.BANK.value,
        )
    ).scalar_one()
    return int(found)


def find_statement(conn: Connection, community: str, iban: str, statement: str) -> StoredStatement | None:
    row = conn.execute(
        select(bank_statement).where(
            bank_statement.c.community == community,
            bank_statement.c.iban == iban,
            bank_statement.c.statement == statement,
        )
    ).one_or_none()
    return None if row is None else _statement(row)


def last_statement(conn: Connection, community: str, iban: str) -> StoredStatement | None:
    row = conn.execute(
        select(bank_statement)
        .where(bank_statement.c.community == community, bank_statement.c.iban == iban)
        .order_by(bank_statement.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _statement(row)


def last_statements(conn: Connection, community: str) -> list[StoredStatement]:
    """The newest of each account, by IBAN."""
    newest = (
        select(func.max(bank_statement.c.id))
        .where(bank_statement.c.community == community)
        .group_by(bank_statement.c.iban)
    )
    rows = conn.execute(select(bank_statement).where(bank_statement.c.id.in_(newest)).order_by(bank_statement.c.iban))
    return [_statement(row) for row in rows]


def insert_statement(conn: Connection, row: Mapping[str, object]) -> int:
    (found,) = conn.execute(insert(bank_statement).returning(bank_statement.c.id), dict(row)).one()
    return int(found)


def set_base(conn: Connection, statement: int, base: int) -> None:
    conn.execute(update(bank_statement).where(bank_statement.c.id == statement).values(base=base))


def insert_entries(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(bank_entry), [dict(row) for row in rows])


def insert_payments(conn: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        conn.execute(insert(bank_payment), [dict(row) for row in rows])


def told_by_entries(conn: Connection, community: str, ids: Sequence[bytes]) -> set[bytes]:
    """Which of these payouts, and of runs booked as one, entries of statements have paid."""
    found: set[bytes] = set()
    for at in range(0, len(ids), IN_MAX):
        rows = conn.execute(
            select(bank_entry.c.ref).where(
                bank_entry.c.community == community,
                bank_entry.c.standing.in_([Standing.PAYOUT.value, Standing.BATCH.value]),
                bank_entry.c.ref.in_(ids[at : at + IN_MAX]),
            )
        )
        found |= {bytes(row) for row in rows.scalars()}
    return found


def entries(conn: Connection, community: str, standing: Standing | None = None) -> list[StoredEntry]:
    """The newest first."""
    query = (
        select(bank_entry, bank_statement.c.statement.label("of"), bank_statement.c.holder, bank_statement.c.currency)
        .join(bank_statement, bank_statement.c.id == bank_entry.c.statement)
        .where(bank_entry.c.community == community)
    )
    if standing is not None:
        query = query.where(bank_entry.c.standing == standing.value)
    rows = conn.execute(query.order_by(bank_entry.c.statement.desc(), bank_entry.c.position))
    return [_entry(row) for row in rows]


def move_entry(conn: Connection, entry: bytes, standing: Standing, about: str, ref: bytes) -> None:
    conn.execute(
        update(bank_entry).where(bank_entry.c.id == entry).values(standing=standing.value, about=about, ref=ref)
    )


def payments_between(conn: Connection, chain: bytes, from_ms: int, to_ms: int) -> list[tuple[bytes, bytes, int]]:
    """(id, payer, nano) under a contract, booked in [from_ms, to_ms)."""
    rows = conn.execute(
        select(bank_payment.c.id, bank_payment.c.party, bank_payment.c.nano)
        .where(bank_payment.c.chain == chain, bank_payment.c.booked_ms >= from_ms, bank_payment.c.booked_ms < to_ms)
        .order_by(bank_payment.c.booked_ms, bank_payment.c.id)
    )
    return [(bytes(one), bytes(who), nano) for one, who, nano in rows]


def find_report(conn: Connection, community: str, report: str) -> Any:
    return conn.execute(
        select(bank_report).where(bank_report.c.community == community, bank_report.c.report == report)
    ).one_or_none()


def insert_report(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(bank_report), dict(row))


def _statement(row: Any) -> StoredStatement:
    return StoredStatement(
        row.id,
        bytes(row.holder),
        row.iban,
        row.statement,
        bytes(row.content),
        row.currency,
        row.opening_cents,
        row.closing_cents,
        row.opening_day,
        row.closing_day,
        row.base,
    )


def _entry(row: Any) -> StoredEntry:
    return StoredEntry(
        bytes(row.id),
        row.of,
        bytes(row.holder),
        row.currency,
        row.cents,
        row.day,
        row.name,
        row.iban,
        row.remittance,
        Standing(row.standing),
        row.about,
    )
