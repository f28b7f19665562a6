"""A document in the name of somebody who was paid: over shares of contracts, or the credit note that takes one back.

It never decides who gets one or over what: `payees` does for payouts of a bank, `provided` for a payment provider.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from sqlalchemy import Connection

from tallystick_cloud.uses.model import local_day

from . import store
from .desk import About, Desk, Parties
from .model import SHARE, Cited, Document, Kind, Line, Transfer, taxed
from .store import Stored


class Handed(Protocol):
    """A run that was handed in; `execution_day` is YYYY-MM-DD."""

    @property
    def unit(self) -> str: ...
    @property
    def execution_day(self) -> str: ...
    @property
    def sent_ms(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Paid:
    """What `payee` got, or what of it went back: cents by contract, how, and under which id the books know it."""

    payee: bytes
    cents: Mapping[str, int]
    transfer: Transfer
    ref: bytes


def drafted(desk: Desk, run: Handed, paid: Paid, cites: Stored | None) -> Document:
    """Without a number yet; a credit note where it `cites` the document that it takes back, as that was said."""
    if cites is None:
        kind, treatment = Kind.SELF_BILLED, desk.setup.payee_treatment(desk.names[paid.payee])
        seller, buyer = desk.identity(paid.payee), desk.identity(desk.issuer)
        cited: tuple[Cited, ...] = ()
    else:
        before = cites.document
        kind, treatment = Kind.SELF_CREDIT, before.taxes[0].treatment
        seller, buyer, cited = before.seller, before.buyer, (Cited(cites.number, before.day),)
    shares = [
        Line(contract, "", SHARE, None, 1, Fraction(0), "", None, None, cents, cents, 0)
        for contract, cents in paid.cents.items()
    ]
    lines, taxes = taxed(shares, dict.fromkeys(paid.cents, treatment))
    sent_day = local_day(run.sent_ms or desk.now_ms, desk.zone)
    return Document(
        number="",
        kind=kind,
        day=desk.day,
        due_day=run.execution_day,
        from_day=sent_day,
        to_day=sent_day,
        unit=run.unit,
        seller=seller,
        buyer=buyer,
        cites=cited,
        note="",
        shows_gross=desk.setup.shows_gross,
        lines=lines,
        taxes=taxes,
        transfer=paid.transfer,
    )


def keep(conn: Connection, desk: Desk, run: Handed, period: str, paid: Paid, cites: Stored | None) -> Stored:
    """Number it in the payee's own series, told by the order in which payees got their first document, and keep it."""
    about = About(period, None if cites is None else cites.number, paid.ref)
    known = store.payee_series(conn, desk.community, desk.issuer)
    series = known.get(paid.payee) or f"{desk.setup.prefix}-S{len(known) + 1}"
    return desk.keep(conn, drafted(desk, run, paid, cites), series, Parties(paid.payee, desk.issuer), about)
