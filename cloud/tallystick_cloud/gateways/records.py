"""Signed records about gateways: key events and channel descriptors, each logged as it is made.

It never rewrites one: a change is a new record that names the one before.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import KeyAction, LogType, StorageClass
from tallystick_protocol.ids import H32, Gid, channel_hash, sha256
from tallystick_protocol.keys import Signer
from tallystick_protocol.records import Descriptor, Grant, KeyEvent, Since, TypeApproval

from tallystick_cloud.assets.model import PlannedChannel
from tallystick_cloud.log.service import Entry
from tallystick_cloud.ports import Entropy

from . import store
from .model import Key

NONCE_BYTES = 16
NONCE_LABEL = b"tallystick descriptor nonce 1\0"  # begins no Sig_structure: this signature can stand for no record


@dataclass(frozen=True, slots=True)
class Signed:
    """A record ready to be logged and stored."""

    h: H32
    envelope: bytes
    entry: Entry


def key_event(
    conn: Connection,
    community: str,
    root: Signer,
    entropy: Entropy,
    subject: bytes | str,
    spki: bytes,
    storage: StorageClass,
    valid_from: Since,
    may: tuple[Grant, ...] = (),
) -> Signed:
    """An enrolment of a key, chained to the subject's events before it."""
    prev = store.last_key_event(conn, community, _subject_bytes(subject))
    event = KeyEvent(
        nonce=entropy.bytes(NONCE_BYTES),
        subject=subject,
        prev=None if prev is None else H32(prev),
        action=KeyAction.ENROL,
        spki=spki,
        storage=storage,
        valid_from=valid_from,
        may=may,
    )
    return _signed(root, cose.ContentType.KEY_EVENT, event.encode(), LogType.KEY)


def key_revoked(
    conn: Connection,
    community: str,
    root: Signer,
    entropy: Entropy,
    gid: bytes,
    key: Key,
    storage: StorageClass,
    revoked_from: Since,
) -> Signed:
    """The end of a gateway's key: it signs nothing from that batch on."""
    prev = store.last_key_event(conn, community, gid)
    event = KeyEvent(
        nonce=entropy.bytes(NONCE_BYTES),
        subject=gid,
        prev=None if prev is None else H32(prev),
        action=KeyAction.REVOKE,
        spki=key.spki,
        storage=storage,
        valid_from=key.valid_from,
        revoked_from=revoked_from,
    )
    return _signed(root, cose.ContentType.KEY_EVENT, event.encode(), LogType.KEY)


def store_key_event(
    conn: Connection,
    community: str,
    subject: bytes | str,
    spki: bytes,
    signed: Signed,
    leaf: int,
    now_ms: int,
    action: KeyAction = KeyAction.ENROL,
) -> None:
    store.insert_key_event(
        conn,
        {
            "h": signed.h,
            "community": community,
            "subject": _subject_bytes(subject),
            "action": action.name.lower(),
            "spki": spki,
            "envelope": signed.envelope,
            "leaf": leaf,
            "at_ms": now_ms,
        },
    )


def descriptor(root: Signer, gid: Gid, planned: PlannedChannel) -> Signed:
    """The first descriptor of a channel, from the site's meter plan.

    Its nonce comes from the root's key and what it says: nobody else can guess it, and books that were set back
    describe a channel in the same words again, so that what its gateway has signed by them counts (docs/adr/0602).
    """
    approval = None
    if planned.type_approval is not None:
        approval = TypeApproval(planned.type_approval, planned.accuracy_class or "", planned.verified_until_ms)
    made = Descriptor(
        nonce=bytes(NONCE_BYTES),
        prev=None,
        gid=gid,
        channel=planned.number,
        serial=planned.serial,
        quantity=planned.quantity,
        unit=planned.unit,
        exponent=planned.exponent,
        modulus=planned.modulus,
        profile=planned.profile,
        profile_hash=H32(bytes.fromhex(planned.profile_hash)),
        asset=planned.asset,
        approval=approval,
        meter_key=None if planned.meter_key is None else bytes.fromhex(planned.meter_key),
        since_ms=planned.since_ms,
    )
    nonce = sha256(root.sign(NONCE_LABEL + made.encode()))[:NONCE_BYTES]
    made = replace(made, nonce=nonce)
    return _signed(root, cose.ContentType.DESCRIPTOR, made.encode(), LogType.DESCRIPTOR)


def store_descriptor(
    conn: Connection, community: str, gid: Gid, planned: PlannedChannel, signed: Signed, leaf: int, now_ms: int
) -> None:
    """The descriptor's row and the channel that begins with it."""
    shared = {
        "community": community,
        "gid": gid,
        "channel": planned.number,
        "serial": planned.serial,
        "quantity": planned.quantity,
        "unit": planned.unit,
        "exponent": planned.exponent,
        "asset": planned.asset,
    }
    own = {"modulus": planned.modulus, "profile": planned.profile, "type_approval": planned.type_approval}
    own |= {"verified_until_ms": planned.verified_until_ms}
    store.insert_descriptor(
        conn, {**shared, **own, "h": signed.h, "envelope": signed.envelope, "leaf": leaf, "added_ms": now_ms}
    )
    begins = {
        "last_use": 0,
        "last_pagination": 0,
        "last_event": 0,
        "generation": 0,
        "seams": 0,
        "base": 0,
        "tail": "[]",
    }
    store.insert_channel(
        conn,
        {
            **shared,
            **begins,
            "channel_hash": channel_hash(gid, planned.number),
            "meter": planned.meter,
            "form": planned.form.value,
            "since_ms": planned.since_ms,
        },
    )


def _subject_bytes(subject: bytes | str) -> bytes:
    return subject.encode() if isinstance(subject, str) else subject


def _signed(root: Signer, kind: cose.ContentType, payload: bytes, log_type: LogType) -> Signed:
    envelope = cose.sign(root, kind, payload)
    h = cose.parse(envelope).hash
    return Signed(h, envelope, Entry(log_type, h))
