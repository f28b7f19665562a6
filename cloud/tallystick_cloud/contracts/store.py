"""SQL of contract versions and approvals.

It never changes a version's bytes; only its standing moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update
from tallystick_protocol.money.contract import read_contract

from tallystick_cloud.schema import approval, contract_version

from .model import Book, Version

_IN_FORCE = (
    select(contract_version.c.h, contract_version.c.chain, contract_version.c.payload)
    .where(contract_version.c.community == bindparam("c"), contract_version.c.in_force_ms.is_not(None))
    .order_by(contract_version.c.chain, contract_version.c.version)
)


@dataclass(frozen=True, slots=True)
class Stored:
    h: bytes
    chain: bytes
    version: int
    state: str
    payload: bytes


def book(conn: Connection, community: str) -> Book:
    """All versions in force."""
    rows = conn.execute(_IN_FORCE, {"c": community})
    return Book(tuple(Version(bytes(h), bytes(chain), read_contract(bytes(payload))) for h, chain, payload in rows))


def versions_of(conn: Connection, chain: bytes) -> dict[bytes, Version]:
    """h -> version of all versions of a chain, in force or not."""
    rows = conn.execute(
        select(contract_version.c.h, contract_version.c.payload).where(contract_version.c.chain == chain)
    )
    return {bytes(h): Version(bytes(h), chain, read_contract(bytes(payload))) for h, payload in rows}


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


def has_answered(conn: Connection, h: bytes, party: bytes) -> bool:
    found = conn.execute(select(approval.c.h).where(approval.c.object == h, approval.c.party == party))
    return found.first() is not None
