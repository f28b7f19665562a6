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
from tallystick_cloud.ledger.counters import Counted, histories, value_at, values_now
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
        loans=_loans(conn, versions, terms, party, span),
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
    conn: Connection, versions: Sequence[Version], terms: Sequence[tuple[bytes, Contract]], party: bytes, span: Span
) -> tuple[Loan, ...]:
    """As they stand now or at the end of the month; only a cap for the contract's lifetime has an end to predict.

    All of them are asked for together: a lender may have one under every contract.
    """
    at_ms, of_chain = span.at_ms, _by_chain(versions)
    steps = [(chain, contract, step) for chain, contract in terms for step in contract.split if _lends(step, party)]
    counters = [_counted(of_chain[chain], chain, contract, step, at_ms) for chain, contract, step in steps]
    known = histories(conn, counters, looked_at(at_ms), at_ms + 1)
    now = values_now(conn, counters) if span.is_running else [values[-1] for values in known]
    found = []
    for (chain, contract, step), weekly, repaid in zip(steps, known, now, strict=True):
        cap = 0 if step.cap is None else step.cap.nano()
        is_open = step.cap_per is Scope.LIFETIME and 0 < repaid < cap
        payoff = predicted([*weekly[:-1], repaid], cap, at_ms) if is_open else None
        found.append(Loan(chain, contract.name, step.counter or "", repaid, cap, payoff))
    return tuple(found)


def _lends(step: Step, party: bytes) -> bool:
    return step.cap is not None and step.counter is not None and step.cap_per is not None and _names(step, party)


def _by_chain(versions: Sequence[Version]) -> dict[bytes, dict[bytes, Contract]]:
    found: dict[bytes, dict[bytes, Contract]] = {}
    for one in versions:
        found.setdefault(one.chain, {})[one.h] = one.contract
    return found


def standing(conn: Connection, chain: bytes, contract: Contract, step: Step, at_ms: int) -> int:
    """Where the counter of a capped step stood by what was known at a moment, in nano."""
    contracts = _by_chain(book(conn, contract.community).versions)[chain]
    return value_at(conn, _counted(contracts, chain, contract, step, at_ms), at_ms + 1)


def _counted(contracts: Mapping[bytes, Contract], chain: bytes, contract: Contract, step: Step, at_ms: int) -> Counted:
    """The counter of a step at a moment."""
    period = None if step.cap_per is Scope.LIFETIME else period_of(contract, at_ms)
    key = counter_key(H32(chain), "split", step.counter or "", None, period)
    begun = (one.effective_from_ms for one in contracts.values() if any(s.counter == step.counter for s in one.split))
    since_ms = min(begun, default=contract.effective_from_ms) if period is None else period.from_ms
    return Counted(chain, contracts, key, since_ms)


def _threshold(terms: list[tuple[bytes, Contract]]) -> Threshold | None:
    """The lowest of the party's contracts."""
    found = [
        Threshold(contract.name, contract.terms.payout_threshold.nano())
        for _, contract in terms
        if contract.mode is not Mode.PSP
    ]
    return min(found, key=lambda one: one.nano, default=None)
