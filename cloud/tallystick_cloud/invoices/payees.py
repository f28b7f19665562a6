"""Documents that a collector writes in the name of its payees: one per payout, over exactly what was paid.

It never writes one before the bank has the money's order, and takes one back when the payout came back.
"""

from fractions import Fraction

from sqlalchemy import Connection

from tallystick_cloud.costs.store import supplied_chains
from tallystick_cloud.payouts import service as payouts
from tallystick_cloud.payouts.checks import Run
from tallystick_cloud.payouts.model import Outcome
from tallystick_cloud.payouts.store import StoredPayout
from tallystick_cloud.runs.model import RunState
from tallystick_cloud.uses.model import local_day

from . import store
from .desk import About, Asked, Desk, Parties, desk_of
from .errors import InvoiceRefused
from .gather import Left
from .model import SHARE, Cited, Document, Kind, Line, Transfer, taxed
from .service import Issued
from .store import Stored


def self_bill(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> Issued:
    """A self-billed invoice per payout of a run that the bank has, and a credit note for each that came back since;
    again it issues nothing twice. What pays a supplier's bill gets none: the supplier wrote it.

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
        if one.owed.chain in suppliers:
            left.append(Left(one.owed.party, one.contract, "a supplier has billed it"))
            continue
        made = known.get((one.id, Kind.SELF_BILLED))
        if made is None:
            made = _keep(conn, desk, run, one, Kind.SELF_BILLED, None)
            fresh += 1
        if one.outcome == Outcome.RETURNED.value and (one.id, Kind.SELF_CREDIT) not in known:
            _keep(conn, desk, run, one, Kind.SELF_CREDIT, made)
            fresh += 1
    return Issued(tuple(store.of_period(conn, community, desk.issuer, _period(run))), fresh, tuple(left))


def _period(run: Run) -> str:
    return f"run {run.stored.number}"


def _keep(conn: Connection, desk: Desk, run: Run, one: StoredPayout, kind: Kind, cites: Stored | None) -> Stored:
    payee = one.owed.party
    treatment = desk.setup.payee_treatment(desk.names[payee])
    line = Line(one.contract, "", SHARE, None, 1, Fraction(0), "", None, None, one.cents, one.cents, 0)
    lines, taxes = taxed([line], {one.contract: treatment})
    if cites is not None:  # what was said is taken back as it was said
        lines, taxes = cites.document.lines, cites.document.taxes
    sent_day = local_day(run.stored.sent_ms or desk.now_ms, desk.zone)
    draft = Document(
        number="",
        kind=kind,
        day=desk.day,
        due_day=run.stored.execution_day,
        from_day=sent_day,
        to_day=sent_day,
        unit=one.owed.unit,
        seller=desk.identity(payee) if cites is None else cites.document.seller,
        buyer=desk.identity(desk.issuer) if cites is None else cites.document.buyer,
        cites=() if cites is None else (Cited(cites.number, cites.document.day),),
        note="",
        shows_gross=desk.setup.shows_gross,
        lines=lines,
        taxes=taxes,
        transfer=Transfer(one.creditor.name, one.creditor.iban, one.end_to_end),
    )
    about = About(_period(run), None if cites is None else cites.number, one.id)
    return desk.keep(conn, draft, series_of(conn, desk, payee), Parties(payee, desk.issuer), about)


def series_of(conn: Connection, desk: Desk, payee: bytes) -> str:
    """A payee's own series, told by the order in which payees got their first document."""
    known = store.payee_series(conn, desk.community, desk.issuer)
    return known.get(payee) or f"{desk.setup.prefix}-S{len(known) + 1}"
