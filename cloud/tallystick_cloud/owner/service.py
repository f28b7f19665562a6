"""The use case of the owner home: one party's money in one month, from one look at the books.

It never reads another party's account and never formats anything."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import Contract, ContractState, Mode, version_at
from tallystick_protocol.money.plan import counter_key
from tallystick_protocol.money.split import Scope, Step

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import book
from tallystick_cloud.http.month import Span
from tallystick_cloud.ledger.counters import values_at
from tallystick_cloud.owner import store
from tallystick_cloud.owner.model import (
    Account,
    Home,
    Loan,
    PayoutTimes,
    PayoutView,
    Threshold,
    account_of,
    by_asset,
    money_line,
    stage_of,
)
from tallystick_cloud.owner.payoff import looked_at, predicted
from tallystick_cloud.uses.access import read_newest
from tallystick_cloud.uses.model import Reader

NEWEST_LINES = 10


def home(conn: Connection, reader: Reader, span: Span) -> Home:
    """Everything of the page, true at the end of the month or now. Writes an access row: call it in a write."""
    party = reader.party or b""
    account = account_at(conn, reader.community, party, span)
    payouts = payouts_at(conn, reader.community, party, span.at_ms)
    newest, brought = read_newest(conn, reader, span.from_ms, span.until_ms, span.zone, NEWEST_LINES)
    versions = book(conn, reader.community).versions
    terms = _terms(versions, party, span.at_ms)
    return Home(
        account=account,
        line=money_line(account, payouts),
        payouts=payouts,
        assets=by_asset(brought),
        loans=tuple(loan for chain, one in terms for loan in _loans(conn, versions, chain, one, party, span.at_ms)),
        newest=tuple(reversed(newest)),
        threshold=_threshold(terms),
        has_account=_needs_no_bank(terms) or store.has_bank_account(conn, reader.community, party, span.at_ms),
    )


def account_at(conn: Connection, community: str, party: bytes, span: Span) -> Account:
    """The party's account over the month."""
    return account_of(
        store.sums_before(conn, community, party, span.from_ms),
        store.moved(conn, community, party, span.from_ms, span.until_ms),
        transit=-store.total(conn, community, party, store.TRANSIT, span.until_ms),
        own=store.own_books(conn, community, party, span.until_ms),
        owes=store.total(conn, community, party, store.RECEIVABLE, span.until_ms),
        settled=store.settled(conn, community, party, span.at_ms),
    )


def payouts_at(conn: Connection, community: str, party: bytes, at_ms: int) -> tuple[PayoutView, ...]:
    """Payouts to the party that were proposed by then, newest first; then what payment providers pass on."""
    by_bank, by_provider = store.payouts(conn, community, party), store.split_parts(conn, community, party)
    found = []
    for row, provided in (*((one, False) for one in by_bank), *((one, True) for one in by_provider)):
        cancelled = row.closed_ms if row.state == "cancelled" else None
        times = PayoutTimes(row.proposed_ms, row.approved_ms, row.sent_ms, row.outcome, row.outcome_ms, cancelled)
        stage = stage_of(times, at_ms)
        if stage is not None:
            found.append(PayoutView(row.number, row.contract, row.cents, row.execution_day, *stage, provided))
    return tuple(found)


def _terms(versions: Sequence[Version], party: bytes, at_ms: int) -> list[tuple[bytes, Contract]]:
    """(chain, version in force) of every live contract whose split names the party."""
    chains: dict[bytes, list[Contract]] = {}
    for version in versions:
        chains.setdefault(version.chain, []).append(version.contract)
    found = []
    for chain, mine in sorted(chains.items()):
        contract = version_at(mine, at_ms)
        if (
            contract is not None
            and contract.state is ContractState.LIVE
            and any(_names(s, party) for s in contract.split)
        ):
            found.append((chain, contract))
    return found


def _needs_no_bank(terms: Sequence[tuple[bytes, Contract]]) -> bool:
    """Whether a payment provider passes on all that the party gets; it knows an account of its own."""
    return bool(terms) and all(contract.mode is Mode.PSP for _, contract in terms)


def _names(step: Step, party: bytes) -> bool:
    return any(PartyId(party) == owner for owner, _ in step.to)


def _loans(
    conn: Connection, versions: Sequence[Version], chain: bytes, contract: Contract, party: bytes, at_ms: int
) -> list[Loan]:
    contracts = _of_chain(versions, chain)
    return [
        _loan(conn, contracts, chain, contract, step, at_ms)
        for step in contract.split
        if step.cap is not None and step.counter is not None and step.cap_per is not None and _names(step, party)
    ]


def _of_chain(versions: Sequence[Version], chain: bytes) -> dict[bytes, Contract]:
    return {one.h: one.contract for one in versions if one.chain == chain}


def _loan(
    conn: Connection, contracts: Mapping[bytes, Contract], chain: bytes, contract: Contract, step: Step, at_ms: int
) -> Loan:
    """As it stands at a moment; only a cap for the contract's lifetime has an end to predict."""
    cap = 0 if step.cap is None else step.cap.nano()
    is_for_life = step.cap_per is Scope.LIFETIME
    standings = _standings(conn, contracts, chain, contract, step, looked_at(at_ms) if is_for_life else [at_ms])
    repaid = standings[-1]
    payoff = predicted(standings, cap, at_ms) if is_for_life and 0 < repaid < cap else None
    return Loan(chain, contract.name, step.counter or "", repaid, cap, payoff)


def standing(conn: Connection, chain: bytes, contract: Contract, step: Step, at_ms: int) -> int:
    """Where the counter of a capped step stands, in nano."""
    contracts = _of_chain(book(conn, contract.community).versions, chain)
    return _standings(conn, contracts, chain, contract, step, [at_ms])[0]


def _standings(
    conn: Connection,
    contracts: Mapping[bytes, Contract],
    chain: bytes,
    contract: Contract,
    step: Step,
    moments: Sequence[int],
) -> list[int]:
    """At moments of one period, which rise."""
    period = None if step.cap_per is Scope.LIFETIME else period_of(contract, moments[-1])
    key = counter_key(H32(chain), "split", step.counter or "", None, period)
    from_ms = 0 if period is None else period.from_ms
    return values_at(conn, chain, contracts, key, [one + 1 for one in moments], from_ms)


def _threshold(terms: list[tuple[bytes, Contract]]) -> Threshold | None:
    """The lowest of the party's contracts."""
    found = [
        Threshold(contract.name, contract.terms.payout_threshold.nano())
        for _, contract in terms
        if contract.mode is not Mode.PSP
    ]
    return min(found, key=lambda one: one.nano, default=None)
