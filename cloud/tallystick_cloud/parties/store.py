"""SQL of parties, roles, keys and bank accounts.

It never deletes: a role or a key that ends gets an end.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from tallystick_cloud.errors import BadInput
from tallystick_cloud.schema import party, party_account, party_key, role_grant

from .model import NewParty


@dataclass(frozen=True, slots=True)
class Row:
    """Who somebody is."""

    id: bytes
    name: str
    form: str


def insert_party(conn: Connection, community: str, party_id: bytes, new: NewParty, now_ms: int) -> None:
    """The party with its roles and its bank account."""
    row = {"id": party_id, "community": community, "name": new.name, "form": new.form.value, "email": new.email}
    conn.execute(insert(party), {**row, "created_ms": now_ms})
    for role in new.roles:
        insert_role(conn, community, party_id, role, now_ms)
    if new.iban is not None:
        insert_account(conn, community, party_id, new.iban, new.name, now_ms)


def insert_role(conn: Connection, community: str, party_id: bytes, role: str, now_ms: int) -> None:
    grant = {"community": community, "party": party_id, "role": role, "granted_ms": now_ms}
    conn.execute(insert(role_grant), grant)


def end_role(conn: Connection, community: str, party_id: bytes, role: str, now_ms: int) -> None:
    of = role_grant.c
    mine = (of.community == community, of.party == party_id, of.role == role, of.revoked_ms.is_(None))
    conn.execute(update(role_grant).where(*mine).values(revoked_ms=now_ms))


def roles(conn: Connection, community: str) -> dict[bytes, tuple[str, ...]]:
    """party -> the roles that it has now, in the order in which it got them."""
    of = role_grant.c
    found: dict[bytes, tuple[str, ...]] = {}
    query = select(of.party, of.role).where(of.community == community, of.revoked_ms.is_(None)).order_by(of.id)
    for one, role in conn.execute(query):
        found[bytes(one)] = (*found.get(bytes(one), ()), role)
    return found


def insert_account(conn: Connection, community: str, party_id: bytes, iban: str, holder: str, now_ms: int) -> None:
    account = {"community": community, "party": party_id, "iban": iban, "holder": holder}
    conn.execute(insert(party_account), {**account, "valid_from_ms": now_ms})


def end_account(conn: Connection, community: str, party_id: bytes, now_ms: int) -> None:
    of = party_account.c
    mine = (of.community == community, of.party == party_id, of.valid_to_ms.is_(None))
    conn.execute(update(party_account).where(*mine).values(valid_to_ms=now_ms))


def accounts(conn: Connection, community: str, party_id: bytes | None = None) -> dict[bytes, tuple[str, str]]:
    """party -> (IBAN, holder) of its bank account now; of one party, or of all that have one."""
    of = party_account.c
    one = () if party_id is None else (of.party == party_id,)
    query = select(of.party, of.iban, of.holder).where(of.community == community, of.valid_to_ms.is_(None), *one)
    rows = conn.execute(query.order_by(of.valid_from_ms, of.id))  # the newest comes last
    return {bytes(row.party): (row.iban, row.holder) for row in rows}


def has_name(conn: Connection, community: str, name: str) -> bool:
    found = conn.execute(select(party.c.id).where(party.c.community == community, party.c.name == name))
    return found.first() is not None


def rows(conn: Connection, community: str) -> list[Row]:
    """Everybody, by name."""
    found = conn.execute(select(party).where(party.c.community == community).order_by(party.c.name))
    return [Row(bytes(row.id), row.name, row.form) for row in found]


def with_key(conn: Connection, community: str) -> set[bytes]:
    """Parties that can sign."""
    of = party_key.c
    found = conn.execute(select(of.party).where(of.community == community, of.revoked_ms.is_(None)))
    return {bytes(one) for one in found.scalars()}


def insert_key(
    conn: Connection, community: str, party_id: bytes, kid: bytes, spki: bytes, storage: str, now_ms: int
) -> None:
    row = {"party": party_id, "kid": kid, "community": community, "spki": spki, "storage_class": storage}
    conn.execute(insert(party_key), {**row, "added_ms": now_ms})


def ids_by_name(conn: Connection, community: str) -> dict[str, bytes]:
    rows = conn.execute(select(party.c.name, party.c.id).where(party.c.community == community))
    return {name: bytes(party_id) for name, party_id in rows}


def names_by_id(conn: Connection, community: str) -> dict[bytes, str]:
    return {party_id: name for name, party_id in ids_by_name(conn, community).items()}


def owners_of_kid(conn: Connection, community: str, kid: bytes) -> list[tuple[bytes, bytes]]:
    """(party, SPKI) of all keys with that kid that are not revoked; two only by a forged collision."""
    rows = conn.execute(
        select(party_key.c.party, party_key.c.spki).where(
            party_key.c.community == community, party_key.c.kid == kid, party_key.c.revoked_ms.is_(None)
        )
    )
    return [(bytes(owner), bytes(spki)) for owner, spki in rows]


def managers(conn: Connection, community: str) -> set[bytes]:
    """Parties that are community managers now."""
    rows = conn.execute(
        select(role_grant.c.party).where(
            role_grant.c.community == community,
            role_grant.c.role == "community_manager",
            role_grant.c.revoked_ms.is_(None),
        )
    )
    return {bytes(found) for found in rows.scalars()}


def named(conn: Connection, community: str, field: str, name: str) -> bytes:
    """The party of that name. Raises BadInput for `field`."""
    found = ids_by_name(conn, community).get(name)
    if found is None:
        raise BadInput(field, f"{name!r} is not in {community}; write the name as in the list of parties")
    return found
