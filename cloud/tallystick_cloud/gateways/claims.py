"""Claims: made for a site, shown once, burned once.

It never stores the claim itself, only its hash.
"""

import json
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection
from tallystick_protocol.claim import CLAIM_BYTES, new_claim, parse_claim
from tallystick_protocol.errors import ProtocolError

from tallystick_cloud.assets.store import plan_of
from tallystick_cloud.ports import Entropy

from . import store
from .errors import ClaimRefused
from .model import CLAIM_TTL_MS


@dataclass(frozen=True, slots=True)
class Place:
    """Where a claim lets a gateway in."""

    community: str
    site: str
    hashed: bytes
    fresh: bool  # False: burned by this very gateway, whose answer got lost


def issue(
    conn: Connection, community: str, site: str, entropy: Entropy, now_ms: int, ttl_ms: int = CLAIM_TTL_MS
) -> str:
    """The text of a new claim; raises NotFound for an unknown site."""
    plan_of(conn, community, site)
    secret = entropy.bytes(CLAIM_BYTES)
    store.insert_claim(conn, community, site, sha256(secret).digest(), now_ms, now_ms + ttl_ms)
    return new_claim(secret)


def file_text(claim: str, site: str, server: str, ca_pem: str) -> str:
    """The claim file that goes to the gateway: server, CA pin and the one-time claim, as TOML."""
    head = ["version = 1", f"server = {json.dumps(server)}", f"site = {json.dumps(site)}"]
    return "\n".join([*head, f"claim = {json.dumps(claim)}", f'ca_pem = """\n{ca_pem}"""', ""])


def check(conn: Connection, text: str, gid: bytes, now_ms: int) -> Place:
    """Where the claim leads; raises ClaimRefused naming the wrong group, use or expiry."""
    try:
        hashed = sha256(parse_claim(text)).digest()
    except ProtocolError as error:
        raise ClaimRefused("claim", error.reason) from None
    found = store.find_claim(conn, hashed)
    if found is None:
        raise ClaimRefused("claim", "is not known here; check the server address or ask for a new claim")
    community, site, expires_ms, burned_ms = found
    if burned_ms is not None:
        if not store.claim_of_gateway(conn, hashed, gid):
            raise ClaimRefused("claim", "was used by another gateway; ask for a new claim")
        return Place(community, site, hashed, fresh=False)
    if now_ms >= expires_ms:
        raise ClaimRefused("claim", "has expired; ask for a new claim")
    return Place(community, site, hashed, fresh=True)


def burn(conn: Connection, place: Place, gid: bytes, now_ms: int) -> None:
    """Use it up; the one of two racing gateways that comes second is refused."""
    if not store.burn_claim(conn, place.hashed, gid, now_ms):
        raise ClaimRefused("claim", "was used by another gateway just now; ask for a new claim")
