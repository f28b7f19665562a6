"""Enrolment: a claim is burned and a gateway is known, in one transaction.

It never lets a gateway in whose proof key did not sign the request.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import CommandType, StorageClass
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.errors import InvariantError, UnknownKey
from tallystick_protocol.ids import Gid, gid_from_spki, sha256
from tallystick_protocol.keys import Alg, PublicKey
from tallystick_protocol.records import KeyGrant

from tallystick_cloud.alarms import Alarm, Severity, raise_alarm
from tallystick_cloud.assets.store import bind_meters, plan_of
from tallystick_cloud.ca import Certificate
from tallystick_cloud.context import Aggregator, Context
from tallystick_cloud.errors import Forbidden
from tallystick_cloud.log import service as log

from . import claims, records, store
from .errors import ClaimRefused
from .model import Head, second_key
from .state import signed_state

BATCH_KINDS = ("batch", "hello")
POLICY = (("batches_in_flight_max", 8), ("heartbeat_s", 900), ("renew_after_days", 60))


@dataclass(frozen=True, slots=True)
class Enrolled:
    gid: Gid
    community: str
    site: str
    answer: bytes
    fresh: bool


def enrol(conn: Connection, aggregator: Aggregator, envelope: bytes, now_ms: int, real_now: datetime) -> Enrolled:
    """The encoded EnrolAnswer. Raises ProtocolError (bytes, signature), ClaimRefused, BadInput (CSR)."""
    request = open_request(envelope)
    gid = gid_from_spki(request.spki)
    place = claims.check(conn, request.claim, gid, now_ms)
    context = aggregator.of(place.community)
    known = store.gateway_row(conn, gid)
    if known is not None:
        _admit_again(conn, place, known, now_ms)
    elif place.fresh:
        _admit(conn, aggregator, context, place, request, now_ms)
    answer = certify(conn, aggregator, context, gid, request, now_ms, real_now)
    return Enrolled(gid, place.community, place.site, answer.encode(), place.fresh)


def certify(
    conn: Connection,
    aggregator: Aggregator,
    context: Context,
    gid: Gid | bytes,
    request: EnrolRequest,
    now_ms: int,
    real_now: datetime,
) -> EnrolAnswer:
    """A new certificate for a gateway that is in the books; raises BadInput for a bad CSR, Forbidden when revoked."""
    head = store.read_head(conn, gid)
    if head is None:
        raise InvariantError(f"gateway {gid.hex()} is enrolled without a head")
    if not head.is_active:
        raise Forbidden("gateway", f"{gid.hex()} is revoked; ask the community why before enrolling another")
    certificate = aggregator.authority.client(request.csr, gid, real_now)
    expires_ms = int(certificate.expires.timestamp()) * 1000
    store.add_certificate(conn, head.community, gid, certificate.serial, expires_ms)
    return _answer(conn, aggregator, context, head, certificate, request.nonce, now_ms)


def open_request(envelope: bytes) -> EnrolRequest:
    """The request, signed by the key in it: this proves possession, the claim proves the right."""
    unverified = cose.parse(envelope)
    request = EnrolRequest.decode(unverified.payload)
    key = PublicKey.from_spki(request.spki)
    if key.alg is not Alg.ES256:
        raise UnknownKey("enrol.spki", "is not a P-256 key; gateways sign with ES256")
    cose.open_envelope(envelope, cose.ContentType.ENROL, lambda kid: key if kid == key.kid else None)
    return request


def _admit(
    conn: Connection,
    aggregator: Aggregator,
    context: Context,
    place: claims.Place,
    request: EnrolRequest,
    now_ms: int,
) -> None:
    gid = gid_from_spki(request.spki)
    claims.burn(conn, place, gid, now_ms)
    _tell_second(conn, place, gid, now_ms)
    storage = StorageClass(request.storage)
    store.insert_gateway(
        conn,
        {
            "gid": gid,
            "community": place.community,
            "site": place.site,
            "name": place.site,
            "serial": request.serial,
            "software": request.software,
            "storage_class": storage.name.lower(),
            "state": "active",
            "enrolled_ms": now_ms,
        },
    )
    store.insert_head(conn, place.community, gid, sha256(request.spki))
    store.insert_contact(conn, place.community, gid, now_ms)
    bind_meters(conn, place.community, place.site, gid)
    _log_records(conn, aggregator, context, place, gid, request.spki, storage, now_ms)


def _tell_second(conn: Connection, place: claims.Place, gid: Gid, now_ms: int) -> None:
    """Each gateway of a site has the whole plan: what two of them read is billed by both, and looks right in both."""
    others = store.active_at(conn, place.community, place.site)
    if others:
        names = ", ".join(other.hex() for other in others)
        text = f"{place.site} has another gateway now, and {names} was not revoked: what both read is billed twice. "
        text += "Let the old one hand over what it has, switch it off and revoke it."
        told = Alarm("second-gateway", Severity.CRITICAL, text, second_key(place.site), gid=gid)
        raise_alarm(conn, place.community, told, now_ms)


def _admit_again(conn: Connection, place: claims.Place, known: Any, now_ms: int) -> None:
    """A gateway whose enrolment was spoilt, or that is to reach this server by another way: it is known by its key, so
    that books and log get nothing new."""
    if (known.community, known.site) != (place.community, place.site):
        step = "it keeps its site: use a claim for that, or move its data folder away, so that it makes new keys"
        raise ClaimRefused("gateway", f"is enrolled at another site already; {step}")
    if place.fresh:
        claims.burn(conn, place, known.gid, now_ms)


def _log_records(
    conn: Connection,
    aggregator: Aggregator,
    context: Context,
    place: claims.Place,
    gid: Gid,
    spki: bytes,
    storage: StorageClass,
    now_ms: int,
) -> None:
    """The key event and one descriptor per channel, signed by the community, in one stretch of the log."""
    root, entropy, community = context.keys.root, aggregator.entropy, place.community
    event = records.key_event(conn, community, root, entropy, gid, spki, storage, (1, 1), BATCH_KINDS)
    planned = plan_of(conn, community, place.site).channels
    described = [records.descriptor(root, gid, channel) for channel in planned]
    entries = [event.entry, *(one.entry for one in described)]
    leaves = log.append(conn, community, entries, now_ms)
    records.store_key_event(conn, community, gid, spki, event, leaves[0], now_ms)
    kid = PublicKey.from_spki(spki).kid
    key = {"gid": gid, "kid": kid, "community": community, "spki": spki, "key_event": event.h}
    store.insert_key(conn, {**key, "valid_from_epoch": 1, "valid_from_seq": 1})
    for channel, signed, leaf in zip(planned, described, leaves[1:], strict=True):
        records.store_descriptor(conn, community, gid, channel, signed, leaf, now_ms)


def key_grants(context: Context) -> tuple[KeyGrant, ...]:
    """Which key of the community may sign what."""
    keys = context.keys
    return (
        KeyGrant(keys.root.spki, ("descriptor", "key-event", "contract")),
        KeyGrant(keys.log.spki, ("checkpoint",)),
        KeyGrant(keys.receipt.spki, ("receipt", "state")),
        KeyGrant(keys.command.spki, ("command", *(int(kind) for kind in CommandType))),
        KeyGrant(keys.settlement.spki, ("settlement", "resolution")),
    )


def _answer(
    conn: Connection,
    aggregator: Aggregator,
    context: Context,
    head: Head,
    certificate: Certificate,
    nonce: bytes,
    now_ms: int,
) -> EnrolAnswer:
    return EnrolAnswer(
        gid=Gid(head.gid),
        certificate_pem=certificate.pem,
        ca_pem=aggregator.authority.pem,
        keys=key_grants(context),
        descriptors=tuple(store.descriptors_of(conn, head.gid)),
        log_origin=context.log_origin,
        log_spki=context.keys.log.spki,
        state=signed_state(conn, context, head, nonce, now_ms),
        policy=POLICY,
    )
