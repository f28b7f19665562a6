"""A small world to settle: two gateways with real keys, a contract in two versions, a log, and washes of two payers.
Nothing here is random: keys, salts and nonces come from labels, so that a failing test fails again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from support import money as m
from support.protocol_samples import ed25519, fixed, p256
from tallystick_protocol import cose, merkle
from tallystick_protocol.batch import Batch, LogView, SealedPart, first_prev, pad_hashes, part_hash
from tallystick_protocol.checkpoint import Checkpoint, add_cosignature, log_id, sign_checkpoint
from tallystick_protocol.codes import EventCode, KeyAction, LogType, Reason, Sensitivity, StorageClass, TimeQuality
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence_draft import LOG_TYPES
from tallystick_protocol.ids import H32, Gid, PartyId, channel_hash, gid_from_spki
from tallystick_protocol.keys import P256Signer, Signer, public_key_of
from tallystick_protocol.money.contract import AssetTerms, Contract, PartyRef, RatingPeriod, Terms
from tallystick_protocol.money.numbers import Exact, Ratio
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.tariff import Band, Form, Tariff
from tallystick_protocol.money.user import UserOpening
from tallystick_protocol.part import Event, Part, Uptime
from tallystick_protocol.policy import Policy, Witness
from tallystick_protocol.records import Approval, Descriptor, KeyEvent, log_leaf

ORIGIN = "aurora.example/log"
JANUARY = m.T0  # 2026-01-01T00:00 in Rome
FEBRUARY = JANUARY + 31 * 86_400_000
MARCH = FEBRUARY + 28 * 86_400_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SECOND_FROM = JANUARY + 20 * DAY  # when version 2 of the laundry's contract begins
ROOT, LOG, OFFICE = ed25519("root"), ed25519("log key"), ed25519("office")
WITNESSES = tuple(ed25519(f"witness {n}") for n in range(3))
OWNER, BANK, FUND, MEMBERS, ANNA, BRUNO = (PartyId(fixed(f"party {n}", 16)) for n in range(6))
NAMES = {OWNER: "Elena", BANK: "Bank of Neighbours", FUND: "House fund", MEMBERS: "Members"}
PARTY_KEYS = {party: p256(f"key of {name}") for party, name in NAMES.items()}
SUBJECTS = {ANNA: fixed("anna at the laundry", 16), BRUNO: fixed("bruno at the laundry", 16)}
BOOT = fixed("boot", 6)
CYCLES = 1  # channel number of the cycles of each machine


@dataclass(frozen=True)
class Wash:
    """One wash: on which machine, whose, from when to its billable point; None: aborted before.

    `counted`: it was closed as aborted, for this `reason`, and its total says that it was counted all the same;
    `is_start_counted`: whether its begin was signed with the total of then."""

    machine: int
    payer: PartyId
    start_ms: int
    end_ms: int
    programme: str | None = "60"
    counted: bool = False
    reason: Reason | None = None
    is_start_counted: bool = True

    @property
    def aborted(self) -> bool:
        return self.programme is None and not self.counted


@dataclass
class Sealed:
    """A batch as the host has it: envelope, place in the log, and its parts with salts."""

    batch: Batch
    envelope: bytes
    h: H32
    leaf: int = -1
    parts: list[SealedPart] = field(default_factory=list)


class Log:
    """The community's log: entries in commit order, with proofs."""

    def __init__(self) -> None:
        self.hashes: list[H32] = []
        self.envelopes: list[tuple[bytes, int]] = []

    def add(self, envelope: bytes) -> int:
        parsed = cose.parse(envelope)
        self.hashes.append(merkle.leaf_hash(log_leaf(LOG_TYPES[parsed.content_type], parsed.hash)))
        self.envelopes.append((envelope, len(self.hashes) - 1))
        return len(self.hashes) - 1

    def view(self) -> LogView:
        return LogView(log_id(LOG.spki), len(self.hashes), merkle.root(self.hashes))

    def note(self, signer: Signer = LOG, witnesses: Sequence[int] = ()) -> bytes:
        note = sign_checkpoint(Checkpoint(ORIGIN, len(self.hashes), merkle.root(self.hashes)), ORIGIN, signer)
        for number in witnesses:
            note = add_cosignature(note, f"witness-{number}", WITNESSES[number], 1_800_000_000)
        return note

    def prove(self, leaf: int) -> list[H32]:
        return merkle.inclusion_proof(leaf, self.hashes)

    def consistency(self, size: int) -> list[H32]:
        return merkle.consistency_proof(size, len(self.hashes), self.hashes)


class Machine:
    """A gateway with one washing machine: seals batches that chain."""

    def __init__(self, number: int, signer: P256Signer, descriptor: H32, gid: Gid) -> None:
        self.number, self.signer, self.descriptor = number, signer, descriptor
        self.gid = gid
        self.channel = channel_hash(self.gid, CYCLES)
        self.sealed: list[Sealed] = []
        self.events = self.uses = self.total = 0

    def event(self, code: EventCode, t_ms: int, **more: Any) -> Event:
        self.events += 1
        return Event(self.events, Uptime(BOOT, t_ms - JANUARY), t_ms, TimeQuality.S, code, **more)

    def seal(self, t_ms: int, echo: LogView | None, *parts: Part) -> Sealed:
        seq = len(self.sealed) + 1
        label = f"batch {self.number}/{seq}"
        sealed = [SealedPart(fixed(f"{label}/{n}", 16), part.encode()) for n, part in enumerate(parts)]
        hashes = pad_hashes([part_hash(s.salt, s.data) for s in sealed], lambda n: fixed(f"{label}/pad", n))
        batch = Batch(
            gid=self.gid,
            epoch=1,
            seq=seq,
            prev=self.sealed[-1].h if self.sealed else first_prev(self.signer.spki),
            nonce=fixed(f"{label}/nonce", 16),
            created=t_ms,
            boot=BOOT,
            uptime_ms=t_ms - JANUARY,
            quality=TimeQuality.S,
            error_ms=10,
            log=echo,
            software="test",
            part_hashes=hashes,
            log_for=log_id(LOG.spki),
        )
        envelope = cose.sign(self.signer, ContentType.BATCH, batch.encode())
        self.sealed.append(Sealed(batch, envelope, cose.parse(envelope).hash, parts=sealed))
        return self.sealed[-1]

    def part(self, sensitivity: Sensitivity, *events: Event) -> Part:
        return Part(CYCLES, self.descriptor, sensitivity, events=events)


def users(version: int) -> tuple[PartyId, PartyId]:
    """Whose the two machines are: from version 2 on they have changed."""
    return (ANNA, BRUNO) if version == 1 else (BRUNO, ANNA)


def user_of(machine: int, start_ms: int) -> PartyId:
    """Who pays for a wash."""
    return users(1 if start_ms < SECOND_FROM else 2)[machine]


def openings(version: int) -> tuple[UserOpening, ...]:
    """What opens the two assets of a version of the laundry's contract."""
    return tuple(
        UserOpening(f"washer-{n}", "cycles", fixed(f"salt {version} {n}", 16), user)
        for n, user in enumerate(users(version), 1)
    )


def laundry(version: int = 1, prev: H32 | None = None, **more: Any) -> Contract:
    """Two programmes, the third warm wash of a payer's month is cheaper; half repays a loan, the rest is shared."""
    cold = Band("cold", (m.price("1.20"),), programmes=("30",))
    warm = Band("warm", (m.price("1.60", 2), m.price("1.400000001")), programmes=("60",))
    if version > 1:
        warm = Band("warm", (m.price("1.70", 2), m.price("1.50")), programmes=("60",))
    loan = Step(((BANK, 1),), Ratio(1, 2), cap=Exact.of("5.90"), cap_per=Scope.LIFETIME, counter="loan")
    values: dict[str, Any] = {
        "nonce": fixed(f"contract {version}", 16),
        "prev": prev,
        "name": "laundry",
        "version": version,
        "collector": OWNER,
        "effective_from_ms": JANUARY if version == 1 else SECOND_FROM,
        "parties": tuple(PartyRef(name, party, "owner") for party, name in NAMES.items()),
        "assets": tuple(AssetTerms(one.asset, one.quantity, one.commitment) for one in openings(version)),
        "terms": Terms(rating_period=RatingPeriod.MONTH),
    }
    tariff = Tariff(Form.EVENT, "cycle", "cycle", 0, Ratio(1, 1), (cold, warm))
    return m.contract(tariff, loan, Step(((OWNER, 3), (FUND, 1))), **(values | more))


def washes() -> list[Wash]:
    """Two months: tiers reached, the loan repaid in the middle of a wash, one abort, one wash over the month's end."""
    rows = [(0, 2, "60"), (1, 2, "60"), (1, 3, "30"), (0, 4, "60"), (0, 6, "60"), (0, 8, None), (1, 9, "60"),
            (1, 22, "60"), (0, 25, "60")]  # fmt: skip
    made = [wash(machine, JANUARY + day * DAY, what) for machine, day, what in rows]
    made.append(wash(1, FEBRUARY - 10 * MINUTE, "60", 30 * MINUTE))
    later = [(1, 3, "60"), (0, 5, "30"), (0, 7, "60")]
    return made + [wash(machine, FEBRUARY + day * DAY, what) for machine, day, what in later]


def wash(machine: int, start_ms: int, programme: str | None, ms: int = HOUR) -> Wash:
    """A wash of whoever has the machine then."""
    return Wash(machine, user_of(machine, start_ms), start_ms, start_ms + ms, programme)


@dataclass
class World:
    """Everything up to the first settlement; settling is in evidence_builder."""

    log: Log
    machines: list[Machine]
    versions: list[tuple[H32, Contract]]
    washes: list[tuple[Wash, int, int, Sealed, Sealed]] = field(default_factory=list)  # use, count after, start, end


def key_event(subject: bytes | str, signer: Signer, since: Any, *may: str, **more: Any) -> bytes:
    event = KeyEvent(
        fixed(f"key event {subject!r} {signer.kid.hex()}", 16),
        subject,
        more.pop("prev", None),
        more.pop("action", KeyAction.ENROL),
        signer.spki,
        StorageClass.FILE,
        since,
        may=may,
        **more,
    )
    return cose.sign(more.pop("by", ROOT), ContentType.KEY_EVENT, event.encode())


def found(
    contracts: Sequence[Contract] | None = None,
    exponent: int = 0,
    signers: Sequence[P256Signer] | None = None,
    silent: frozenset[PartyId] = frozenset(),
    second: Mapping[str, Any] | None = None,
) -> World:
    """Keys, descriptions and agreed contracts in the log. `silent` parties do not answer version 2, which has fields
    of `second`."""
    log = Log()
    log.add(key_event("office", OFFICE, 0, "settlement", "resolution"))
    for party, signer in PARTY_KEYS.items():
        log.add(key_event(party, signer, 0, "contract", "approval"))
    machines = []
    for number in (1, 2):
        signer = signers[number - 1] if signers else p256(f"machine {number}")
        gid = gid_from_spki(p256(f"machine {number}").spki)
        log.add(key_event(gid, signer, (1, 1), "batch"))
        made = Descriptor(fixed(f"d{number}", 16), None, gid, CYCLES, None, "cycles", "cycle", exponent, None,
                          "test", H32(fixed("profile", 32)), f"washer-{number}")  # fmt: skip
        envelope = cose.sign(ROOT, ContentType.DESCRIPTOR, made.encode())
        log.add(envelope)
        machines.append(Machine(number, signer, cose.parse(envelope).hash, gid))
    versions = _agree(log, contracts or [laundry()], silent)
    if contracts is None:
        versions += _agree(log, [laundry(2, versions[0][0], **(second or {}))], silent)
    return World(log, machines, versions)


def _agree(log: Log, contracts: Sequence[Contract], silent: frozenset[PartyId]) -> list[tuple[H32, Contract]]:
    versions = []
    for contract in contracts:
        envelope = cose.sign(PARTY_KEYS[OWNER], ContentType.CONTRACT, contract.encode())
        h = cose.parse(envelope).hash
        log.add(envelope)
        versions.append((h, contract))
        for party, signer in PARTY_KEYS.items():
            if party != OWNER and not (contract.version > 1 and party in silent):
                said = Approval(fixed(f"yes {party.hex()} {contract.version}", 16), h, party, True)
                log.add(cose.sign(signer, ContentType.APPROVAL, said.encode()))
    return versions


def wash_all(world: World, rows: Sequence[Wash], until_ms: int, order: Callable[[list[Any]], list[Any]] = list) -> None:
    """Every start and end up to `until_ms` becomes a batch of its own, logged in the order of time."""
    done = {id(row[0]) for row in world.washes}
    moments: list[tuple[int, int, Wash]] = []
    for index, wash in enumerate(rows):
        moments += [(wash.start_ms, index, wash), (wash.end_ms, index, wash)]
    begun = getattr(world, "begun", {})
    world.begun = begun  # type: ignore[attr-defined]
    for t_ms, index, wash in order(sorted(moments, key=lambda row: row[:2])):
        if t_ms >= until_ms or id(wash) in done:
            continue
        machine = world.machines[wash.machine]
        if index not in begun:
            begun[index] = _start(world, machine, wash)
            continue
        number, first = begun[index]
        second = _end(world, machine, wash, number)
        world.washes.append((wash, number, machine.total, first, second))
        done.add(id(wash))


def _start(world: World, machine: Machine, wash: Wash) -> tuple[int, Sealed]:
    machine.uses += 1
    total = machine.total if wash.is_start_counted else None
    event = machine.event(EventCode.USE_STARTED, wash.start_ms, use=machine.uses, subject=SUBJECTS[wash.payer],
                          total=total)  # fmt: skip
    sealed = machine.seal(wash.start_ms, world.log.view(), machine.part(Sensitivity.PERSONAL, event))
    sealed.leaf = world.log.add(sealed.envelope)
    return machine.uses, sealed


def _end(world: World, machine: Machine, wash: Wash, number: int) -> Sealed:
    machine.total += not wash.aborted
    code = EventCode.USE_ABORTED if wash.programme is None else EventCode.USE_BILLABLE
    event = machine.event(code, wash.end_ms, use=number, total=machine.total, programme=wash.programme,
                          reason=wash.reason)  # fmt: skip
    sealed = machine.seal(wash.end_ms, None, machine.part(Sensitivity.MONEY, event))
    sealed.leaf = world.log.add(sealed.envelope)
    return sealed


def policy(party: PartyId, **more: Any) -> Policy:
    names = tuple(Witness(f"witness-{n}", public_key_of(signer)) for n, signer in enumerate(WITNESSES))
    base = Policy("aurora", party, ORIGIN, public_key_of(LOG), (public_key_of(ROOT),), witnesses=names)
    return replace(base, **more)


assert LogType.BATCH  # the table that LOG_TYPES speaks of
