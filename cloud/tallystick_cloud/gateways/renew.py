"""Renewal: an enrolled gateway gets a new TLS certificate for a request that its proof key signed.

It never looks at the old certificate, which may have run out, and it moves nothing else.
"""

from datetime import datetime

from sqlalchemy import Connection
from tallystick_protocol.enrol import EnrolRequest
from tallystick_protocol.ids import gid_from_spki

from tallystick_cloud.context import Aggregator
from tallystick_cloud.errors import BadInput, Forbidden

from . import store
from .enrol import certify
from .errors import GatewayUnknown


def renew(
    conn: Connection, aggregator: Aggregator, gid: bytes, request: EnrolRequest, now_ms: int, real_now: datetime
) -> bytes:
    """The encoded EnrolAnswer to a `request` that `open_request` checked and whose claim is empty.

    Raises GatewayUnknown, Forbidden (revoked), BadInput (another key, a claim, the CSR); then nothing changed.
    """
    if request.claim:
        raise BadInput("enrol.claim", "is not empty; a claim goes to /v1/enrol, a renewal needs none")
    if gid_from_spki(request.spki) != gid:
        raise BadInput("enrol.spki", "is not the key of the gateway in the path; sign with that gateway's proof key")
    head = store.lock_head(conn, gid)
    if head is None:
        raise GatewayUnknown("gateway", f"{gid.hex()} is not enrolled here; enrol it with a new claim")
    if not any(key.spki == request.spki and key.revoked_from is None for key in store.keys_of(conn, gid)):
        raise Forbidden("enrol.spki", "is a key that is revoked; ask the community why before enrolling anew")
    return certify(conn, aggregator, aggregator.of(head.community), gid, request, now_ms, real_now).encode()
