"""SQL of payout runs, their payouts and approvals, and of what the books and people say about them.

It never deletes, and it never decides whether a run may move.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, exists, insert, select, update
from tallystick_protocol.money.contract import Contract, ContractState, Mode, PayoutApproval

from tallystick_cloud.contracts.model import held_until
from tallystick_cloud.contracts.store import book
from tallystick_cloud.ledger.model import Account
from tallystick_cloud.runs.ends import named_by
from tallystick_cloud.runs.model import HANDED_IN, RunState, end_to_end
from tallystick_cloud.runs.store import RunTables
from tallystick_cloud.schema import balance, cost_bill, party_account, payout, payout_approval, payout_run

from .model import ChainTerms, Owed
from .pain import BankParty

OWED_ACCOUNTS = (Account.PAYABLE, Account.FUND)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A row of payout_run; see there for units."""

    id: bytes
    number: int
    key: str
    collector: bytes
    debtor: BankParty
    unit: str
    execution_day: str
    state: RunState
    proposer: bytes
    proposed_ms: int
    approved_ms: int | None
    file_hash: bytes | None
    sent_ms: int | None
    held: str

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(
            id=bytes(row.id),
            number=row.number,
            key=row.key,
            collector=bytes(row.collector),
            debtor=BankParty(row.debtor, row.debtor_iban),
            unit=row.unit,
            execution_day=row.execution_day,
            state=RunState(row.state),
            proposer=bytes(row.proposer),
            proposed_ms=row.proposed_ms,
            approved_ms=row.approved_ms,
            file_hash=None if row.file_hash is None else bytes(row.file_hash),
            sent_ms=row.sent_ms,
            held=row.held,
        )


RUNS = RunTables(payout_run, payout_approval, StoredRun.of)


@dataclass(frozen=True, slots=True)
class StoredPayout:
    """A row of payout; `owed` as it was when the run was proposed."""

    id: bytes
    owed: Owed
    contract: str
    cents: int
    creditor: BankParty
    outcome: str | None
    outcome_ms: int | None

    @property
    def end_to_end(self) -> str:
        """The id that comes back in bank statements; 32 of the 35 characters that it may have."""
        return end_to_end(self.id)


def owed(conn: Connection, community: str) -> list[Owed]:
    """All payable and fund accounts that are not zero; what is owed is positive."""
    accounts = [one.value for one in OWED_ACCOUNTS]
    return _owed(conn, [balance.c.community == community, balance.c.account.in_(accounts), balance.c.amount != 0])


def _owed(conn: Connection, wanted: Sequence[ColumnElement[bool]]) -> list[Owed]:
    rows = conn.execute(select(balance).where(*wanted))
    return [Owed(bytes(r.holder), Account(r.account), bytes(r.party), bytes(r.chain), r.unit, -r.amount) for r in rows]


def payers_credits(conn: Connection, community: str, payers: Collection[bytes] | None = None) -> list[Owed]:
    """Every receivable account, in credit or in debt, of payers whom a collector has more from than under some contract
    or bill was due; a credit is positive. `payers` None: of all."""
    in_credit = balance.alias()
    receivable = Account.RECEIVABLE.value
    wanted = [
        balance.c.community == community,
        balance.c.account == receivable,
        balance.c.amount != 0,
        balance.c.party != balance.c.holder,
        exists().where(
            in_credit.c.community == community,
            in_credit.c.account == receivable,
            in_credit.c.holder == balance.c.holder,
            in_credit.c.party == balance.c.party,
            in_credit.c.amount < 0,
        ),
    ]
    if payers is not None:
        wanted.append(balance.c.party.in_(payers))
    return _owed(conn, wanted)


def terms(conn: Connection, community: str, now_ms: int | None = None) -> dict[bytes, ChainTerms]:
    """chain -> what its newest version in force says; state and mode are those of `now_ms`, where that is given."""
    found: dict[bytes, ChainTerms] = {}
    contracts: dict[bytes, list[Contract]] = {}
    for version in book(conn, community).versions:  # in order of version: the last stands
        contract = version.contract
        contracts.setdefault(version.chain, []).append(contract)
        is_ahead = now_ms is not None and contract.effective_from_ms > now_ms and version.chain in found
        found[version.chain] = ChainTerms(
            contract.name,
            found[version.chain].mode if is_ahead else contract.mode,
            contract.state if now_ms is None else _state_at(contracts[version.chain], now_ms),
            contract.terms.payout_threshold.nano(),
            contract.terms.payout_approval,
            frozenset(bytes(party.id) for party in contract.parties),
            contract.terms.least_charge.nano(),
        )
    return found | _terms_of_bills(conn, community)


def _state_at(contracts: Sequence[Contract], now_ms: int) -> ContractState:
    """One whose `effective_to` has passed has ended like one whose last version says so."""
    held = held_until(contracts, now_ms)
    if held is None:
        return contracts[-1].state
    return held[0].state if held[1] == now_ms else ContractState.ENDED


def _terms_of_bills(conn: Connection, community: str) -> dict[bytes, ChainTerms]:
    """A bill is owed to its supplier as it stands, and what was paid of it too much to its payers."""
    rows = conn.execute(
        select(cost_bill.c.chain, cost_bill.c.name, cost_bill.c.collector, cost_bill.c.supplier).where(
            cost_bill.c.community == community
        )
    )
    found: dict[bytes, ChainTerms] = {}
    for chain, name, *sides in rows:
        before = found[bytes(chain)].parties if bytes(chain) in found else frozenset()
        parties = before | {bytes(side) for side in sides if side is not None}
        approval = PayoutApproval.SECOND_PERSON
        found[bytes(chain)] = ChainTerms(name, Mode.PRINCIPAL, ContractState.LIVE, 0, approval, parties)
    return found


def accounts(conn: Connection, community: str, now_ms: int) -> dict[bytes, BankParty]:
    """party -> its bank account at that time; the youngest of several."""
    rows = conn.execute(
        select(party_account)
        .where(
            party_account.c.community == community,
            party_account.c.valid_from_ms <= now_ms,
            party_account.c.valid_to_ms.is_(None) | (party_account.c.valid_to_ms > now_ms),
        )
        .order_by(party_account.c.valid_from_ms, party_account.c.id)
    )
    return {bytes(row.party): BankParty(row.holder, row.iban) for row in rows}


def last_accounts(conn: Connection, community: str, run: StoredRun) -> dict[bytes, str]:
    """party -> the IBAN to which it was paid last before a run, whoever paid; what came back does not count."""
    rows = conn.execute(
        select(payout.c.party, payout.c.creditor_iban)
        .join(payout_run, payout_run.c.id == payout.c.run)
        .where(
            payout.c.community == community,
            payout.c.party.in_(select(payout.c.party).where(payout.c.run == run.id)),
            payout_run.c.state.in_(HANDED_IN),
            payout_run.c.number < run.number,
            payout.c.outcome.is_(None) | (payout.c.outcome != "returned"),
        )
        .order_by(payout_run.c.number)
    )
    return {bytes(row.party): row.creditor_iban for row in rows}


def insert_run(conn: Connection, row: Mapping[str, object], payouts: Sequence[Mapping[str, object]]) -> None:
    RUNS.insert(conn, row)
    if payouts:
        conn.execute(insert(payout), [dict(one) for one in payouts])


def mark_payouts(conn: Connection, ids: Sequence[bytes], **columns: object) -> None:
    for one in ids:
        conn.execute(update(payout).where(payout.c.id == one).values(**columns))


def runs_of_ends(conn: Connection, community: str, ends: Iterable[str]) -> set[bytes]:
    """Runs that payments with these end-to-end ids are in."""
    found: set[bytes] = set()
    for named in named_by(payout.c.id, ends):
        rows = conn.execute(select(payout.c.run).where(payout.c.community == community, named).distinct())
        found |= {bytes(run) for run in rows.scalars()}
    return found


def payouts_of(conn: Connection, run: StoredRun) -> list[StoredPayout]:
    rows = conn.execute(select(payout).where(payout.c.run == run.id).order_by(payout.c.position))
    return [_payout(row, run.collector) for row in rows]


def payers_in_refunds(conn: Connection, community: str, states: Iterable[RunState]) -> set[bytes]:
    """Whom runs in these states pay back, and no statement has said what became of it."""
    rows = conn.execute(
        select(payout.c.party)
        .join(payout_run, payout_run.c.id == payout.c.run)
        .where(
            payout.c.community == community,
            payout.c.account == Account.RECEIVABLE.value,
            payout.c.outcome.is_(None),
            payout_run.c.state.in_([one.value for one in states]),
        )
    )
    return {bytes(party) for party in rows.scalars()}


def refunds_to(
    conn: Connection, community: str, payer: bytes, states: Iterable[RunState]
) -> list[tuple[StoredRun, StoredPayout]]:
    """What runs in these states pay back to a payer, the newest run first."""
    rows = conn.execute(
        select(payout).where(
            payout.c.community == community,
            payout.c.party == payer,
            payout.c.account == Account.RECEIVABLE.value,
        )
    ).all()
    wanted, found = set(states), []
    for row in rows:
        run = RUNS.find(conn, community, id=bytes(row.run))
        if run is not None and run.state in wanted:
            found.append((run, _payout(row, run.collector)))
    return sorted(found, key=lambda pair: -pair[0].number)


def _payout(row: Any, collector: bytes) -> StoredPayout:
    about = Owed(collector, Account(row.account), bytes(row.party), bytes(row.chain), row.unit, row.entitlement)
    creditor = BankParty(row.creditor, row.creditor_iban)
    return StoredPayout(bytes(row.id), about, row.contract, row.cents, creditor, row.outcome, row.outcome_ms)
