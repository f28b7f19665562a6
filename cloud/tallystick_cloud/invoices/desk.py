"""What every document of one issuer needs to know, and the one place where a document gets its number and is kept.

It never decides what a document says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from tallystick_cloud.bank.due import ByDebit, by_debit
from tallystick_cloud.bank.reference import reference_of
from tallystick_cloud.city.service import place
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.payouts import store as payout_store
from tallystick_cloud.runs.checks import check_handler
from tallystick_cloud.uses.model import local_day

from . import content, store
from .errors import InvoiceRefused
from .model import UNIT, Cited, Debit, Document, Identity, Kind, Sum, Transfer, Way
from .setup import Setup, parse
from .store import Stored


@dataclass(frozen=True, slots=True)
class Asked:
    """`party`: who asks, the issuer or a manager; `issuer` None: the only one that has a setup."""

    party: bytes
    issuer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Parties:
    """Seller and buyer of a document."""

    seller: bytes
    buyer: bytes


@dataclass(frozen=True, slots=True)
class About:
    """What the books know of a document: its period or run, what it takes back, the payout it is about."""

    period: str
    cites: str | None = None
    payout: bytes | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """An issuer with its setup and account, at one moment."""

    community: str
    zone: ZoneInfo
    issuer: bytes
    setup: Setup
    names: Mapping[bytes, str]
    iban: str | None
    debits: Mapping[tuple[bytes, bytes], ByDebit]
    now_ms: int

    @property
    def day(self) -> str:
        """Today where the community is."""
        return local_day(self.now_ms, self.zone)

    @property
    def due_day(self) -> str:
        return (date.fromisoformat(self.day) + timedelta(days=self.setup.due_days)).isoformat()

    def identity(self, party: bytes) -> Identity:
        return self.setup.identity_of(self.names[party], party)

    def transfer(self, buyer: bytes, way: Way = Way.TRANSFER) -> Transfer:
        """What a buyer pays by: to the issuer, under the reference that the bank carries back, by a mandate, or by a
        payment provider, which gets the same reference."""
        if way is Way.PROVIDER:
            reference = reference_of(self.community, self.issuer, buyer)
            return Transfer(self.names[self.issuer], None, reference, by_provider=True)
        by = self.debits.get((self.issuer, buyer))
        debit = None if by is None else Debit(by.mandate, by.creditor_id, by.iban)
        reference = reference_of(self.community, self.issuer, buyer)
        return Transfer(self.names[self.issuer], self.iban, reference, debit)

    def draft(
        self,
        conn: Connection,
        buyer: bytes,
        one: Sum,
        days: tuple[str, str],
        note: str = "",
        way: Way = Way.TRANSFER,
    ) -> Document:
        """An invoice or a credit note of the issuer over a sum, without a number; `days`: the first and the last."""
        cited = [show(conn, self.community, number) for number in one.cites]
        return Document(
            number="",
            kind=Kind.CREDIT if one.cents < 0 else Kind.INVOICE,
            day=self.day,
            due_day=self.due_day,
            from_day=days[0],
            to_day=days[1],
            unit=UNIT,
            seller=self.identity(self.issuer),
            buyer=self.identity(buyer),
            cites=tuple(Cited(found.number, found.document.day) for found in cited),
            note=note,
            shows_gross=self.setup.shows_gross,
            lines=one.lines,
            taxes=one.taxes,
            transfer=self.transfer(buyer, way),
        )

    def keep(self, conn: Connection, draft: Document, series: str, parties: Parties, about: About) -> Stored:
        """Number a document and keep it; call it under the lock of documents."""
        year = int(self.day[:4])
        position = store.next_position(conn, self.community, series, year)
        number = f"{series}-{year}-{position:04d}"
        made = replace(draft, number=number, day=self.day)
        row = {
            "community": self.community,
            "number": number,
            "series": series,
            "year": year,
            "position": position,
            "kind": made.kind.value,
            "issuer": self.issuer,
            "seller": parties.seller,
            "buyer": parties.buyer,
            "period": about.period,
            "cents": made.ledger_cents,
            "cites": about.cites,
            "payout": about.payout,
            "issued_ms": self.now_ms,
        }
        store.insert_document(conn, row, content.encode(made))
        return show(conn, self.community, number)


def desk_of(conn: Connection, community: str, asked: Asked, now_ms: int) -> Desk:
    """Raises NotSecondPerson for somebody who may not, InvoiceRefused without a setup."""
    names = names_by_id(conn, community)
    issuer = asked.issuer or _only_issuer(conn, community, names)
    check_handler(conn, community, asked.party, issuer, names)
    text = store.setup_text(conn, community, issuer)
    if text is None:
        detail = f"{names[issuer]} has said nothing of itself yet; write a setup and `tallystick invoice setup FILE`"
        raise InvoiceRefused("issuer", detail)
    account = payout_store.accounts(conn, community, now_ms).get(issuer)
    zone = ZoneInfo(place(conn, community).zone)
    iban = None if account is None else account.iban
    debits = by_debit(conn, community, now_ms)
    return Desk(community, zone, issuer, parse(text, "setup"), names, iban, debits, now_ms)


def show(conn: Connection, community: str, number: str) -> Stored:
    """Raises NotFound."""
    found = store.find(conn, community, number)
    if found is None:
        raise NotFound("document", f"{number!r} does not exist in {community}; `tallystick invoice list` has them all")
    return found


def _only_issuer(conn: Connection, community: str, names: Mapping[bytes, str]) -> bytes:
    known = sorted(set(store.prefixes(conn, community).values()))
    if not known:
        raise InvoiceRefused("issuer", "nobody has a setup yet; write one and `tallystick invoice setup FILE`")
    if len(known) > 1:
        raise BadInput("issuer", f"name one of: {', '.join(sorted(names[one] for one in known))}")
    return known[0]
