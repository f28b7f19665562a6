"""Who may move a payout run, and whether what it says is still true; every refusal names party or run and next step.

It never changes anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.money.contract import PayoutApproval

from tallystick_cloud.disputes.service import held
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ledger.model import Line
from tallystick_cloud.money import CENT_NANO

from . import model, store
from .errors import BankFileError, PayoutRefused
from .model import ChainTerms, Held, Owed
from .pain import BankParty
from .store import StoredPayout, StoredRun


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands; `missing` says in words what keeps it from being released.

    `elsewhere`: who is paid to another account than the last time, while that can still be stopped.
    """

    stored: StoredRun
    payouts: tuple[StoredPayout, ...]
    held: tuple[Held, ...]
    approvers: tuple[bytes, ...]
    missing: tuple[str, ...]
    elsewhere: frozenset[bytes] = frozenset()

    @property
    def cents(self) -> int:
        return sum(one.cents for one in self.payouts)


def collector_of(owed: Sequence[Owed], wanted: bytes | None, names: Mapping[bytes, str]) -> bytes:
    holders = {one.holder for one in owed if one.holder != one.party}
    if wanted is not None:
        if wanted not in holders:
            name = names.get(wanted, wanted.hex())
            raise PayoutRefused("collector", f"{name} owes nobody anything; only a collector pays out")
        return wanted
    if not holders:
        raise PayoutRefused("payout run", "has nothing to pay: nothing is owed")
    if len(holders) > 1:
        listed = ", ".join(sorted(names[one] for one in holders))
        raise BadInput("collector", f"name one of: {listed}; each pays from its own account")
    return holders.pop()


def debtor_of(name: str, account: BankParty | None) -> BankParty:
    if account is None:
        raise PayoutRefused("collector", f"{name} has no bank account to pay from; add its IBAN")
    try:
        return model.bank_party(name, account)
    except BankFileError as error:
        raise PayoutRefused("collector", str(error)) from error


def parties_of(conn: Connection, community: str, chains: Iterable[bytes]) -> set[bytes]:
    """Everybody who is a party of one of these contracts: who may be a run's second person."""
    terms = store.terms(conn, community)
    return {one for chain in chains for one in terms[chain].parties}


def check_still_true(conn: Connection, community: str, run: Run, now_ms: int) -> None:
    """Everything is still owed, and every account is still the one that was proposed."""
    owed, disputed = _payable(conn, community, run), held(conn, community)
    accounts = store.accounts(conn, community, now_ms)
    number = run.stored.number
    for one in run.payouts:
        if owed.get(one.owed.line, 0) - disputed.get(one.owed.line, 0) < one.cents * CENT_NANO:
            detail = f"less is owed to {one.creditor.name} now than run {number} pays; cancel it and propose again"
            raise PayoutRefused(one.creditor.name, detail)
        _check_account(one.creditor, accounts.get(one.owed.party), number)
    _check_account(run.stored.debtor, accounts.get(run.stored.collector), number)


def _payable(conn: Connection, community: str, run: Run) -> dict[Line, int]:
    """nano that may leave each account of the run: what is owed on it, and of a payer's what no debt stands against."""
    payers = {one.owed.party for one in run.payouts if one.owed.is_credit}
    found = {one.line: one.nano for one in store.owed(conn, community)}
    if payers:
        found |= model.free(store.payers_credits(conn, community, payers), store.terms(conn, community))
    return found


def _check_account(proposed: BankParty, now: BankParty | None, number: int) -> None:
    if now is None or model.bank_party(proposed.name, now) != proposed:
        detail = f"the account of {proposed.name} has changed since run {number} was proposed; cancel it, propose again"
        raise PayoutRefused(proposed.name, detail)


def missing(
    chains: Iterable[bytes], terms: Mapping[bytes, ChainTerms], collector: bytes, proposer: bytes, said: set[bytes]
) -> tuple[str, ...]:
    """What keeps a run over these contracts from being released, in words."""
    found = [] if said else ["a second person must approve it"]
    for chain in sorted(set(chains)):
        wanted = terms[chain]
        others = wanted.parties - {collector, proposer}
        if wanted.approval is PayoutApproval.OTHER_PARTY and not said & others:
            found.append(f"a party of {wanted.name!r} other than the collector must approve it")
    return tuple(found)
