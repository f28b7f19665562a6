"""Documents of shared bills: one invoice per bill and payer, and a credit note where the bill is taken back.

It never computes a share: what a stay pays stands with the posted bill.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import Connection
from tallystick_protocol import cbor
from tallystick_protocol.ids import H32, sha256

from tallystick_cloud.costs import store as costs
from tallystick_cloud.costs.store import StoredBill, StoredShare
from tallystick_cloud.http.month import Month

from . import store
from .desk import About, Desk, Parties
from .model import BILL, Apportioned, Charge, sums_of
from .tax import CENT_NANO

POSTED, BACK = "posted", "taken back"


@dataclass(frozen=True, slots=True)
class Page:
    """What one payer pays of a bill (or, taken back, does not), and when that was booked."""

    id: H32
    bill: StoredBill
    party: bytes
    shares: tuple[StoredShare, ...]
    is_back: bool
    booked_ms: int


def page_id(bill: bytes, party: bytes, what: str) -> H32:
    """What says that a page was taken: once, by the bill's collector."""
    return sha256(cbor.encode(["tallystick bill page 1", bill, party, what]))


def open_pages(conn: Connection, desk: Desk, to_ms: int) -> list[Page]:
    """Of all bills that the issuer collects, what was booked until then and stands in no document; oldest first."""
    found = []
    for bill in costs.bills(conn, desk.community):
        if bill.collector == desk.issuer:
            shares = costs.shares(conn, bill.id)
            for party in sorted({one.party for one in shares if one.cents} - {desk.issuer}):
                mine = tuple(one for one in shares if one.party == party and one.cents)
                found.append(Page(page_id(bill.id, party, POSTED), bill, party, mine, False, bill.posted_ms))
                if bill.reversed_ms is not None:
                    found.append(Page(page_id(bill.id, party, BACK), bill, party, mine, True, bill.reversed_ms))
    taken = store.taken(conn, desk.issuer, [one.id for one in found])
    fresh = [one for one in found if one.id not in taken and one.booked_ms < to_ms]
    return sorted(fresh, key=lambda one: (one.booked_ms, one.bill.id, one.party, one.is_back))


def first_month(pages: Iterable[Page], before_ms: int, desk: Desk) -> str | None:
    """The first month before a moment that was not issued yet."""
    early = [one.booked_ms for one in pages if one.booked_ms < before_ms]
    return Month.of(min(early), desk.zone.key).text if early else None


def issue(conn: Connection, desk: Desk, pages: Sequence[Page], period: str) -> int:
    """How many documents were made. What is posted and taken back before any document of it was made makes none."""
    gone = {(one.bill.id, one.party) for one in pages if one.is_back}
    made = 0
    for one in pages:
        posted = store.number_of(conn, page_id(one.bill.id, one.party, POSTED), desk.issuer, one.party)
        number = None
        wanted = posted is not None if one.is_back else (one.bill.id, one.party) not in gone
        if wanted:
            number = _keep(conn, desk, one, period, posted)
            made += 1
        row = {"statement": one.id, "issuer": desk.issuer, "settlement": one.id, "party": one.party}
        store.take(conn, desk.community, [{**row, "number": number, "taken_ms": desk.now_ms}])
    return made


def _keep(conn: Connection, desk: Desk, page: Page, period: str, cites: str | None) -> str:
    charges = [_charge(conn, desk, page, one, cites) for one in page.shares]
    (total,), _ = sums_of(0, charges, {page.bill.name: desk.setup.treatment(page.bill.name)})
    first, last = min(one.first_day for one in page.shares), max(one.last_day for one in page.shares)
    note = "" if cites is None else page.bill.reversed_why or ""
    draft = desk.draft(conn, page.party, total, (first.isoformat(), last.isoformat()), note)
    made = desk.keep(conn, draft, desk.setup.prefix, Parties(desk.issuer, page.party), About(period, cites))
    return made.number


def _charge(conn: Connection, desk: Desk, page: Page, one: StoredShare, cites: str | None) -> Charge:
    bill = page.bill
    said = Apportioned(
        bill.bill, bill.cents, bill.decision_ref, one.first_day.isoformat(), one.last_day.isoformat(),
        costs.measures_of(one.parts),
    )  # fmt: skip
    nano = one.cents * CENT_NANO * (-1 if page.is_back else 1)
    name = store.asset_name(conn, desk.community, one.asset)
    return Charge(bill.name, name, BILL, bill.bill, Fraction(0), "", None, nano, cites, said)
