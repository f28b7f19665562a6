"""Says whose a use of a shared asset is, before it is billed.

It never moves a use from one to another: whose it was stands with its first price, and a wrong one is disputed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.money.tariff import Form

from tallystick_cloud.contracts.model import Book, Found
from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import Conflict, Forbidden, NotFound
from tallystick_cloud.ledger.model import DAY_MS

from . import store
from .model import BEGINS_MS, Running, Turn

RATE_DAYS = 30
"""Over how long the part of uses that nobody claimed is told."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A shared asset now: who shares it, whose turn waits for its use to begin, the use that goes on and whether it is
    somebody's, and its uses of `RATE_DAYS`, those unclaimed among them."""

    asset: str
    found: Found
    turn: Turn | None
    running: Running | None
    is_claimed: bool
    uses: int
    unclaimed: int


def shared(known: Book, now_ms: int) -> Mapping[str, Found]:
    """Assets that several share by a contract in force, with what it says."""
    places = {(one.asset, one.quantity) for version in known.versions for one in version.contract.assets}
    found = {}
    for asset, quantity in sorted(places):
        one = known.of_channel(asset, quantity).at(now_ms)
        if one is not None and one.sharers and one.version.contract.tariff.form is Form.EVENT:
            found[asset] = one
    return found


def begin(conn: Connection, community: str, asset: str, party: bytes, now_ms: int) -> Turn:
    """A use that begins in the next quarter of an hour is the party's.

    Raises NotFound for an asset that nobody shares, Forbidden for a stranger, Conflict while it is another's turn."""
    _check_shares(conn, community, asset, party, now_ms)
    last = store.newest(conn, community, asset)
    if last is not None and last.is_on(now_ms):
        if not _is_used(conn, community, last):
            if last.party == party:
                return last
            raise Conflict("asset", "is another's turn for some minutes; ask who stands before it, or wait")
        store.end(conn, last.id, now_ms)
    return _insert(conn, community, asset, party, now_ms, (now_ms, now_ms + BEGINS_MS))


def claim(conn: Connection, community: str, asset: str, party: bytes, now_ms: int) -> Turn:
    """The use that goes on now, and was nobody's, is the party's.

    Raises NotFound or Forbidden as `begin`, Conflict where none goes on, or it is somebody's or billed already."""
    _check_shares(conn, community, asset, party, now_ms)
    going = store.running(conn, community, asset)
    if going is None or going.start_ms < now_ms - DAY_MS:
        raise Conflict("asset", "does not run, as far as its gateway has told; say that the next use is yours")
    if store.at(conn, community, asset, going.start_ms) is not None:
        raise Conflict("asset", "runs in somebody's turn already; if that is wrong, tell the office")
    if going.is_billed:
        raise Conflict("asset", "runs on the house's account already; tell the office that it was yours")
    return _insert(conn, community, asset, party, now_ms, (going.start_ms, going.start_ms + 1))


def end(conn: Connection, community: str, number: int, party: bytes, now_ms: int) -> None:
    """No use that begins from now on is the party's by this turn. Raises NotFound, or Conflict when it is over."""
    found = store.find(conn, community, number)
    if found is None or found.party != party:
        raise NotFound("turn", "is none of yours")
    if not found.is_on(now_ms):
        raise Conflict("turn", "is over already")
    store.end(conn, number, now_ms)


def is_any(conn: Connection, community: str, now_ms: int, party: bytes | None = None) -> bool:
    """Whether there is a shared asset, or one that a party shares."""
    found = shared(book(conn, community), now_ms).values()
    return any(party is None or party in one.sharers for one in found)


def machines(conn: Connection, community: str, now_ms: int, party: bytes | None = None) -> list[Machine]:
    """Shared assets, or those that a party shares."""
    found = {
        asset: one
        for asset, one in shared(book(conn, community), now_ms).items()
        if party is None or party in one.sharers
    }
    counts = store.counted(conn, community, found, now_ms - RATE_DAYS * DAY_MS) if found else {}
    return [_machine(conn, community, asset, one, counts, now_ms) for asset, one in found.items()]


def _machine(
    conn: Connection, community: str, asset: str, one: Found, counts: Mapping[tuple[str, bytes], int], now_ms: int
) -> Machine:
    last, going = store.newest(conn, community, asset), store.running(conn, community, asset)
    waits = last is not None and last.is_on(now_ms) and not _is_used(conn, community, last)
    claimed = going is not None and store.at(conn, community, asset, going.start_ms) is not None
    uses = sum(count for (of, _), count in counts.items() if of == asset)
    unclaimed = 0 if one.payer is None else counts.get((asset, one.payer), 0)
    return Machine(asset, one, last if waits else None, going, claimed, uses, unclaimed)


def _check_shares(conn: Connection, community: str, asset: str, party: bytes, now_ms: int) -> None:
    """Of two who say it in one moment the second waits for the first."""
    store.lock(conn, community, asset)
    found = shared(book(conn, community), now_ms).get(asset)
    if found is None:
        raise NotFound("asset", f"{asset!r} is none that several share")
    if party not in found.sharers:
        raise Forbidden("party", f"is none of those who share {asset!r} by its contract")


def _insert(conn: Connection, community: str, asset: str, party: bytes, now_ms: int, span: tuple[int, int]) -> Turn:
    row = {"community": community, "asset": asset, "party": party, "said_ms": now_ms}
    number = store.insert_turn(conn, {**row, "from_ms": span[0], "to_ms": span[1]})
    return Turn(number, asset, party, now_ms, *span)


def _is_used(conn: Connection, community: str, turn: Turn) -> bool:
    """Whether the use of a turn began: the next person need not wait for its end."""
    going = store.running(conn, community, turn.asset)
    if going is not None and turn.holds(going.start_ms):
        return True
    return store.has_use(conn, community, turn.asset, turn.from_ms, turn.to_ms)
