"""SQL of split runs, their payments and parts, of accounts at the provider, and of what settlements made due.

It never deletes but to erase a person, and it never decides whether a run may move.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update
from tallystick_protocol.codes import LineKind
from tallystick_protocol.money.contract import Mode

from tallystick_cloud.contracts.store import by_provider
from tallystick_cloud.ledger.model import FAR_MS, Account, Kind
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.runs.ends import named_by
from tallystick_cloud.runs.model import RunState, end_to_end
from tallystick_cloud.runs.store import RunTables
from tallystick_cloud.schema import (
    balance,
    contract_version,
    dispute,
    settled_use,
    split_account,
    split_approval,
    split_due,
    split_part,
    split_payment,
    split_run,
    use,
)
from tallystick_cloud.settlement.pairs import pairs_of

from .model import Outcome, Pair, Part

STANDS = or_(split_payment.c.outcome.is_(None), split_payment.c.outcome == Outcome.PAID.value)
"""Payments that a provider made or may still make."""


ERASED_ACCOUNT = "(account erased)"
"""In the place of an account of somebody who was erased; no provider calls anybody so, for it holds a space."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of split_run; see there for units."""

    id: bytes
    community: str
    number: int
    key: str
    collector: bytes
    collector_name: str
    unit: str
    execution_day: str
    state: RunState
    proposer: bytes
    proposed_ms: int
    approved_ms: int | None
    sent_ms: int | None
    held: str

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(
            id=bytes(row.id),
            community=row.community,
            number=row.number,
            key=row.key,
            collector=bytes(row.collector),
            collector_name=row.collector_name,
            unit=row.unit,
            execution_day=row.execution_day,
            state=RunState(row.state),
            proposer=bytes(row.proposer),
            proposed_ms=row.proposed_ms,
            approved_ms=row.approved_ms,
            sent_ms=row.sent_ms,
            held=row.held,
        )


RUNS = RunTables(split_run, split_approval, StoredRun.of)


@dataclass(frozen=True, slots=True)
class StoredPayment:
    """A row of split_payment with its parts."""

    id: bytes
    chain: bytes
    contract: str
    payer: bytes
    reference: str
    payer_account: str
    cents: int
    outcome: Outcome | None
    outcome_ms: int | None
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """As the provider gets it and says it back."""
        return end_to_end(self.id)

    @property
    def is_erased(self) -> bool:
        """Whether it names an account of somebody who was erased since."""
        return ERASED_ACCOUNT in (self.payer_account, *(part.provider_account for part in self.parts))


# ------------------------------------------------------------ what is due


def psp_chains(conn: Connection, community: str) -> set[bytes]:
    """Contracts whose money a payment provider splits."""
    chain = contract_version.c.chain
    rows = conn.execute(select(chain).where(contract_version.c.community == community, by_provider(chain)))
    return {bytes(one) for one in rows.scalars()}


def dues(conn: Connection, chain: bytes) -> dict[Pair, int]:
    """What all settlements of a contract made due, whether it was instructed or not."""
    found: dict[Pair, int] = {}
    rows = conn.execute(
        select(split_due.c.payer, split_due.c.party, func.sum(split_due.c.nano))
        .where(split_due.c.chain == chain)
        .group_by(split_due.c.payer, split_due.c.party)
    )
    for payer, party, nano in rows:
        found[Pair(chain, bytes(payer), bytes(party))] = int(nano)
    for one in fresh_dues(conn, chain).values():
        for pair, nano in one.items():
            found[pair] = found.get(pair, 0) + nano
    return found


def fresh_dues(conn: Connection, chain: bytes) -> dict[int, dict[Pair, int]]:
    """settlement -> what it added, of those that `keep_dues` has not written down yet.

    A use that was settled again counts with the difference."""
    kept = conn.execute(select(func.max(split_due.c.number)).where(split_due.c.chain == chain)).scalar() or 0
    new, old, before = settled_use.alias("new"), settled_use.alias("old"), settled_use.alias("before")
    last = select(func.max(before.c.number)).where(before.c.use_id == new.c.use_id, before.c.number < new.c.number)
    rows = conn.execute(
        select(use.c.payer, new.c.number, new.c.shares, old.c.shares.label("was"))
        .select_from(new)
        .join(use, use.c.use_id == new.c.use_id)
        .join(contract_version, contract_version.c.h == use.c.contract)
        .outerjoin(old, and_(old.c.use_id == new.c.use_id, old.c.number == last.scalar_subquery()))
        .where(new.c.chain == chain, new.c.number > kept, use.c.kind == Kind.LIVE.value)
        .where(contract_version.c.mode == Mode.PSP.value)
    )
    found: dict[int, dict[Pair, int]] = {}
    for payer, number, shares, was in rows:
        mine = found.setdefault(number, {})
        for sign, text in ((1, shares), (-1, was)):
            for party, nano in pairs_of(text) if text else ():
                pair = Pair(chain, bytes(payer), bytes(party))
                mine[pair] = mine.get(pair, 0) + sign * nano
    return found


def keep_dues(conn: Connection, community: str, chain: bytes) -> None:
    """Write down what settlements added since; they never change, so that nobody has to look at their uses again."""
    rows = [
        {"chain": chain, "number": number, "payer": pair.payer, "party": pair.party, "community": community, "nano": n}
        for number, added in sorted(fresh_dues(conn, chain).items())
        for pair, n in sorted(added.items())
    ]
    if rows:
        conn.execute(insert(split_due), rows)


def instructed(conn: Connection, community: str, but: bytes = b"") -> dict[Pair, int]:
    """nano that a provider passed on or may still pass on, by all runs but one."""
    rows = conn.execute(
        select(split_payment.c.chain, split_payment.c.payer, split_part.c.party, func.sum(split_part.c.cents))
        .join(split_part, split_part.c.payment == split_payment.c.id)
        .join(split_run, split_run.c.id == split_payment.c.run)
        .where(split_payment.c.community == community, STANDS, split_run.c.state != RunState.CANCELLED.value)
        .where(split_run.c.id != but)
        .group_by(split_payment.c.chain, split_payment.c.payer, split_part.c.party)
    )
    return {Pair(bytes(c), bytes(payer), bytes(party)): int(n) * CENT_NANO for c, payer, party, n in rows}


def disputed(conn: Connection, community: str) -> dict[Pair, int]:
    """Shares of settled uses in open disputes, as they were settled."""
    newest = (
        select(settled_use.c.use_id, func.max(settled_use.c.number).label("n"))
        .join(dispute, dispute.c.use_id == settled_use.c.use_id)
        .where(dispute.c.community == community, dispute.c.state == "open")
        .group_by(settled_use.c.use_id)
        .subquery()
    )
    rows = conn.execute(
        select(settled_use.c.chain, use.c.payer, settled_use.c.shares)
        .join(newest, and_(newest.c.use_id == settled_use.c.use_id, newest.c.n == settled_use.c.number))
        .join(use, use.c.use_id == settled_use.c.use_id)
        .where(use.c.kind == Kind.LIVE.value)
    )
    found: dict[Pair, int] = {}
    for chain, payer, shares in rows:
        for party, nano in pairs_of(shares):
            pair = Pair(bytes(chain), bytes(payer), bytes(party))
            found[pair] = found.get(pair, 0) + nano
    return found


def owed(conn: Connection, community: str, chains: Collection[bytes]) -> dict[tuple[bytes, bytes], int]:
    """(contract, payer) -> nano on the payer's account now."""
    rows = conn.execute(
        select(balance.c.chain, balance.c.party, func.sum(balance.c.amount))
        .where(
            balance.c.community == community,
            balance.c.account == Account.RECEIVABLE.value,
            balance.c.chain.in_(sorted(chains)),
        )
        .group_by(balance.c.chain, balance.c.party)
    )
    return {(bytes(chain), bytes(payer)): int(nano) for chain, payer, nano in rows}


# ------------------------------------------------------------ accounts at the provider


def accounts(conn: Connection, community: str) -> dict[bytes, str]:
    rows = conn.execute(
        select(split_account.c.party, split_account.c.account).where(split_account.c.community == community)
    )
    return {bytes(party): account for party, account in rows}


def put_account(conn: Connection, community: str, party: bytes, account: str, now_ms: int) -> None:
    conn.execute(delete(split_account).where(split_account.c.party == party, split_account.c.community == community))
    row = {"party": party, "community": community, "account": account, "set_ms": now_ms}
    conn.execute(insert(split_account), row)


def forget(conn: Connection, community: str, party: bytes) -> int:
    """A person's id at the provider, also in runs that are over: what becomes of a payment later is told by its name
    alone. In a run that is not over it stays until it is. How many are gone."""
    mine = (split_account.c.party == party, split_account.c.community == community)
    gone = conn.execute(delete(split_account).where(*mine)).rowcount
    over = select(split_run.c.id).where(
        split_run.c.community == community, split_run.c.state.in_([RunState.CANCELLED.value, RunState.SETTLED.value])
    )
    known = (split_payment.c.payer_account != "", split_payment.c.run.in_(over))
    charged = (split_payment.c.community == community, split_payment.c.payer == party, *known)
    conn.execute(update(split_payment).where(*charged).values(payer_account=ERASED_ACCOUNT))
    payments = select(split_payment.c.id).where(split_payment.c.community == community, split_payment.c.run.in_(over))
    given = (split_part.c.party == party, split_part.c.payment.in_(payments))
    conn.execute(update(split_part).where(*given).values(provider_account=ERASED_ACCOUNT))
    return gone


# ------------------------------------------------------------ runs


def insert_run(
    conn: Connection,
    run: Mapping[str, object],
    payments: Sequence[Mapping[str, object]],
    parts: Sequence[Mapping[str, object]],
) -> None:
    RUNS.insert(conn, run)
    conn.execute(insert(split_payment), [dict(one) for one in payments])
    conn.execute(insert(split_part), [dict(one) for one in parts])


def mark(conn: Connection, ids: Iterable[bytes], outcome: Outcome, **columns: object) -> None:
    wanted = sorted(ids)
    for at in range(0, len(wanted), IN_MAX):
        some = split_payment.c.id.in_(wanted[at : at + IN_MAX])
        conn.execute(update(split_payment).where(some).values(outcome=outcome.value, **columns))


def payments_of(conn: Connection, run: bytes) -> tuple[StoredPayment, ...]:
    parts: dict[bytes, list[Part]] = {}
    rows = conn.execute(
        select(split_part)
        .join(split_payment, split_payment.c.id == split_part.c.payment)
        .where(split_payment.c.run == run)
        .order_by(split_part.c.payment, split_part.c.position)
    )
    for row in rows:
        one = Part(bytes(row.party), Account(row.account), row.name, row.provider_account, row.due, row.cents)
        parts.setdefault(bytes(row.payment), []).append(one)
    rows = conn.execute(select(split_payment).where(split_payment.c.run == run).order_by(split_payment.c.position))
    return tuple(_payment(row, parts[bytes(row.id)]) for row in rows)


def find_named(conn: Connection, community: str, names: Iterable[str]) -> dict[str, tuple[bytes, int]]:
    """name at the provider -> (payment, number of its run), of those that are here."""
    found: dict[str, tuple[bytes, int]] = {}
    for named in named_by(split_payment.c.id, names):
        rows = conn.execute(
            select(split_payment.c.id, split_run.c.number)
            .join(split_run, split_run.c.id == split_payment.c.run)
            .where(split_payment.c.community == community, named)
        )
        found.update({end_to_end(bytes(one)): (bytes(one), number) for one, number in rows})
    return found


# ------------------------------------------------------------ for statements


@dataclass(frozen=True, slots=True)
class Move:
    """What a provider's payments did to one account; nano, positive in the party's favour. `ref`: of a party the run,
    of a payer the payment."""

    chain: bytes
    kind: LineKind
    party: bytes
    ref: bytes
    is_share: bool
    nano: int
    at_ms: int


def moves(
    conn: Connection, community: str, *, chain: bytes | None = None, party: bytes | None = None,
    from_ms: int = 0, to_ms: int = FAR_MS,
) -> list[Move]:  # fmt: skip
    """Booked in [from_ms, to_ms): for a party one line of a run, for a payer one of each payment, and the same back."""
    found: dict[tuple[bytes, LineKind, bytes, bytes, bool], tuple[int, int]] = {}
    paid, back = split_payment.c.paid_ms, split_payment.c.outcome_ms
    which = [split_payment.c.community == community]
    which += [] if chain is None else [split_payment.c.chain == chain]
    which += [] if party is None else [or_(split_payment.c.payer == party, split_part.c.party == party)]
    is_back = split_payment.c.outcome == Outcome.RETURNED.value
    for when, sign, where in ((paid, 1, paid.is_not(None)), (back, -1, is_back)):
        rows = conn.execute(
            select(split_payment, split_part.c.party, split_part.c.cents.label("part"), when.label("at_ms"))
            .join(split_part, split_part.c.payment == split_payment.c.id)
            .where(*which, where, when >= from_ms, when < to_ms)
        )
        for row in rows:
            taken = LineKind.PAYOUT if sign > 0 else LineKind.PAYMENT
            of = bytes(row.chain)
            for key, cents in (
                ((of, taken, bytes(row.party), bytes(row.run), True), -row.part),
                ((of, LineKind.PAYMENT, bytes(row.payer), bytes(row.id), False), row.part),
            ):
                nano, at_ms = found.get(key, (0, 0))
                found[key] = nano + sign * cents * CENT_NANO, max(at_ms, row.at_ms)
    listed = [Move(*key, *value) for key, value in sorted(found.items())]
    return [one for one in listed if party in (None, one.party)]


def _payment(row: Any, parts: Sequence[Part]) -> StoredPayment:
    return StoredPayment(
        id=bytes(row.id),
        chain=bytes(row.chain),
        contract=row.contract,
        payer=bytes(row.payer),
        reference=row.reference,
        payer_account=row.payer_account,
        cents=row.cents,
        outcome=None if row.outcome is None else Outcome(row.outcome),
        outcome_ms=row.outcome_ms,
        parts=tuple(parts),
    )
