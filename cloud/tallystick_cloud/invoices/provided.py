"""Documents in the names of parties to whom a payment provider passed something on: one per run and party.

It never writes one before every payment of the run has an outcome, and takes back what went back to payers since.
"""

from collections.abc import Mapping

from sqlalchemy import Connection
from tallystick_protocol.ids import sha256

from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.runs.model import RunState
from tallystick_cloud.splits import service as splits
from tallystick_cloud.splits.model import Outcome
from tallystick_cloud.splits.service import Run

from . import store
from .desk import Asked, Desk, desk_of
from .errors import InvoiceRefused
from .model import Kind, Transfer
from .self_billed import Paid, keep
from .service import Issued
from .store import Stored

Amounts = Mapping[str, int]
"""Contract -> cents."""


def self_bill(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Issued:
    """A self-billed invoice per party of a split run over what arrived, and a credit note over what went back since;
    again it issues nothing twice. The collector's own share needs none.

    Raises InvoiceRefused for a run whose payments have no outcome yet.
    """
    store.lock(conn, community)
    run = splits.show(conn, community, number)
    desk = desk_of(conn, community, Asked(party, run.stored.collector), now_ms)
    if run.stored.state is not RunState.SETTLED:
        detail = f"is {run.stored.state.value}; its documents are issued when every payment has an outcome"
        raise InvoiceRefused(f"split run {number}", detail)
    fresh = 0
    for payee in sorted({part.party for one in run.payments for part in one.parts} - {run.stored.collector}):
        fresh += _bill(conn, desk, run, payee)
    return Issued(tuple(store.of_period(conn, community, desk.issuer, _period(run))), fresh)


def _bill(conn: Connection, desk: Desk, run: Run, payee: bytes) -> int:
    """How many documents the payee got."""
    about = _ref(run, payee)
    known = [one for one in store.of_period(conn, desk.community, desk.issuer, _period(run)) if one.payout == about]
    made = next((one for one in known if one.kind is Kind.SELF_BILLED), None)
    fresh = 0
    arrived = _amounts(run, payee, {Outcome.PAID, Outcome.RETURNED})
    if made is None and arrived:
        made, fresh = _keep(conn, desk, run, payee, arrived, None), 1
    if made is None:
        return fresh
    back = dict(_amounts(run, payee, {Outcome.RETURNED}))
    for line in (line for one in known if one.kind is Kind.SELF_CREDIT for line in one.document.lines):
        back[line.contract] -= line.gross
    back = {contract: cents for contract, cents in back.items() if cents}
    if back:
        _keep(conn, desk, run, payee, back, made)
        fresh += 1
    return fresh


def _amounts(run: Run, payee: bytes, outcomes: set[Outcome]) -> Amounts:
    found: dict[str, int] = {}
    for one in run.payments:
        cents = sum(part.cents for part in one.parts if part.party == payee)
        if one.outcome in outcomes and cents:
            found[one.contract] = found.get(one.contract, 0) + cents
    return dict(sorted(found.items()))


def _period(run: Run) -> str:
    return f"split run {run.stored.number}"


def _keep(conn: Connection, desk: Desk, run: Run, payee: bytes, amounts: Amounts, cites: Stored | None) -> Stored:
    paid = Paid(payee, amounts, _transfer(desk, payee), _ref(run, payee))
    return keep(conn, desk, run.stored, _period(run), paid, cites)


def _ref(run: Run, payee: bytes) -> bytes:
    return sha256(run.stored.id + payee)


def _transfer(desk: Desk, payee: bytes) -> Transfer:
    """By the provider; the account there is in the run, and goes with a person who is erased."""
    reference = reference_of(desk.community, desk.issuer, payee)
    return Transfer(desk.names[payee], None, reference, by_provider=True)
