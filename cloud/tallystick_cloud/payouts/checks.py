"""Who may move a payout run, and whether what it says is still true; every refusal names party or run and next step.

It never changes anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection
from tallystick_protocol.money.contract import PayoutApproval

from tallystick_cloud.disputes.service import held
from tallystick_cloud.errors import BadInput
from tallystick_cloud.parties.store import names_by_id

from . import model, store
from .errors import BankFileError, NotSecondPerson, PayoutRefused
from .model import CENT_NANO, ChainTerms, Held, Owed
from .pain import BankParty
from .store import StoredPayout, StoredRun

DAYS_AHEAD_MAX = 365  # banks hold an order for about a year
REASONS_SHOWN_MAX = 5  # in one sentence; `show` lists all


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands; `missing` says in words what keeps it from being released."""

    stored: StoredRun
    payouts: tuple[StoredPayout, ...]
    held: tuple[Held, ...]
    approvers: tuple[bytes, ...]
    missing: tuple[str, ...]

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


def check_handler(conn: Connection, community: str, party: bytes, collector: bytes, names: Mapping[bytes, str]) -> None:
    if party != collector and party not in store.managers(conn, community):
        who = names.get(party, party.hex())
        raise NotSecondPerson(
            "party", f"{who} may not handle payouts; {names[collector]} or a community manager does that"
        )


def check_day(day: date, now_ms: int) -> None:
    today = datetime.fromtimestamp(now_ms // 1000, UTC).date()
    if not today <= day <= today + timedelta(days=DAYS_AHEAD_MAX):
        raise BadInput("execution day", f"is {day}; name a day from {today} to {DAYS_AHEAD_MAX} days later")


def working_day(now_ms: int, days_ahead: int) -> date:
    """The first day that banks work, so many days ahead or later: no Saturday or Sunday."""
    day = datetime.fromtimestamp(now_ms // 1000, UTC).date() + timedelta(days=days_ahead)
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def check_no_open_run(conn: Connection, community: str, collector: bytes, names: Mapping[bytes, str]) -> None:
    run = store.open_run(conn, community, collector)
    if run is not None:
        detail = f"{run.number} of {names[collector]} is {run.state.value}; send it or cancel it first"
        raise PayoutRefused("payout run", detail)


def debtor_of(name: str, account: BankParty | None) -> BankParty:
    if account is None:
        raise PayoutRefused("collector", f"{name} has no bank account to pay from; add its IBAN")
    try:
        return model.bank_party(name, account)
    except BankFileError as error:
        raise PayoutRefused("collector", str(error)) from error


def held_in_words(held: Sequence[Held]) -> str:
    shown = [f"{one.party} ({one.contract}): {one.reason.value}" for one in held[:REASONS_SHOWN_MAX]]
    more = len(held) - len(shown)
    return "held back: " + "; ".join(shown) + (f" and {more} more" if more else "")


def check_second(conn: Connection, community: str, run: Run, party: bytes) -> None:
    """Never the proposer; a community manager, the collector or a party of one of the run's contracts."""
    name = names_by_id(conn, community).get(party, party.hex())
    if party == run.stored.proposer:
        raise NotSecondPerson("party", f"{name} proposed run {run.stored.number}; somebody else must release it")
    terms = store.terms(conn, community)
    parties = {one for payout in run.payouts for one in terms[payout.owed.chain].parties}
    if party not in parties | store.managers(conn, community) | {run.stored.collector}:
        detail = f"{name} may not release run {run.stored.number}; a community manager or a party of its contracts does"
        raise NotSecondPerson("party", detail)


def check_still_true(conn: Connection, community: str, run: Run, now_ms: int) -> None:
    """Everything is still owed, and every account is still the one that was proposed."""
    owed, disputed = store.balances_of(conn, community), held(conn, community)
    accounts = store.accounts(conn, community, now_ms)
    number = run.stored.number
    for one in run.payouts:
        if owed.get(one.owed.line.key(), 0) - disputed.get(one.owed.line, 0) < one.cents * CENT_NANO:
            detail = f"less is owed to {one.creditor.name} now than run {number} pays; cancel it and propose again"
            raise PayoutRefused(one.creditor.name, detail)
        _check_account(one.creditor, accounts.get(one.owed.party), number)
    _check_account(run.stored.debtor, accounts.get(run.stored.collector), number)


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
