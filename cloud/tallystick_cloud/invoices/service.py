"""Issues a settled month's invoices and credit notes, keeps setups, and shows documents to whom they belong.

It never issues the same thing twice, never leaves a gap in a series, and never changes what was issued.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from tallystick_cloud.contracts.store import book
from tallystick_cloud.costs.store import bills as cost_bills
from tallystick_cloud.db import savepoint
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.http.month import Month, Span
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.runs.checks import check_handler
from tallystick_cloud.settlement.access import Read, write_down
from tallystick_cloud.uses.model import local_day

from . import bills, gather, store
from .desk import About, Asked, Desk, Parties, desk_of
from .errors import InvoiceRefused
from .gather import Left, Page
from .model import Way, sums_of
from .setup import Setup, parse
from .store import Stored


@dataclass(frozen=True, slots=True)
class Issued:
    """The documents of a period or run; `fresh` of them are new, the others were issued before. `left`: what makes
    none, with the reason; `carried` nano: charged in this run, and below a cent per buyer."""

    documents: tuple[Stored, ...]
    fresh: int
    left: tuple[Left, ...] = ()
    carried: int = 0


def set_up(conn: Connection, community: str, text: str, where: str, party: bytes, now_ms: int) -> Setup:
    """Keep what an issuer says of itself; the same again changes nothing. Raises BadInput or NotSecondPerson."""
    store.lock(conn, community)
    found = parse(text, where)
    names = names_by_id(conn, community)
    ids = {name: one for one, name in names.items()}
    for field, name in (("issuer.party", found.issuer), *(("party", one) for one in found.parties)):
        if name not in ids:
            raise BadInput(field, f"{name!r} is not in {community}; write the name as in the list of parties")
    contracts = {version.contract.name for version in book(conn, community).versions}
    contracts |= {one.name for one in cost_bills(conn, community)}
    for name in found.taxes:
        if name not in contracts:
            raise BadInput("contract", f"{name!r} is no contract in force and no cost pool; write its name")
    issuer = ids[found.issuer]
    check_handler(conn, community, party, issuer, names)
    owner = store.prefixes(conn, community).get(found.prefix, issuer)
    if owner != issuer:
        raise BadInput("issuer.prefix", f"{found.prefix} begins the numbers of {names[owner]}; choose another")
    if store.setup_text(conn, community, issuer) != text:
        row = {"community": community, "issuer": issuer, "prefix": found.prefix, "content": text, "set_ms": now_ms}
        store.insert_setup(conn, row)
    return found


def issue(conn: Connection, community: str, period: str, asked: Asked, now_ms: int) -> Issued:
    """Documents of everything that settlements of a month charge; again it issues nothing twice.

    Raises InvoiceRefused when the month is not over or an earlier one is not issued; then nothing is kept.
    """
    store.lock(conn, community)
    desk = desk_of(conn, community, asked, now_ms)
    span = Span.of(period, now_ms, desk.zone.key)
    if now_ms < span.to_ms:
        raise InvoiceRefused("period", f"{period} is not over; close it when it is, then issue it")
    pages, left = gather.pages_of(conn, community, desk.issuer, span.to_ms)
    shared = bills.open_pages(conn, desk, span.to_ms)
    _check_order(pages, shared, span, desk)
    carried = fresh = 0
    for (buyer, way), some in gather.by_buyer(pages).items():
        made, rest = _issue_to(conn, desk, buyer, way, some, period)
        fresh, carried = fresh + made, carried + rest
        rows = sum(len(page.charges) for page in some)
        write_down(conn, community, Read(asked.party, buyer, f"uses for documents of {period}", rows), now_ms)
    fresh += bills.issue(conn, desk, shared, period)
    return Issued(tuple(store.of_period(conn, community, desk.issuer, period)), fresh, tuple(left), carried)


def would_issue(conn: Connection, community: str, period: str, asked: Asked, now_ms: int) -> Issued:
    """The same answer, and nothing is kept: numbers are those that the documents would get now."""
    found: list[Issued] = []
    with suppress(_Undone), savepoint(conn):
        found.append(issue(conn, community, period, asked, now_ms))
        raise _Undone
    return found[0]


class _Undone(Exception):
    """Takes a trial back."""


def show_to(conn: Connection, community: str, number: str, party: bytes | None, *, holds_office: bool) -> Stored:
    """A document for whose it is, or for an office; for anybody else it does not exist."""
    found = store.find(conn, community, number)
    if found is None or not (holds_office or party in (found.buyer, found.seller, found.issuer)):
        raise NotFound("document", f"{number!r} is not among yours; the page of statements lists them")
    return found


def _check_order(pages: Sequence[Page], shared: Sequence[bills.Page], span: Span, desk: Desk) -> None:
    """Earlier months first: a correction has to find the document that it corrects."""
    early = [page.to_ms for page in pages if page.charges and page.to_ms <= span.from_ms]
    months = [Month.of(early[0] - 1, desk.zone.key).text] if early else []
    months += [month] if (month := bills.first_month(shared, span.from_ms, desk)) is not None else []
    if months:
        month = min(months)
        raise InvoiceRefused("period", f"{month} is settled and has no documents yet; issue {month} first")


def _issue_to(
    conn: Connection, desk: Desk, buyer: bytes, way: Way, pages: Sequence[Page], period: str
) -> tuple[int, int]:
    """How many documents a buyer got, and what is carried on."""
    treatments = {page.contract: desk.setup.treatment(page.contract) for page in pages}
    charged = [page for page in pages if page.charges]
    charges = [charge for page in charged for charge in page.charges]
    sums, rest = sums_of(store.carried(conn, desk.issuer, buyer, way), charges, treatments)
    parties = Parties(desk.issuer, buyer)
    first, last = min((page.from_ms for page in charged), default=0), max((page.to_ms for page in charged), default=1)
    days = local_day(first, desk.zone), local_day(last - 1, desk.zone)
    whole: str | None = None
    for one in sums:
        about = About(period, one.cites[0] if one.is_credit_of_one else None)
        draft = desk.draft(conn, buyer, one, days, way=way)
        if not draft.kind.is_credit:
            settlements = [page.settlement for page in charged]
            found = gather.disputed_cents(conn, desk.community, parties, settlements)
            draft = replace(draft, disputed=min(found, draft.total))
        made = desk.keep(conn, draft, desk.setup.prefix, parties, about)
        whole = whole if one.is_credit_of_one else made.number
    store.carry(conn, desk.community, desk.issuer, buyer, way, rest)
    store.take(
        conn,
        desk.community,
        [
            {
                "statement": page.statement,
                "issuer": desk.issuer,
                "settlement": page.settlement,
                "party": buyer,
                "number": whole,
                "taken_ms": desk.now_ms,
            }
            for page in pages
        ],
    )
    return len(sums), rest
