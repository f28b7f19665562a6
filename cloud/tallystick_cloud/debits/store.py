"""SQL of mandates, runs of debits and their approvals, and of what payers owe.

It never deletes but to erase a payer, and it never decides whether a run may move.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from sqlalchemy import Connection, case, delete, func, insert, select, update
from tallystick_protocol.ids import H32

from tallystick_cloud.contracts.store import by_provider
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.ledger.store import IN_MAX
from tallystick_cloud.payouts.pain import CURRENCY, BankParty
from tallystick_cloud.runs.ends import named_by
from tallystick_cloud.runs.model import HANDED_IN, OPEN_STATES, RunState, end_to_end
from tallystick_cloud.runs.store import RunTables
from tallystick_cloud.schema import balance, debit, debit_approval, debit_run, mandate

from .mandate import History, Mandate, NewMandate, SequenceType
from .model import Outcome, block_id

UNDER_WAY = frozenset({*OPEN_STATES, RunState.SENT})


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of debit_run; see there for units."""

    id: bytes
    number: int
    key: str
    collector: bytes
    creditor: BankParty
    collection_day: date
    state: RunState
    proposer: bytes
    proposed_ms: int
    approved_ms: int | None
    file_hash: bytes | None
    held: str

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(
            bytes(row.id), row.number, row.key, bytes(row.collector), BankParty(row.creditor, row.creditor_iban),
            date.fromisoformat(row.collection_day), RunState(row.state), bytes(row.proposer), row.proposed_ms,
            row.approved_ms, None if row.file_hash is None else bytes(row.file_hash), row.held,
        )  # fmt: skip


RUNS = RunTables(debit_run, debit_approval, StoredRun.of)


@dataclass(frozen=True, slots=True)
class StoredDebit:
    """A row of debit, as it was when the run was proposed."""

    id: bytes
    party: bytes
    mandate: bytes
    reference: str
    creditor_id: str
    signed_day: date
    sequence: SequenceType
    due: int
    cents: int
    debtor: BankParty
    outcome: Outcome | None
    outcome_ms: int | None
    reason: str | None

    @property
    def end_to_end(self) -> str:
        """The id that comes back in bank statements."""
        return end_to_end(self.id)


def insert_mandate(conn: Connection, community: str, one: Mandate, now_ms: int) -> None:
    about = one.about
    row: dict[str, object] = {"id": one.id, "community": community, "collector": about.collector, "payer": about.payer}
    row |= {"reference": about.reference, "creditor_id": about.creditor_id, "debtor": about.debtor.name}
    row |= {"debtor_iban": about.debtor.iban, "signed_day": about.signed_day.isoformat()}
    row |= {"used_day": None if about.used_day is None else about.used_day.isoformat()}
    row |= {"sequence": about.sequence.value, "notice_days": about.notice_days, "added_ms": now_ms}
    conn.execute(insert(mandate), row)


def revoke_mandate(conn: Connection, one: bytes, now_ms: int) -> None:
    conn.execute(update(mandate).where(mandate.c.id == one).values(revoked_ms=now_ms))


def delete_mandate(conn: Connection, one: bytes) -> None:
    conn.execute(delete(mandate).where(mandate.c.id == one))


def last_days(conn: Connection, community: str, payer: bytes) -> dict[bytes, date]:
    """mandate -> the last day of a debit of the payer, of all runs that are not cancelled."""
    rows = conn.execute(
        select(debit.c.mandate, func.max(debit_run.c.collection_day))
        .join(debit_run, debit_run.c.id == debit.c.run)
        .where(debit.c.community == community, debit.c.party == payer, debit_run.c.state != RunState.CANCELLED.value)
        .group_by(debit.c.mandate)
    )
    return {bytes(one): date.fromisoformat(day) for one, day in rows}


def blank_cancelled(conn: Connection, community: str, payer: bytes) -> None:
    """Take name and account out of debits that no bank has seen and none will."""
    runs = select(debit_run.c.id).where(
        debit_run.c.community == community, debit_run.c.state == RunState.CANCELLED.value
    )
    where = (debit.c.community == community, debit.c.party == payer, debit.c.run.in_(runs))
    conn.execute(update(debit).where(*where).values(debtor="", debtor_iban=""))


def mandates(conn: Connection, community: str, payer: bytes | None = None) -> list[Mandate]:
    """All (or those of one payer), also revoked ones, by reference."""
    query = select(mandate).where(mandate.c.community == community).order_by(mandate.c.reference)
    rows = conn.execute(query if payer is None else query.where(mandate.c.payer == payer))
    return [_mandate(row) for row in rows]


def history(conn: Connection, community: str, payer: bytes | None = None) -> dict[bytes, History]:
    """mandate -> what was collected under it; `payer`: of one payer's mandates alone."""
    stood = case((debit.c.outcome == Outcome.REJECTED.value, 0), else_=1)
    query = (
        select(debit.c.mandate, func.max(debit_run.c.collection_day), func.max(stood))
        .join(debit_run, debit_run.c.id == debit.c.run)
        .where(debit.c.community == community, debit_run.c.state.in_([state.value for state in HANDED_IN]))
        .group_by(debit.c.mandate)
    )
    rows = conn.execute(query if payer is None else query.where(debit.c.party == payer))
    return {bytes(one): History(date.fromisoformat(day), bool(has_stood)) for one, day, has_stood in rows}


def under_way(conn: Connection, community: str, collector: bytes) -> dict[bytes, int]:
    """payer -> cents that a run which is not done may still take."""
    rows = conn.execute(
        select(debit.c.party, func.sum(debit.c.cents))
        .join(debit_run, debit_run.c.id == debit.c.run)
        .where(
            debit.c.community == community,
            debit_run.c.collector == collector,
            debit_run.c.state.in_([state.value for state in UNDER_WAY]),
            debit.c.outcome.is_(None),
        )
        .group_by(debit.c.party)
    )
    return {bytes(payer): int(cents) for payer, cents in rows}


def announced(
    conn: Connection, community: str, payer: bytes | None = None
) -> dict[tuple[bytes, bytes], tuple[int, date]]:
    """(collector, payer) -> cents and day of a debit that a second person has released."""
    query = (
        select(debit_run.c.collector, debit.c.party, debit.c.cents, debit_run.c.collection_day)
        .join(debit_run, debit_run.c.id == debit.c.run)
        .where(
            debit.c.community == community,
            debit_run.c.state.in_([state.value for state in UNDER_WAY - {RunState.PROPOSED}]),
            debit.c.outcome.is_(None),
        )
        .order_by(debit_run.c.number)
    )
    rows = conn.execute(query if payer is None else query.where(debit.c.party == payer))
    return {(bytes(who), bytes(whose)): (cents, date.fromisoformat(day)) for who, whose, cents, day in rows}


def owing(conn: Connection, community: str) -> dict[bytes, dict[bytes, dict[bytes, int]]]:
    """collector -> payer -> contract chain -> nano that are due; not what somebody owes itself, nor what a payment
    provider collects."""
    rows = conn.execute(
        select(balance.c.holder, balance.c.party, balance.c.chain, balance.c.amount).where(
            balance.c.community == community,
            balance.c.party != balance.c.holder,
            balance.c.unit == CURRENCY,
            balance.c.account == Account.RECEIVABLE.value,
            balance.c.amount != 0,
            ~by_provider(balance.c.chain),
        )
    )
    found: dict[bytes, dict[bytes, dict[bytes, int]]] = {}
    for holder, payer, chain, nano in rows:
        found.setdefault(bytes(holder), {}).setdefault(bytes(payer), {})[bytes(chain)] = nano
    return found


def insert_run(conn: Connection, row: Mapping[str, object], debits: Sequence[Mapping[str, object]]) -> None:
    RUNS.insert(conn, row)
    conn.execute(insert(debit), [dict(one) for one in debits])


def mark(conn: Connection, ids: Collection[bytes], outcome: Outcome, now_ms: int, reason: str | None = None) -> None:
    wanted = sorted(ids)
    for at in range(0, len(wanted), IN_MAX):
        conn.execute(
            update(debit)
            .where(debit.c.id.in_(wanted[at : at + IN_MAX]))
            .values(outcome=outcome.value, outcome_ms=now_ms, reason=reason)
        )


def runs_of_ends(conn: Connection, community: str, ends: Iterable[str]) -> set[bytes]:
    """Runs that debits with these end-to-end ids are in."""
    found: set[bytes] = set()
    for named in named_by(debit.c.id, ends):
        rows = conn.execute(select(debit.c.run).where(debit.c.community == community, named).distinct())
        found |= {bytes(run) for run in rows.scalars()}
    return found


def blocks(conn: Connection, community: str) -> dict[str, bytes]:
    """Payment information id -> run, of all blocks."""
    rows = conn.execute(
        select(debit.c.run, debit.c.sequence, debit.c.creditor_id).where(debit.c.community == community).distinct()
    )
    return {block_id(bytes(run), sequence, creditor_id): bytes(run) for run, sequence, creditor_id in rows}


def debits_of(conn: Connection, run: bytes) -> list[StoredDebit]:
    rows = conn.execute(select(debit).where(debit.c.run == run).order_by(debit.c.position))
    return [_debit(row) for row in rows]


def _mandate(row: Any) -> Mandate:
    about = NewMandate(
        bytes(row.collector), bytes(row.payer), row.reference, row.creditor_id,
        BankParty(row.debtor, row.debtor_iban), date.fromisoformat(row.signed_day), SequenceType(row.sequence),
        None if row.used_day is None else date.fromisoformat(row.used_day), row.notice_days,
    )  # fmt: skip
    return Mandate(H32(bytes(row.id)), about, row.revoked_ms)


def _debit(row: Any) -> StoredDebit:
    return StoredDebit(
        bytes(row.id), bytes(row.party), bytes(row.mandate), row.reference, row.creditor_id,
        date.fromisoformat(row.signed_day), SequenceType(row.sequence), row.due, row.cents,
        BankParty(row.debtor, row.debtor_iban), None if row.outcome is None else Outcome(row.outcome),
        row.outcome_ms, row.reason,
    )  # fmt: skip
