"""SQL of parties, roles, keys and bank accounts.

It never deletes: a role or a key that ends gets an end.
"""

from sqlalchemy import Connection, insert, select

from tallystick_cloud.errors import BadInput
from tallystick_cloud.schema import party, party_account, party_key, role_grant

from .model import NewParty


def insert_party(conn: Connection, community: str, party_id: bytes, new: NewParty, now_ms: int) -> None:
    """The party with its roles and its bank account."""
    row = {"id": party_id, "community": community, "name": new.name, "form": new.form.value, "email": new.email}
    conn.execute(insert(party), {**row, "created_ms": now_ms})
    for role in new.roles:
        grant = {"community": community, "party": party_id, "role": role, "granted_ms": now_ms}
        conn.execute(insert(role_grant), grant)
    if new.iban is not None:
        account = {"community": community, "party": party_id, "iban": new.iban, "holder": new.name}
        conn.execute(insert(party_account), {**account, "valid_from_ms": now_ms})


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
