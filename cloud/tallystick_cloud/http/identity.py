"""Finds out who calls: session cookie, bearer token or client certificate, looked up in the database.

It never decides what the caller may do (authz.py does), and no credential is ever stored, only its hash."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, insert, select, update

from tallystick_cloud import schema
from tallystick_cloud.http.authz import ANONYMOUS, Grant, Principal, PrincipalKind, Role

COOKIE = "tallystick_session"
SECRET_BYTES = 32
"""Bytes of a session or access token: nothing to guess, so it needs no signature of its own."""
SESSION_MS = 7 * 24 * 3_600_000
"""How long a browser stays signed in, in real time; a week is a duty roster."""
_GID_HEX = 32


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request carries to prove who calls; at most one is used, a certificate before a token before a cookie."""

    kind: PrincipalKind
    secret: bytes


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session to be stored; `secret` goes to the browser, its hash to the database. Times in real ms UTC."""

    secret: bytes
    csrf: bytes
    community: str
    party: bytes | None
    role: Role
    created_ms: int
    expires_ms: int


def credential_of(request: web.Request) -> Credential | None:
    """The credential of a request, or None for an anonymous one."""
    gid = _certificate_gid(request)
    if gid is not None:
        return Credential(PrincipalKind.GATEWAY, gid)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return Credential(PrincipalKind.TOKEN, _from_hex(token.strip()))
    cookie = request.cookies.get(COOKIE)
    return Credential(PrincipalKind.SESSION, _from_hex(cookie)) if cookie else None


def find_principal(conn: Connection, credential: Credential, now_ms: int) -> tuple[Principal, str]:
    """Who holds this credential now, and the CSRF token of the session; an unknown one is anonymous."""
    if credential.kind is PrincipalKind.GATEWAY:
        return _find_gateway(conn, credential.secret), ""
    row = conn.execute(
        select(schema.session, schema.party.c.name)
        .outerjoin(schema.party, schema.party.c.id == schema.session.c.party)
        .where(schema.session.c.token_hash == digest(credential.secret))
        .where(schema.session.c.revoked_ms.is_(None), schema.session.c.expires_ms > now_ms)
    ).one_or_none()
    if row is None or not _still_granted(conn, row.community, row.party, row.role):
        return ANONYMOUS, ""
    principal = Principal(
        kind=credential.kind,
        name=row.name or row.role.replace("_", " "),
        party=row.party,
        community=row.community,
        grants=frozenset({Grant(row.community, Role(row.role))}),
        session=row.token_hash,
    )
    return principal, row.csrf.hex()


def store_session(conn: Connection, row: SessionRow) -> None:
    """Keep the hash of a new session."""
    conn.execute(
        insert(schema.session).values(
            token_hash=digest(row.secret),
            community=row.community,
            party=row.party,
            role=row.role.value,
            csrf=row.csrf,
            created_ms=row.created_ms,
            expires_ms=row.expires_ms,
            revoked_ms=None,
        )
    )


def revoke_session(conn: Connection, token_hash: bytes, now_ms: int) -> None:
    """End a session; it is unknown from the next request on."""
    conn.execute(update(schema.session).where(schema.session.c.token_hash == token_hash).values(revoked_ms=now_ms))


def digest(secret: bytes) -> bytes:
    """What the database knows of a secret."""
    return hashlib.sha256(secret).digest()


def _still_granted(conn: Connection, community: str, party: bytes | None, role: str) -> bool:
    if party is None:
        return True  # a token for a role, made by whoever runs the server
    grant = schema.role_grant.c
    found = conn.execute(
        select(grant.id)
        .where(grant.community == community, grant.party == party, grant.role == role, grant.revoked_ms.is_(None))
        .limit(1)
    ).first()
    return found is not None


def _find_gateway(conn: Connection, gid: bytes) -> Principal:
    row = conn.execute(
        select(schema.gateway.c.community, schema.gateway.c.name, schema.gateway.c.state).where(
            schema.gateway.c.gid == gid
        )
    ).one_or_none()
    if row is None:
        return ANONYMOUS
    kind = PrincipalKind.GATEWAY if row.state == "active" else PrincipalKind.REVOKED
    return Principal(kind, name=row.name, gid=gid, community=row.community)


def _certificate_gid(request: web.Request) -> bytes | None:
    """The gid in the common name of a client certificate that our CA signed; TLS has checked the signature."""
    tls = request.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        return None
    subject: Any = (tls.getpeercert() or {}).get("subject", ())
    for name, value in (pair for part in subject for pair in part):
        if name == "commonName" and len(value) == _GID_HEX:
            return _from_hex(value) or None
    return None


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
