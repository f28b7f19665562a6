"""SQL of contract versions and approvals.

It never changes a version's bytes; only its standing moves.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, delete, insert, select, update
from tallystick_protocol.ids import PartyId
from tallystick_protocol.money.contract import Contract, Mode, read_contract
from tallystick_protocol.money.user import UserOpening

from tallystick_cloud import bulk
from tallystick_cloud.schema import approval, contract_version, user_acceptance, user_opening

from .model import Book, Version

_IN_FORCE = (
    select(contract_version.c.h, contract_version.c.chain)
    .where(contract_version.c.community == bindparam("c"), contract_version.c.in_force_ms.is_not(None))
    .order_by(contract_version.c.chain, contract_version.c.version)
)
_OPENED = (
    select(
        user_opening.c.contract,
        user_opening.c.asset,
        user_opening.c.quantity,
        user_opening.c.salt,
        user_opening.c.party,
    )
    .where(user_opening.c.community == bindparam("c"))
    .order_by(user_opening.c.contract, user_opening.c.asset, user_opening.c.quantity, user_opening.c.party)
)
_TRACE = """
    SELECT (SELECT string_agg(h || chain, '' ORDER BY chain, version) FROM contract_version
            WHERE community = %(c)s AND in_force_ms IS NOT NULL),
           (SELECT string_agg(contract || salt || party || convert_to(asset || E'\\n' || quantity, 'UTF8'), ''
                              ORDER BY contract, salt) FROM user_opening WHERE community = %(c)s)"""
"""All that a book follows from, as two values: hundreds of rows take longer to fetch than to put together there. A salt
is random and of one opening only, so that no two sets of openings look alike."""
_Opened = tuple[bytes, str, str, bytes, bytes]
BOOKS_MAX = 16  # communities of one server, and what each of them was a moment ago
_BOOKS: dict[tuple[object, object], Book] = {}


@dataclass(frozen=True, slots=True)
class Stored:
    h: bytes
    chain: bytes
    version: int
    state: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version that waits for its parties, and the yes and no of those who answered."""

    chain: bytes
    contract: Contract
    answers: Mapping[bytes, bool]


def book(conn: Connection, community: str) -> Book:
    """All versions in force. The same rows give the same object, for whoever computes once per version."""
    rows = None if conn.dialect.name == "postgresql" else _rows(conn, community)
    trace = rows or tuple(conn.exec_driver_sql(_TRACE, {"c": community}).one())
    found = _BOOKS.get((community, trace))
    if found is None:
        if len(_BOOKS) >= BOOKS_MAX:
            _BOOKS.clear()
        found = _BOOKS[community, trace] = _read_book(conn, *(rows or _rows(conn, community)))
    return found


def book_to_price(conn: Connection, community: str) -> Book:
    """The same for whoever books uses by it: until the transaction ends no version comes into force."""
    lock_versions(conn, [community])
    return book(conn, community)


def lock_versions(conn: Connection, communities: Iterable[str], *, changes: bool = False) -> None:
    """What is in force stays so until the transaction ends: many may hold that, and who changes it waits for them, and
    they for who does. After gateway heads, before chains and the log. On SQLite the one writer has it already.

    `pg_advisory_xact_lock` is a statement of its own, so that what is read next is read after it was granted.
    """
    if conn.dialect.name != "postgresql":
        return
    how = "pg_advisory_xact_lock" if changes else "pg_advisory_xact_lock_shared"
    keys = [f"versions:{one}" for one in sorted(communities)]
    conn.exec_driver_sql(f"SELECT {how}(hashtextextended(k, 0)) FROM unnest(%s::text[]) AS k", (keys,))


def _rows(conn: Connection, community: str) -> tuple[tuple[tuple[bytes, bytes], ...], tuple[_Opened, ...]]:
    """Versions in force (h, chain), and what opens their users."""
    versions = tuple((bytes(h), bytes(chain)) for h, chain in conn.execute(_IN_FORCE, {"c": community}))
    openings = tuple(
        (bytes(contract), asset, quantity, bytes(salt), bytes(party))
        for contract, asset, quantity, salt, party in conn.execute(_OPENED, {"c": community})
    )
    return versions, openings


def by_provider(chain: Column[bytes]) -> ColumnElement[bool]:
    """Whether a payment provider collects what stands under a contract: it is in no bank's hands then."""
    known = select(contract_version.c.chain).where(
        contract_version.c.mode == Mode.PSP.value, contract_version.c.in_force_ms.is_not(None)
    )
    return chain.in_(known)


def _read_book(conn: Connection, versions: tuple[tuple[bytes, bytes], ...], openings: tuple[_Opened, ...]) -> Book:
    rows = bulk.rows_where(conn, "SELECT h, payload FROM contract_version WHERE h", [h for h, _ in versions])
    payloads = {bytes(h): bytes(payload) for h, payload in rows}
    opened = _by_version(openings)
    return Book(tuple(_version(h, chain, payloads[h], opened) for h, chain in versions))


def chains_split_with(conn: Connection, community: str, party: bytes) -> set[bytes]:
    """Contracts that a party collects or takes part in the split of, in any version in force."""
    return {one.chain for one in book(conn, community).versions if one.splits_with(party)}


def versions_of(conn: Connection, chain: bytes) -> dict[bytes, Version]:
    """h -> version of all versions of a chain, in force or not."""
    rows = conn.execute(
        select(contract_version.c.h, contract_version.c.community, contract_version.c.payload).where(
            contract_version.c.chain == chain
        )
    ).all()
    openings = openings_of(conn, rows[0].community) if rows else {}
    return {bytes(h): _version(h, chain, payload, openings) for h, _, payload in rows}


def _version(h: bytes, chain: bytes, payload: bytes, openings: Mapping[bytes, tuple[UserOpening, ...]]) -> Version:
    return Version(bytes(h), bytes(chain), read_contract(bytes(payload)), openings.get(bytes(h), ()))


def openings_of(conn: Connection, community: str) -> dict[bytes, tuple[UserOpening, ...]]:
    """h of a version -> what opens its users, as far as nobody was erased."""
    return _by_version(conn.execute(_OPENED, {"c": community}))


def _by_version(rows: Iterable[Any]) -> dict[bytes, tuple[UserOpening, ...]]:
    found: dict[bytes, list[UserOpening]] = defaultdict(list)
    for contract, asset, quantity, salt, party in rows:
        found[bytes(contract)].append(UserOpening(asset, quantity, bytes(salt), PartyId(bytes(party))))
    return {h: tuple(openings) for h, openings in found.items()}


def insert_openings(conn: Connection, community: str, h: bytes, openings: Iterable[UserOpening]) -> None:
    rows = [
        {"contract": h, "community": community, "asset": one.asset, "quantity": one.quantity, "salt": one.salt,
         "party": one.party}
        for one in openings
    ]  # fmt: skip
    if rows:
        conn.execute(insert(user_opening), rows)


def insert_acceptance(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(user_acceptance), dict(row))


def accepted_ms(conn: Connection, h: bytes, party: bytes) -> int | None:
    """When a user accepted a version's terms, None while that is not known."""
    where = (user_acceptance.c.contract == h, user_acceptance.c.party == party)
    return conn.execute(select(user_acceptance.c.accepted_ms).where(*where)).scalar_one_or_none()


def erase_user(conn: Connection, community: str, party: bytes) -> int:
    """Forget which assets a person used under which contract, and that the person accepted them; how many openings."""
    for table in (user_acceptance, user_opening):
        gone = conn.execute(delete(table).where(table.c.community == community, table.c.party == party)).rowcount
    return gone


def insert_version(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(contract_version), dict(row))


def find(conn: Connection, community: str, h: bytes) -> Stored | None:
    row = conn.execute(
        select(
            contract_version.c.h,
            contract_version.c.chain,
            contract_version.c.version,
            contract_version.c.state,
            contract_version.c.payload,
        ).where(contract_version.c.community == community, contract_version.c.h == h)
    ).one_or_none()
    return None if row is None else Stored(bytes(row[0]), bytes(row[1]), row[2], row[3], bytes(row[4]))


def hashes(conn: Connection, community: str) -> list[bytes]:
    """Of every version, in force or not."""
    rows = conn.execute(select(contract_version.c.h).where(contract_version.c.community == community))
    return [bytes(h) for h in rows.scalars()]


def newest_of_chain(conn: Connection, community: str, chain: bytes) -> Stored | None:
    row = conn.execute(
        select(
            contract_version.c.h,
            contract_version.c.chain,
            contract_version.c.version,
            contract_version.c.state,
            contract_version.c.payload,
        )
        .where(contract_version.c.community == community, contract_version.c.chain == chain)
        .order_by(contract_version.c.version.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Stored(bytes(row[0]), bytes(row[1]), row[2], row[3], bytes(row[4]))


def put_in_force(conn: Connection, h: bytes, state: str, now_ms: int) -> None:
    conn.execute(update(contract_version).where(contract_version.c.h == h).values(state=state, in_force_ms=now_ms))


def insert_approval(conn: Connection, row: Mapping[str, object]) -> None:
    conn.execute(insert(approval), dict(row))


def said_yes(conn: Connection, community: str, h: bytes) -> set[bytes]:
    rows = conn.execute(
        select(approval.c.party).where(
            approval.c.community == community, approval.c.object == h, approval.c.yes.is_(True)
        )
    )
    return {bytes(party) for party in rows.scalars()}


def proposals(conn: Connection, community: str) -> list[Proposal]:
    """The newest version of each chain, where it is not agreed; by name."""
    of = contract_version.c
    rows = conn.execute(
        select(of.h, of.chain, of.version, of.in_force_ms).where(of.community == community).order_by(of.version)
    )
    newest = {bytes(row.chain): row for row in rows}
    waiting = {bytes(row.h): bytes(row.chain) for row in newest.values() if row.in_force_ms is None}
    said: dict[bytes, dict[bytes, bool]] = defaultdict(dict)
    for row in conn.execute(select(approval).where(approval.c.object.in_(list(waiting)))):
        said[bytes(row.object)][bytes(row.party)] = bool(row.yes)
    found = [
        Proposal(waiting[bytes(row.h)], read_contract(bytes(row.payload)), said[bytes(row.h)])
        for row in conn.execute(select(of.h, of.payload).where(of.h.in_(list(waiting))))
    ]
    return sorted(found, key=lambda one: (one.contract.name, one.chain))


def answer_of(conn: Connection, h: bytes, party: bytes) -> bool | None:
    """A party's yes or no to a version; None before it answered."""
    found = conn.execute(select(approval.c.yes).where(approval.c.object == h, approval.c.party == party))
    return found.scalar_one_or_none()
