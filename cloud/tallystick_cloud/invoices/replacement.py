"""Takes a whole invoice back and issues it anew: for a wrong name, address or tax, never for a wrong amount.

It never changes what the books say: an amount is corrected there, and the next run's credit note follows.
"""

from dataclasses import replace

from sqlalchemy import Connection

from tallystick_cloud.errors import BadInput

from . import gather, store
from .desk import About, Asked, Parties, desk_of, show
from .errors import InvoiceRefused
from .model import Cited, Kind, taxed
from .store import Stored


def replace_document(
    conn: Connection, community: str, number: str, why: str, party: bytes, now_ms: int
) -> tuple[Stored, Stored]:
    """A credit note over all of an invoice, and a new invoice over the same lines with the setup of now.

    Raises InvoiceRefused for what is no invoice or is taken back already; then nothing is kept.
    """
    store.lock(conn, community)
    old = show(conn, community, number)
    desk = desk_of(conn, community, Asked(party, old.issuer), now_ms)
    _check(conn, community, old)
    if not why.strip():
        raise BadInput("why", "is empty; say what was wrong, it stands on both documents")
    cited, parties = (Cited(number, old.document.day),), Parties(old.seller, old.buyer)
    credit = replace(old.document, kind=Kind.CREDIT, cites=cited, note=why, due_day=desk.due_day, disputed=0)
    back = desk.keep(conn, credit, desk.setup.prefix, parties, About(old.period, number))
    lines, taxes = taxed(old.document.lines, {one.contract: desk.setup.treatment(one.contract) for one in credit.lines})
    found = gather.disputed_cents(conn, community, parties, store.settlements_of(conn, community, number))
    anew = replace(
        old.document,
        cites=cited,
        note=why,
        due_day=desk.due_day,
        lines=lines,
        taxes=taxes,
        seller=desk.identity(old.seller),
        buyer=desk.identity(old.buyer),
        transfer=desk.transfer(old.buyer, old.document.way),
        shows_gross=desk.setup.shows_gross,
        disputed=min(found, old.document.total),
    )
    instead = desk.keep(conn, anew, desk.setup.prefix, parties, About(old.period))
    store.retake(conn, community, number, instead.number)
    return back, instead


def _check(conn: Connection, community: str, old: Stored) -> None:
    if old.kind is not Kind.INVOICE:
        raise InvoiceRefused(old.number, f"is a {old.kind.value}; only an invoice is taken back and issued anew")
    whole = [one.number for one in store.citing(conn, community, old.number) if one.cents == -old.cents]
    if whole:
        raise InvoiceRefused(old.number, f"is taken back by {whole[0]} already; take back what stands in its place")
