"""A bill shared by a cost pool's key: previewed, posted once, reversed once.

It never posts a bill whose shares do not make it up, and the same bill again changes nothing.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from sqlalchemy import Connection
from tallystick_protocol import cbor
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, sha256
from tallystick_protocol.money.cost import DAY, Bill, Charge, Cost, Stay, charges_of

from tallystick_cloud.assets.store import asset_ids
from tallystick_cloud.errors import Forbidden, NotFound
from tallystick_cloud.ledger import journals
from tallystick_cloud.ledger.model import Account, Amounts, Line
from tallystick_cloud.money import CENT_NANO
from tallystick_cloud.parties.store import ids_by_name, managers, names_by_id
from tallystick_cloud.payouts.pain import CURRENCY
from tallystick_cloud.runs.store import lock
from tallystick_cloud.uses.store import insert_access

from . import store, totals
from .errors import CostRefused
from .store import StoredBill, StoredShare


@dataclass(frozen=True, slots=True)
class Shared:
    """A posted bill; `again`: it was posted before and nothing changed."""

    stored: StoredBill
    shares: tuple[StoredShare, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants it posted, and the file as text."""

    cost: Cost
    document: str
    party: bytes


def check(conn: Connection, community: str, cost: Cost, party: bytes | None, now_ms: int) -> list[Charge]:
    """What the file's bill would cost each stay; empty without a bill. Writes access rows: call it in a write.

    Raises CostRefused or BadValue naming flat, name or part of the key.
    """
    _check_names(conn, community, cost)
    return [] if cost.bill is None else _charges(conn, community, cost, cost.bill, party, now_ms)


def bill(conn: Connection, community: str, asked: Asked, now_ms: int) -> Shared:
    """Post the file's bill: each payer owes the collector a share. The same again changes nothing.

    Raises CostRefused, Forbidden or BadValue; then nothing is stored.
    """
    cost = asked.cost
    if cost.bill is None:
        raise CostRefused("bill", "is missing: add a [bill] with id, amount, first_day and last_day")
    lock(conn, community)
    _check_names(conn, community, cost)
    collector = ids_by_name(conn, community)[cost.collector]
    _check_may(conn, community, asked.party, collector)
    content = _content(asked.document)
    for known in store.bills(conn, community):
        if known.bill == cost.bill.id:
            return _same(conn, known, content)
    charges = _charges(conn, community, cost, cost.bill, asked.party, now_ms)
    key = bill_key(community, cost.bill.id)
    ids = ids_by_name(conn, community)
    supplier = None if cost.supplier is None else ids[cost.supplier]
    lines = _lines(charges, ids, collector, supplier, cost.chain)
    if lines:  # a bill that is all the collector's own, and paid, moves nothing
        journals.post(conn, community, [journals.Entry(f"cost:{key.hex()}", "cost-bill", key, lines)], now_ms)
    row = _bill_row(community, asked, cost.bill, key, content, (collector, supplier), now_ms)
    store.insert_bill(conn, row, [_share_row(community, key, at, one, ids) for at, one in enumerate(charges)])
    return show(conn, community, cost.bill.id)


def show(conn: Connection, community: str, bill_id: str) -> Shared:
    """Raises NotFound."""
    for one in store.bills(conn, community):
        if one.bill == bill_id:
            return Shared(one, tuple(store.shares(conn, one.id)))
    raise NotFound("bill", f"{bill_id!r} was not posted in {community}; tallystick cost show lists them")


def reverse(conn: Connection, community: str, bill_id: str, party: bytes, why: str, now_ms: int) -> Shared:
    """Take a bill back by one correction journal, once: balances are as if it had never been."""
    lock(conn, community)
    found = show(conn, community, bill_id)
    _check_may(conn, community, party, found.stored.collector)
    if found.stored.reversed_ms is not None:
        return Shared(found.stored, found.shares, again=True)
    if not why.strip():
        raise CostRefused("why", "is empty; say in words why the bill is taken back")
    key = f"cost:{found.stored.id.hex()}"
    lines = {line: -nano for line, nano in journals.lines_of(conn, community, key).items()}
    if lines:
        entry = journals.Entry(f"{key}:reversed", "correction", found.stored.id, lines)
        journals.post(conn, community, [entry], now_ms)
    store.mark_reversed(conn, found.stored.id, party, why, now_ms)
    return show(conn, community, bill_id)


def bill_key(community: str, bill_id: str) -> H32:
    return sha256(cbor.encode(["tallystick cost bill 1", community, bill_id]))


def _same(conn: Connection, known: StoredBill, content: H32) -> Shared:
    if known.content != content:
        detail = (
            "was posted before with other content; a corrected bill has an id of its own, and the old one is reversed"
        )
        raise CostRefused(f"bill {known.bill!r}", detail)
    if known.reversed_ms is not None:
        raise CostRefused(f"bill {known.bill!r}", f"was taken back: {known.reversed_why}; post it under another id")
    return Shared(known, tuple(store.shares(conn, known.id)), again=True)


def _check_may(conn: Connection, community: str, party: bytes, collector: bytes) -> None:
    if party not in managers(conn, community) | {collector}:
        names = names_by_id(conn, community)
        detail = f"{names[party]} may not share bills; {names[collector]} or a community manager does that"
        raise Forbidden("party", detail)


def _check_names(conn: Connection, community: str, cost: Cost) -> None:
    """Everybody and everything that the file names exists here."""
    if cost.community != community:
        raise CostRefused("cost.community", f"is {cost.community!r}; this is {community}")
    known, assets = ids_by_name(conn, community), asset_ids(conn, community)
    named = {cost.collector: "cost.collector"}
    if cost.supplier is not None:
        named |= {cost.supplier: "cost.supplier"}
    for flat in cost.flats:
        if flat.asset not in assets:
            raise CostRefused(f"flat {flat.asset}", f"is no asset of {community}; add it, or write its id")
        named |= {flat.owner: f"flat {flat.asset}, owner"}
        named |= {one.name: f"flat {flat.asset}, lives" for one in flat.lives}
    for name, where in named.items():
        if name not in known:
            raise CostRefused(where, f"{name!r} is not in {community}; write the name as in the list of parties")


def _charges(conn: Connection, community: str, cost: Cost, one: Bill, party: bytes | None, now_ms: int) -> list[Charge]:
    zone = store.zone_of(conn, community)
    if totals.midnight_ms(one.last_day + DAY, zone) > now_ms:
        raise CostRefused("bill.last_day", f"is {one.last_day}, which is not over yet; share it afterwards")
    counted = totals.channels(conn, community, cost, one, zone) if cost.quantities else {}
    totals.check_units(counted)

    def use_of(stay: Stay, quantity: str) -> Fraction:
        read = totals.by_hand(cost, stay, quantity)
        return totals.used(stay, quantity, counted.get((stay.flat.asset, quantity), []), zone) if read is None else read

    charges = charges_of(cost, one, use_of)
    if counted:
        row = {"community": community, "actor": party, "resource": f"totals of {len(counted)} flats", "contract": None}
        row |= {"on_behalf": None, "purpose": f"to share bill {one.id}", "basis": cost.decision_ref}
        insert_access(conn, {**row, "row_count": totals.uses_read(counted), "at_ms": now_ms})
    if sum(charge.cents for charge in charges) != one.cents:
        raise InvariantError(f"shares of bill {one.id} do not make it up")
    return charges


def _lines(
    charges: Sequence[Charge], ids: Mapping[str, bytes], collector: bytes, supplier: bytes | None, chain: H32
) -> Amounts:
    """Each share is due to the collector. What it recovers stands on its own account, beside what it paid; with a
    supplier the whole bill is owed to that one, and the collector's own part is its cost.
    """
    lines: dict[Line, int] = {}
    for one in charges:
        payer = ids[one.stay.payer]
        if payer != collector and one.cents:
            due = Line(collector, Account.RECEIVABLE, payer, chain, CURRENCY)
            lines[due] = lines.get(due, 0) + one.cents * CENT_NANO
    if supplier is not None:
        whole = sum(one.cents for one in charges) * CENT_NANO
        lines[Line(collector, Account.PAYABLE, supplier, chain, CURRENCY)] = -whole
    own = -sum(lines.values())
    if own:
        lines[Line(collector, Account.OWN, collector, chain, CURRENCY)] = own
    return lines


def _content(document: str) -> H32:
    """SHA-256 of all that the file says; comments, blanks and the order of fields are not part of it."""
    return sha256(json.dumps(tomllib.loads(document, parse_float=Decimal), sort_keys=True, default=str).encode())


def _bill_row(
    community: str,
    asked: Asked,
    one: Bill,
    key: H32,
    content: H32,
    sides: tuple[bytes, bytes | None],
    now_ms: int,
) -> dict[str, object]:
    return {
        "id": key,
        "community": community,
        "bill": one.id,
        "content": content,
        "chain": asked.cost.chain,
        "name": asked.cost.name,
        "document": asked.document,
        "decision_ref": asked.cost.decision_ref,
        "collector": sides[0],
        "supplier": sides[1],
        "unit": CURRENCY,
        "cents": one.cents,
        "first_day": one.first_day.isoformat(),
        "last_day": one.last_day.isoformat(),
        "posted_by": asked.party,
        "posted_ms": now_ms,
    }


def _share_row(community: str, key: H32, position: int, one: Charge, ids: Mapping[str, bytes]) -> dict[str, object]:
    parts = [[str(part.portion), part.by.value, str(part.own), str(part.total)] for part in one.parts]
    return {
        "bill": key,
        "position": position,
        "community": community,
        "party": ids[one.stay.payer],
        "asset": one.stay.flat.asset,
        "first_day": one.stay.first_day.isoformat(),
        "last_day": one.stay.last_day.isoformat(),
        "people": one.stay.people,
        "cents": one.cents,
        "parts": json.dumps(parts),
    }
