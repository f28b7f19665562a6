"""From signed statements to charges: what each buyer is charged by each contract, with words, and what it corrects.

It never prices anything: amounts are the lines of the statements.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LineKind
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.money.contract import Contract, Mode
from tallystick_protocol.money.tariff import Form
from tallystick_protocol.money.usage import AT_CLOSE
from tallystick_protocol.settled_use import Use
from tallystick_protocol.statement import Statement

from tallystick_cloud.contracts.store import book
from tallystick_cloud.disputes.service import disputed_fees
from tallystick_cloud.money import whole_cents

from . import store
from .desk import Parties
from .model import STANDING, UNIT, Charge, Way

COLLECTED = (Mode.PRINCIPAL, Mode.PSP)  # the collector sells: what the others get is between it and them
NO_DOCUMENT = {Mode.DIRECT: "its parties bill each other themselves: the contract's mode is direct"}


@dataclass(frozen=True, slots=True)
class Page:
    """One buyer's statement under one contract, as charges of one issuer."""

    statement: bytes
    settlement: bytes
    buyer: bytes
    contract: str
    from_ms: int
    to_ms: int
    charges: tuple[Charge, ...]
    way: Way


@dataclass(frozen=True, slots=True)
class Left:
    """What no document is made of, and why: a buyer's statement, or a payout."""

    party: bytes
    contract: str
    reason: str


def pages_of(conn: Connection, community: str, issuer: bytes, to_ms: int) -> tuple[list[Page], list[Left]]:
    """All statements of payers until `to_ms` of which the issuer has made no document yet, oldest first; those
    without a charge of its own too, so that they are looked at once."""
    known: dict[bytes, dict[bytes, Contract]] = {}
    for version in book(conn, community).versions:  # in order of version: the last gives the name
        known.setdefault(version.chain, {})[version.h] = version.contract
    pages, left = [], []
    for row in store.open_statements(conn, community, issuer, to_ms):
        versions = known[bytes(row.chain)]
        newest = list(versions.values())[-1]
        reason = _kept(row)
        if reason is None:
            page, modes = _page(conn, row, versions, issuer, newest.name)
            pages.append(page)
            reason = next((NO_DOCUMENT[mode] for mode in modes if mode in NO_DOCUMENT), None)
        if reason is not None and newest.collector == issuer:
            left.append(Left(bytes(row.party), newest.name, reason))
    return pages, left


def _kept(row: Any) -> str | None:
    if row.unit != UNIT:
        return f"it is in {row.unit}, and documents are in {UNIT}"
    return "the statement was erased" if row.data is None else None


def _page(
    conn: Connection, row: Any, versions: Mapping[bytes, Contract], issuer: bytes, name: str
) -> tuple[Page, set[Mode]]:
    """The charges that the issuer collects, and the modes of the contracts of all of them."""
    said = Statement.decode(bytes(row.data))
    amounts = {bytes(line.ref): -line.amount for line in said.lines if line.kind is LineKind.CHARGE and line.amount}
    settled = store.settled_uses(conn, bytes(row.settlement), bytes(row.party))
    about = store.uses(conn, sorted(amounts))
    charges: list[Charge] = []
    modes: set[Mode] = set()
    for ref, nano in amounts.items():
        use, place = Use.decode(settled[ref]), about[ref]
        contract = versions[bytes(place.contract)]
        modes.add(contract.mode)
        if contract.mode in COLLECTED and contract.collector == issuer != row.party:
            cites = _cited(conn, use, issuer, bytes(row.party))
            charges.append(_charge(use, place, contract, name, nano, cites))
    head = (bytes(row.h), bytes(row.settlement), bytes(row.party), name, row.from_ms, row.to_ms)
    # a chain never changes to or from psp, so that all of a statement comes by one way
    way = Way.PROVIDER if Mode.PSP in modes else Way.TRANSFER
    return Page(*head, tuple(charges), way), modes


def _cited(conn: Connection, use: Use, issuer: bytes, party: bytes) -> str | None:
    """The document in which a corrected use was first charged; None for a fresh use, or when that was below a cent."""
    first = None
    while use.replaces is not None:
        first = bytes(use.replaces.settlement)
        data = store.settled_use(conn, first, use.replaces.leaf)
        if data is None:
            raise InvariantError("a corrected use replaces a leaf that is not there")
        use = Use.decode(data)
    return None if first is None else store.number_of(conn, first, issuer, party)


def _charge(use: Use, about: Any, contract: Contract, name: str, nano: int, cites: str | None) -> Charge:
    words = (name, about.asset_name or about.asset or "", about.form, use.programme)
    if use.replaces is None and about.form == STANDING:
        return Charge(*words, Fraction(use.to_total - use.from_total), "d", None, nano, cites)
    if use.replaces is not None or about.form in AT_CLOSE:
        return Charge(*words, Fraction(0), "", None, nano, cites)
    tariff = contract.tariff
    per = Fraction(tariff.counts_per_unit.n, tariff.counts_per_unit.d)
    quantity = Fraction(use.to_total - use.from_total) / per
    price = _price(contract, use.programme)
    if price is not None and price * quantity != nano:
        price = None
    return Charge(*words, quantity, tariff.price_unit, price, nano, cites)


def _price(contract: Contract, programme: str | None) -> int | None:
    """Nano per unit, where one price holds whatever was used before."""
    bands = contract.tariff.bands
    if contract.tariff.form is Form.EVENT:
        found = next((one for one in bands if programme in one.programmes), None)
        band = found or next((one for one in bands if one.is_rest), None)
    else:
        band = next((one for one in bands if one.name == programme), None)
    if band is None or len(band.tiers) > 1 or band.quota:
        return None
    price = band.tiers[0].price
    return price.nano() if price.exponent >= -9 else None


def disputed_cents(conn: Connection, community: str, parties: Parties, settlements: Iterable[bytes]) -> int:
    """Whole cents of what these settlements were the first to charge a buyer, and that is in dispute now."""
    wanted = set(settlements)
    mine = (parties.seller, parties.buyer)
    fees = [one for one in disputed_fees(conn, community) if (one.holder, one.payer) == mine]
    return whole_cents(sum(one.nano for one in fees if one.settlement in wanted))


def by_buyer(pages: Iterable[Page]) -> dict[tuple[bytes, Way], list[Page]]:
    """In order of the buyers' ids, so that numbers follow from what is settled; what a provider collects by itself."""
    found: dict[tuple[bytes, Way], list[Page]] = {}
    for page in pages:
        found.setdefault((page.buyer, page.way), []).append(page)
    return dict(sorted(found.items(), key=lambda one: (one[0][0], one[0][1] is Way.PROVIDER)))
