"""Every party's statement in a close of a pool: what it was before, what the close gives and takes, what it takes back
of earlier closes of the same time, what was paid since, and what it is then.

It never nets a line away, and what it closes at is what the books say.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import LineKind
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId, sha256
from tallystick_protocol.salted_tree import SaltedTree, salted
from tallystick_protocol.statement import Line, Statement

from tallystick_cloud.contracts.model import Version

from . import store
from .model import Interval, is_nobody

POOL_CAUSES = frozenset({"pool-close", "pool-true-up", "pool-correction"})
PAYOUT_SENT = "payout-sent"


@dataclass(frozen=True, slots=True)
class Statements:
    """In the order of the parties' ids; `moved`: nano that the close gives and takes, by party."""

    all: tuple[Statement, ...]
    tree: SaltedTree
    moved: Mapping[PartyId, int]
    mark: int  # the newest journal that is in them


def statements_of(
    conn: Connection,
    community: str,
    versions: Sequence[Version],
    intervals: Iterable[Interval],
    span: tuple[int, int],
    root: H32,
    random: Callable[[int], bytes],
    gone: Collection[bytes] = (),
) -> Statements | None:
    """The statements of a close over a span that is about to be signed, whose journal is posted.

    `root`: of the tree of its intervals; `gone`: erased members, from whom nothing is taken back. None in a pool with
    closes of before there were statements: they could not begin from nothing.
    """
    chain = versions[0].chain
    closes = store.all_closes(conn, chain)
    past = {PartyId(bytes(row.party)): row for row in store.statements(conn, closes[-1].id)} if closes else {}
    if closes and not past:
        return None
    mark = max((row.journal for row in past.values()), default=0)
    newest, paid = _paid(conn, community, chain, mark)
    given, taken = _moved(intervals)
    back = {party: lines for party, lines in _taken_back(conn, closes, span).items() if party not in gone}
    parties = {one for version in versions for one in (*(p.id for p in version.contract.parties), *version.payers)}
    parties |= past.keys() | paid.keys() | given.keys() | taken.keys() | back.keys()
    found = []
    for party in sorted(one for one in parties if not is_nobody(one)):
        lines = [Line(LineKind.SHARE, root, given[party])] if given.get(party) else []
        lines += [Line(LineKind.CHARGE, root, -taken[party])] if taken.get(party) else []
        lines += [Line(LineKind.CORRECTION, h, -nano) for h, nano in back.get(party, ()) if nano]
        lines += paid.get(party, ())
        row = past.get(party)
        prev, opening = (None, 0) if row is None else (H32(bytes(row.h)), row.closing)
        closing = opening + sum(line.amount for line in lines)
        found.append(Statement(random(NONCE_BYTES), party, prev, opening, tuple(lines), closing))
    moved = {party: given.get(party, 0) - taken.get(party, 0) for party in parties}
    return Statements(tuple(found), salted([one.encode() for one in found], random), moved, max(mark, newest))


def check_books(conn: Connection, chain: bytes) -> None:
    """Raise InvariantError unless the statements of the newest close say what the accounts say now."""
    owed = store.owed_under(conn, chain)
    for row in store.statements(conn, store.all_closes(conn, chain)[-1].id):
        if row.closing != owed.get(bytes(row.party), 0):
            name = bytes(row.party).hex()
            raise InvariantError(f"the statement of {name} closes at {row.closing}, the books say another amount")


def rows_of(community: str, close_id: int, made: Statements) -> list[dict[str, object]]:
    """As they are kept."""
    return [
        {
            "close": close_id,
            "position": at,
            "community": community,
            "party": one.party,
            "h": one.hash,
            "leaf": leaf.hash,
            "salt": leaf.salt,
            "data": leaf.data,
            "moved": made.moved.get(one.party, 0),
            "closing": one.closing,
            "journal": made.mark,
        }
        for at, (one, leaf) in enumerate(zip(made.all, made.tree.leaves, strict=True))
    ]


def _moved(intervals: Iterable[Interval]) -> tuple[dict[PartyId, int], dict[PartyId, int]]:
    """(what each gets, what each owes) by live intervals."""
    given: dict[PartyId, int] = defaultdict(int)
    taken: dict[PartyId, int] = defaultdict(int)
    for one in intervals:
        if one.version.live:
            for part in one.divided.parts:
                given[part.party] += part.amount
            for part in one.divided.charges:
                taken[part.party] += part.amount
    return dict(given), dict(taken)


def _taken_back(conn: Connection, closes: Sequence[Any], span: tuple[int, int]) -> dict[PartyId, list[tuple[H32, int]]]:
    """party -> (close, nano it gave) of the closes inside of the span that no later one has replaced."""
    found: dict[PartyId, list[tuple[H32, int]]] = defaultdict(list)
    for close in standing(closes, span):
        for row in store.statements(conn, close.id):
            found[PartyId(bytes(row.party))].append((H32(bytes(close.h)), row.moved))
    return dict(found)


def standing(closes: Sequence[Any], span: tuple[int, int]) -> list[Any]:
    """Closes inside [from, to) whose time no later close covers, oldest first."""
    inside = [one for one in closes if span[0] <= one.from_ms and one.to_ms <= span[1]]
    return [
        one
        for one in inside
        if not any(later.id > one.id and later.from_ms <= one.from_ms and one.to_ms <= later.to_ms for later in inside)
    ]


def _paid(conn: Connection, community: str, chain: bytes, after: int) -> tuple[int, dict[PartyId, list[Line]]]:
    """(the newest journal, party -> lines) of what was paid and came back since a journal."""
    found: dict[PartyId, list[Line]] = defaultdict(list)
    for row in store.moves_since(conn, chain, after):
        if row.cause not in POOL_CAUSES and row.nano:
            kind = LineKind.PAYOUT if row.cause == PAYOUT_SENT else LineKind.PAYMENT
            ref = sha256(row.key.encode()) if row.cause_ref is None else H32(bytes(row.cause_ref))
            found[PartyId(bytes(row.party))].append(Line(kind, ref, -int(row.nano)))
    return store.newest_journal(conn, community), dict(found)
