"""Documents that a collector writes in the name of its payees: one per payout, over exactly what was paid.

It never writes one before the bank has the money's order, and takes one back when the payout came back.
"""

from sqlalchemy import Connection

from tallystick_cloud.costs.store import supplied_chains
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.store import StoredPayout
from tallystick_cloud.runs.model import RunState

from . import store
from .desk import Asked, Desk, desk_of
from .errors import InvoiceRefused
from .gather import Left
from .model import Kind, Transfer
from .self_billed import Paid, keep
from .service import Issued
from .store import Stored


def self_bill(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Issued:
    """A self-billed invoice per payout of a run that the bank has, and a credit note for each that came back since;
    again it issues nothing twice. What pays a supplier's bill gets none: the supplier wrote it; nor does a refund.

    Raises InvoiceRefused for a run that no bank has.
    """
    store.lock(conn, community)
    run = payouts.show(conn, community, number)
    desk = desk_of(conn, community, Asked(party, run.stored.collector), now_ms)
    if run.stored.state not in (RunState.SENT, RunState.SETTLED):
        detail = f"is {run.stored.state.value}; its documents are issued when the bank has its file"
        raise InvoiceRefused(f"payout run {number}", detail)
    known = {(one.payout, one.kind): one for one in store.of_period(conn, community, desk.issuer, _period(run))}
    suppliers = supplied_chains(conn, community)
    left, fresh = [], 0
    for one in run.payouts:
        if one.owed.is_credit or one.owed.chain in suppliers:
            why = "it was paid too much, and went back" if one.owed.is_credit else "a supplier has billed it"
            left.append(Left(one.owed.party, one.contract, why))
            continue
        made = known.get((one.id, Kind.SELF_BILLED))
        if made is None:
            made = _keep(conn, desk, run, one, None)
            fresh += 1
        if one.outcome == Outcome.RETURNED.value and (one.id, Kind.SELF_CREDIT) not in known:
            _keep(conn, desk, run, one, made)
            fresh += 1
    return Issued(tuple(store.of_period(conn, community, desk.issuer, _period(run))), fresh, tuple(left))


def _period(run: Run) -> str:
    return f"run {run.stored.number}"


def _keep(conn: Connection, desk: Desk, run: Run, one: StoredPayout, cites: Stored | None) -> Stored:
    transfer = Transfer(one.creditor.name, one.creditor.iban, one.end_to_end)
    paid = Paid(one.owed.party, {one.contract: one.cents}, transfer, one.id)
    return keep(conn, desk, run.stored, _period(run), paid, cites)
