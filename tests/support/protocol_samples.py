"""One good message of every kind, made with fixed keys and fixed bytes, so that vectors never change by themselves.
Nothing here is random, and no key here is used anywhere else."""

from __future__ import annotations

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch, LogView, SealedPart, Upload, first_prev, pad_hashes, part_hash
from tallystick_protocol.claim import new_claim
from tallystick_protocol.codes import (
    CommandType,
    EventCode,
    KeyAction,
    MeterState,
    RawKind,
    Reason,
    ReceiptStatus,
    ResolutionAction,
    Sensitivity,
    StorageClass,
    TimeQuality,
)
from tallystick_protocol.command import Command
from tallystick_protocol.enrol import EnrolAnswer, EnrolRequest
from tallystick_protocol.hello import ChannelState, Hello, LostBatches, State
from tallystick_protocol.ids import H32, ZERO_H32, PartyId, channel_hash, gid_from_spki
from tallystick_protocol.keys import Ed25519Signer, P256Signer, Signer
from tallystick_protocol.part import ClockFix, Event, Exchange, Gauge, LostSpan, Part, Raw, Segment, Uptime
from tallystick_protocol.receipt import Receipt
from tallystick_protocol.records import (
    Approval,
    Continuation,
    Descriptor,
    KeyEvent,
    KeyGrant,
    LostCheckpoint,
    Resolution,
    Reversal,
    TypeApproval,
)


def fixed(label: str, size: int) -> bytes:
    """`size` bytes that look random and depend on the label alone."""
    out = b""
    while len(out) < size:
        out += sha256(f"tallystick vectors/{label}/{len(out)}".encode()).digest()
    return out[:size]


def h32(label: str) -> H32:
    return H32(fixed(label, 32))


def p256(label: str) -> P256Signer:
    key = derive_private_key(int.from_bytes(fixed(label, 31), "big"), SECP256R1())
    return P256Signer.from_pem(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def ed25519(label: str) -> Ed25519Signer:
    return Ed25519Signer.from_seed(fixed(label, 32))


GATEWAY = p256("gateway")
PARTY_KEY = p256("party")
AGGREGATOR = ed25519("aggregator")
LOG = ed25519("log")
WITNESS = ed25519("witness")
SIGNERS: dict[str, Signer] = {
    "gateway": GATEWAY,
    "party": PARTY_KEY,
    "aggregator": AGGREGATOR,
    "log": LOG,
    "witness": WITNESS,
}

GID = gid_from_spki(GATEWAY.spki)
PARTY = PartyId(fixed("party id", 16))
BOOT = fixed("boot", 6)
T0 = 1_790_000_000_000
ORIGIN = "laundry.example/log"
LOG_VIEW = LogView(fixed("log id", 4), 17, h32("root"))
AT = Uptime(BOOT, 5_000)

SEGMENT = Segment(
    pagination=1,
    at=AT,
    t0_ms=T0,
    generation=0,
    base=0,
    v0=12_000,
    dt=(60_000,) * 4,
    dv=(0, 25, 30, 1),
    quality=((0, TimeQuality.U), (2, TimeQuality.S)),
    state=MeterState.OK,
    marks=((0, Reason.BEGIN), (4, Reason.EDGE)),
    serial="SDM-20134",
)
GAUGE = Gauge(7, AT, T0, -5, (1_000, 1_000), (3, -9), TimeQuality.R)


def event(number: int, code: EventCode, **more: object) -> Event:
    return Event(number, Uptime(BOOT, 5_000 + number), T0 + number, TimeQuality.S, code, **more)  # type: ignore[arg-type]


STARTED = event(1, EventCode.USE_STARTED, use=1, subject=fixed("subject", 16))
ENDED = event(3, EventCode.USE_ENDED, use=1, total=1, programme="60 °C", samples_hash=h32("samples"))
ALL_EVENTS = (
    event(1, EventCode.USE_STARTED, use=1),
    event(2, EventCode.USE_BILLABLE, use=1, total=1, programme="60"),
    ENDED,
    event(4, EventCode.USE_ABORTED, use=1, total=1, reason=Reason.RESTORED),
    event(5, EventCode.GAP, reason=Reason.METER_SILENT),
    event(6, EventCode.QUARANTINED, reason=Reason.IMPLAUSIBLE_JUMP, total=-4),
    event(7, EventCode.EXCHANGE, exchange=Exchange("OLD-1", 99_999, "NEW-2", 0)),
    event(8, EventCode.WRAP),
    event(9, EventCode.RESET),
    event(10, EventCode.CLOCK_CORRECTED, clock=ClockFix(BOOT, T0, 20)),
    event(11, EventCode.RESTORED),
    event(12, EventCode.BATCH_LOST, lost=LostSpan(1, 4, 6)),
    event(13, EventCode.COMMAND_DONE, ref=h32("command")),
    event(14, EventCode.COMMAND_REFUSED, ref=h32("command"), reason=Reason.EXPIRED),
    event(15, EventCode.STORE_FULL),
    event(16, EventCode.STORE_FREE),
    event(17, EventCode.TAMPER),
)
RAW = Raw(RawKind.MODBUS, (0, 2), bytes.fromhex("436afd71"))

PARTS: dict[str, Part] = {
    "interval readings": Part(2, h32("descriptor 2"), Sensitivity.MONEY, segments=(SEGMENT,)),
    "an ended use": Part(1, h32("descriptor 1"), Sensitivity.MONEY, events=(ENDED,)),
    "who started it": Part(1, h32("descriptor 1"), Sensitivity.PERSONAL, events=(STARTED,), raws=(RAW,)),
    "gauges": Part(3, h32("descriptor 3"), Sensitivity.PERSONAL, gauges=(GAUGE,)),
    "every event code": Part(1, h32("descriptor 1"), Sensitivity.MONEY, events=ALL_EVENTS),
    "before any descriptor": Part(0, ZERO_H32, Sensitivity.MONEY, events=(event(1, EventCode.RESTORED),)),
    "largest numbers": Part(
        2**63 - 1,
        h32("descriptor"),
        Sensitivity.MONEY,
        segments=(Segment(2**63 - 2, Uptime(BOOT, 0), 0, 2**63 - 1, -(2**63), 2**63 - 1, (5,), (0,), 0, 0),),
    ),
    "4,096 steps": Part(
        2,
        h32("descriptor 2"),
        Sensitivity.MONEY,
        segments=(Segment(1, AT, T0, 0, 0, 0, (1_000,) * 4096, (1,) * 4096, 2, 0),),
    ),
}

SEALED = tuple(
    SealedPart(fixed(f"salt {index}", 16), PARTS[name].encode())
    for index, name in enumerate(["interval readings", "an ended use", "who started it"])
)
BATCH = Batch(
    gid=GID,
    epoch=1,
    seq=1,
    prev=first_prev(GATEWAY.spki),
    nonce=fixed("batch nonce", 16),
    created=T0 + 300_000,
    boot=BOOT,
    uptime_ms=305_000,
    quality=TimeQuality.S,
    error_ms=20,
    log=LOG_VIEW,
    software="tallystick-edge 0.1.0",
    part_hashes=pad_hashes([part_hash(s.salt, s.data) for s in SEALED], lambda size: fixed("padding", size)),
    log_for=fixed("log id", 4),
)
HEARTBEAT = Batch(GID, 1, 2, h32("batch 1"), fixed("n2", 16), T0, BOOT, 0, TimeQuality.U, None, None, "edge", (), None)
BATCH_ENVELOPE = cose.sign(GATEWAY, cose.ContentType.BATCH, BATCH.encode())
UPLOAD = Upload(BATCH_ENVELOPE, (*SEALED, None))

RECEIPT = Receipt(
    GID, 1, 1, 1, h32("batch 1"), ReceiptStatus.ACCEPTED, 17, T0, 2, h32("batch 1"), LOG_VIEW,
    quarantined=((1, 2, Reason.ABSENT),),
)  # fmt: skip
BUSY = Receipt(
    GID, 1, 1, 1, h32("batch 1"), ReceiptStatus.BUSY, None, T0, 1, h32("head"), None,
    retry_after_ms=30_000, reason=Reason.RATE_LIMITED,
)  # fmt: skip
HELLO = Hello(
    GID, 1, 9, h32("batch 9"), BOOT, (1,), "tallystick-edge 0.1.0", fixed("hello", 16), 0,
    (LostBatches(1, 4, 6, h32("batch 6")),),
)  # fmt: skip
STATE = State(
    GID, 1, T0, 10, h32("batch 9"), LOG_VIEW, (1, 1), b"note", fixed("hello", 16), 3,
    (ChannelState(1, 4, 4, 0, 12, 0, 0, None), ChannelState(2, None, 0, 0, 0, 0, -7, "SDM-20134")),
)  # fmt: skip
COMMAND = Command(GID, 4, T0, T0 + 60_000, CommandType.ERASE, (1, 3, 2), fixed("command", 16), None)
DESCRIPTOR = Descriptor(
    fixed("d", 16), None, GID, 2, "SDM-20134", "1-0:1.8.0", "Wh", -1, 2**32, "eastron-sdm120", h32("profile"),
    "washer-1", TypeApproval("DE-21-M-PTB-0001", "B", T0),
)  # fmt: skip
KEY_EVENT = KeyEvent(
    fixed("k", 16), GID, None, KeyAction.ENROL, GATEWAY.spki, StorageClass.FILE, (1, 1),
    may=("batch", "hello", CommandType.STOP_SHARING),
)  # fmt: skip
ROLE_EVENT = KeyEvent(
    fixed("k2", 16), "receipt", h32("k1"), KeyAction.REVOKE, AGGREGATOR.spki, StorageClass.HARDWARE, 3, 99,
)  # fmt: skip
APPROVAL = Approval(fixed("a", 16), h32("contract"), PARTY, True)
RESOLUTION = Resolution(
    fixed("r", 16), None, channel_hash(GID, 2), 5, ResolutionAction.WAIVE, 12_000, 12_056, "meter was exchanged"
)
REVERSAL = Reversal(fixed("rv", 16), channel_hash(GID, 2), 17, 16, 17, h32("why"))
CONTINUATION = Continuation(
    fixed("c", 16), fixed("log", 4), 1_796_000_000, 0, 100, h32("base"), (LostCheckpoint(0, 120, h32("lost")),),
    "restored from the backup of 2026-11-29",
)  # fmt: skip
CLAIM = new_claim(fixed("claim", 16))
ENROL_REQUEST = EnrolRequest(
    GATEWAY.spki, b"a request", "10000000a1b2c3d4", StorageClass.FILE, "edge", fixed("e", 16), CLAIM
)
ENROL_ANSWER = EnrolAnswer(
    GID, b"a certificate", b"an authority", (KeyGrant(AGGREGATOR.spki, ("receipt", "state", 1)),),
    (cose.sign(AGGREGATOR, cose.ContentType.DESCRIPTOR, DESCRIPTOR.encode()),), ORIGIN, LOG.spki,
    cose.sign(AGGREGATOR, cose.ContentType.STATE, STATE.encode()), (("heartbeat_s", 900),),
)  # fmt: skip
