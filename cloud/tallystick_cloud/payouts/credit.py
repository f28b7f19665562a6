"""Credits of payers: who paid too much to whom, what of it can be paid back now, and what is on its way back.

It never pays: `service.propose_refunds` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.runs.model import OPEN_STATES, RunState

from . import store
from .model import Facts, Held, Owed, Payout, Reason, decisions
from .pain import BankParty
from .store import StoredPayout, StoredRun

UNDER_WAY = (*OPEN_STATES, RunState.SENT)


@dataclass(frozen=True, slots=True)
class Credit:
    """What one payer paid too much to one collector under one contract or bill, and has of it now.

    `cents` can be paid back to `to`; else `reason` and `next_step` say why nothing is.
    """

    payer_id: bytes
    payer: str
    collector: str
    contract: str
    unit: str
    nano: int
    cents: int = 0
    to: BankParty | None = None
    reason: Reason | None = None
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A refund to a payer in a run that no statement has shown as paid; `day`: when the bank executes it."""

    collector: str
    cents: int
    day: str
    iban: str
    is_sent: bool


def all_credits(conn: Connection, community: str, now_ms: int, payer: bytes | None = None) -> list[Credit]:
    """By collector, payer and contract; of one payer where it is named. Less than a cent is none."""
    rows = store.payers_credits(conn, community, None if payer is None else [payer])
    names, accounts = names_by_id(conn, community), store.accounts(conn, community, now_ms)
    facts = Facts(store.terms(conn, community, now_ms), names, accounts)
    found = [_credit(row, decided, facts) for row, decided in decisions(rows, facts, b"") if row.nano >= CENT_NANO]
    return sorted(found, key=lambda one: (one.collector, one.payer, one.contract))


def _credit(row: Owed, found: Payout | Held, facts: Facts) -> Credit:
    about = row.party, facts.names[row.party], facts.names[row.holder], found.contract, row.unit, row.nano
    if isinstance(found, Held):
        return Credit(*about, reason=found.reason, next_step=found.next_step)
    return Credit(*about, found.cents, found.creditor)


def payers_to_repay(conn: Connection, community: str, now_ms: int) -> int | None:
    """How many could be paid back now and are in no run; None where nobody is in credit."""
    found = all_credits(conn, community, now_ms)
    ready = {one.payer_id for one in found if one.cents}
    return len(ready - store.payers_in_refunds(conn, community, UNDER_WAY)) if found else None


def on_its_way(conn: Connection, community: str, payer: bytes) -> list[OnItsWay]:
    """Refunds to a payer that are released and not paid yet, the newest first."""
    names = names_by_id(conn, community)
    return [
        OnItsWay(names[run.collector], one.cents, run.execution_day, one.creditor.iban, run.state is RunState.SENT)
        for run, one in _refunds(conn, community, payer)
        if run.state is not RunState.PROPOSED
    ]


def _refunds(conn: Connection, community: str, payer: bytes) -> Sequence[tuple[StoredRun, StoredPayout]]:
    return [(run, one) for run, one in store.refunds_to(conn, community, payer, UNDER_WAY) if one.outcome is None]
