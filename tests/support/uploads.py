"""A gateway that makes real signed uploads, batch after batch, for tests of whoever receives them.

It seals what it is told, good or bad; it never sends anything itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tallystick_protocol import cose
from tallystick_protocol.batch import Batch, SealedPart, Upload, pad_hashes, part_hash
from tallystick_protocol.codes import EventCode, MeterState, Sensitivity, StorageClass, TimeQuality
from tallystick_protocol.enrol import EnrolRequest
from tallystick_protocol.hello import Hello, LostBatches
from tallystick_protocol.ids import H32, ZERO_H32, Gid, gid_from_spki
from tallystick_protocol.keys import P256Signer
from tallystick_protocol.part import Event, Part, Segment, Uptime

BOOT = b"boot-1"


class Randomness:
    """Bytes that look random and are the same in every run with the same seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def bytes(self, n: int) -> bytes:
        found = b""
        while len(found) < n:
            self._count += 1
            found += sha256(self._seed + self._count.to_bytes(8, "big")).digest()
        return found[:n]


def segment(
    pagination: int,
    readings: Sequence[tuple[int, int]],
    *,
    base: int = 0,
    generation: int = 0,
    serial: str | None = None,
    quality: TimeQuality = TimeQuality.S,
    boot: bytes = BOOT,
) -> Segment:
    """`readings`: (t_ms, register) rising; uptime equals time."""
    times = [t for t, _ in readings]
    values = [v for _, v in readings]
    return Segment(
        pagination=pagination,
        at=Uptime(boot, times[0]),
        t0_ms=times[0],
        generation=generation,
        base=base,
        v0=values[0],
        dt=tuple(after - before for before, after in pairwise(times)),
        dv=tuple(after - before for before, after in pairwise(values)),
        quality=quality,
        state=MeterState.OK,
        serial=serial,
    )


def money(channel: int, segments: Sequence[Segment] = (), events: Sequence[Event] = ()) -> Part:
    return Part(channel, ZERO_H32, Sensitivity.MONEY, segments=tuple(segments), events=tuple(events))


def personal(channel: int, events: Sequence[Event]) -> Part:
    return Part(channel, ZERO_H32, Sensitivity.PERSONAL, events=tuple(events))


def event(
    number: int,
    t_ms: int,
    code: EventCode,
    *,
    boot: bytes = BOOT,
    quality: TimeQuality = TimeQuality.S,
    **more: object,
) -> Event:
    return Event(number, Uptime(boot, t_ms), t_ms, quality, code, **more)  # type: ignore[arg-type]


def wash(
    channel: int, first_event: int, use: int, total: int, start_ms: int, end_ms: int, programme: str = "60"
) -> list[Part]:
    """The parts of one wash: started (personal), billable and ended (money). `total`: washes after it."""
    middle = (start_ms + end_ms) // 2
    started = event(first_event, start_ms, EventCode.USE_STARTED, use=use, subject=bytes(16))
    billable = event(first_event + 1, middle, EventCode.USE_BILLABLE, use=use, total=total, programme=programme)
    ended = event(first_event + 2, end_ms, EventCode.USE_ENDED, use=use, total=total, programme=programme)
    return [personal(channel, [started]), money(channel, events=[billable, ended])]


@dataclass(slots=True, eq=False)
class SimGateway:
    """Keys, chain and randomness of one gateway."""

    name: str
    signer: P256Signer = field(default_factory=P256Signer.generate)
    epoch: int = 1
    seq: int = 1
    prev: H32 = ZERO_H32
    boot: bytes = BOOT
    random: Randomness = field(default_factory=lambda: Randomness("uploads"))

    def __post_init__(self) -> None:
        self.random = Randomness(self.name)
        self.prev = H32(sha256(self.signer.spki).digest())

    @property
    def gid(self) -> Gid:
        return gid_from_spki(self.signer.spki)

    def seal(self, parts: Sequence[Part | SealedPart | None], created: int = 1_000, **changes: object) -> bytes:
        """The next upload of the chain; `changes` replace fields of the batch."""
        return self.upload(self.sealed(parts), created, **changes)

    def sealed(self, parts: Sequence[Part | SealedPart | None]) -> list[SealedPart | None]:
        return [SealedPart(self.random.bytes(16), part.encode()) if isinstance(part, Part) else part for part in parts]

    def upload(self, sealed: Sequence[SealedPart | None], created: int = 1_000, **changes: object) -> bytes:
        absent = H32(bytes(range(32)))
        known = [absent if part is None else part_hash(part.salt, part.data) for part in sealed]
        values: dict[str, object] = {
            "gid": self.gid,
            "epoch": self.epoch,
            "seq": self.seq,
            "prev": self.prev,
            "nonce": self.random.bytes(16),
            "created": created,
            "boot": self.boot,
            "uptime_ms": created,
            "quality": TimeQuality.S,
            "error_ms": 50,
            "log": None,
            "software": "test/1",
            "part_hashes": pad_hashes(known, self.random.bytes),
            "log_for": None,
        }
        batch = Batch(**{**values, **changes})  # type: ignore[arg-type]
        envelope = cose.sign(self.signer, cose.ContentType.BATCH, batch.encode())
        return self.chained(envelope, sealed)

    def chained(self, envelope: bytes, sealed: Sequence[SealedPart | None]) -> bytes:
        """Take an envelope as the last of the chain and wrap it with its parts."""
        self.seq += 1
        self.prev = cose.parse(envelope).hash
        return Upload(envelope, tuple(sealed)).encode()

    def enrol_request(self, claim: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        csr = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return self.enrol_request_with(claim, csr)

    def enrol_request_with(self, claim: str, csr: bytes) -> bytes:
        request = EnrolRequest(
            spki=self.signer.spki,
            csr=csr,
            serial=f"pi-{self.name}",
            storage=StorageClass.FILE,
            software="test/1",
            nonce=self.random.bytes(16),
            claim=claim,
        )
        return cose.sign(self.signer, cose.ContentType.ENROL, request.encode())

    def hello(self, lost: tuple[LostBatches, ...] = ()) -> bytes:
        said = Hello(
            gid=self.gid,
            epoch=self.epoch,
            last_seq=self.seq - 1,
            last_hash=self.prev,
            boot=self.boot,
            versions=(1,),
            software="test/1",
            nonce=self.random.bytes(16),
            last_cmd_seq=0,
            lost=lost,
        )
        return cose.sign(self.signer, cose.ContentType.HELLO, said.encode())
