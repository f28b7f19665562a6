"""The proof of a use, made while the reader waits: from the gateway's signature to the price, by the functions that
the verifier calls too. It never trusts a stored verdict, and of the meter it shows only the totals of the use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import Connection
from tallystick_protocol import cose, merkle
from tallystick_protocol.batch import Batch, SealedPart, open_part, part_hash, read_batch
from tallystick_protocol.checkpoint import Checkpoint, open_checkpoint
from tallystick_protocol.codes import EventCode, LogType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, Kid
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.money.intervals import Cut, Point, cut
from tallystick_protocol.money.rating import rate
from tallystick_protocol.part import Part
from tallystick_protocol.records import log_leaf

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.errors import CloudError
from tallystick_cloud.ledger.model import Kind
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.ledger.service import counter_scope
from tallystick_cloud.log import service as log
from tallystick_cloud.uses import proof_store as store
from tallystick_cloud.uses.model import UseView

_USE_CODES = (EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED)


class Step(StrEnum):
    """The links of the proof, in the order in which they are shown."""

    SIGNATURE = "signature"
    PART = "part"
    READING = "reading"
    INCLUSION = "inclusion"
    CHECKPOINT = "checkpoint"
    CONTRACT = "contract"
    PRICE = "price"
    BOOKS = "books"


class Verdict(StrEnum):
    """`absent`: there is nothing to check here, which is no fault (a period's minimum has no reading)."""

    FITS = "fits"
    BROKEN = "broken"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was compared: `label` is translated where it is shown, `value` is shown as it is."""

    label: str
    value: str
    is_hash: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One link with what was compared; `problem` says what does not fit."""

    step: Step
    verdict: Verdict
    facts: tuple[Fact, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """The audit path of the batch's leaf, for who wants to hash it by hand."""

    leaf: int
    size: int
    root: H32
    steps: tuple[H32, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """All checks, and the path of the batch in the log."""

    checks: tuple[Check, ...]
    path: Path | None

    @property
    def holds(self) -> bool:
        """Whether nothing is broken."""
        return all(check.verdict is not Verdict.BROKEN for check in self.checks)


class Unfit(Exception):
    """A check's own refusal, in words."""


@dataclass(slots=True)
class _Work:
    """What the steps find and hand to each other."""

    conn: Connection
    community: str
    use: UseView
    batches: list[store.BatchRow] = field(default_factory=list)
    parts: list[tuple[store.BatchRow, int, Part]] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    path: Path | None = None


Facts = list[Fact]


def prove(conn: Connection, community: str, use: UseView) -> Proof:
    """Run every check over what is stored now."""
    work = _Work(conn, community, use)
    has_reading = use.batch is not None
    if has_reading:
        work.batches = store.carriers(conn, use)
    order: tuple[tuple[Step, Callable[[_Work], Facts], bool], ...] = (
        (Step.PART, _part, has_reading),
        (Step.SIGNATURE, _signature, has_reading),
        (Step.READING, _reading, has_reading),
        (Step.CHECKPOINT, _checkpoint, True),
        (Step.INCLUSION, _inclusion, has_reading),
        (Step.CONTRACT, _contract, True),
        (Step.PRICE, _price, True),
        (Step.BOOKS, _books, use.standing.journal is not None),
    )
    found = {
        step: _run(step, check, work) if applies else Check(step, Verdict.ABSENT) for step, check, applies in order
    }
    return Proof(tuple(found[step] for step in Step), work.path)


def _run(step: Step, check: Callable[[_Work], Facts], work: _Work) -> Check:
    try:
        return Check(step, Verdict.FITS, tuple(check(work)))
    except (Unfit, ProtocolError, CloudError) as error:
        return Check(step, Verdict.BROKEN, problem=str(error))


def _signature(work: _Work) -> Facts:
    """Every batch that carries a reading of this use is signed by a key that its gateway had then."""
    if not work.batches:
        raise Unfit("the batch that brought this use is not here any more")
    facts: Facts = []
    for row in work.batches:
        opened = cose.open_envelope(row.envelope, cose.ContentType.BATCH, _key_of_gateway(work.conn, row))
        if opened.hash != row.hash:
            raise Unfit("the signed bytes are not those that the books name")
        facts += [
            Fact("Batch", f"{row.epoch}/{row.seq}"),
            Fact("Signed by key", opened.kid.hex(), is_hash=True),
            Fact("Hash of what was signed", opened.hash.hex(), is_hash=True),
        ]
    return facts


def _key_of_gateway(conn: Connection, row: store.BatchRow) -> Callable[[Kid], PublicKey | None]:
    def find(kid: Kid) -> PublicKey | None:
        for key in store.gateway_keys(conn, row.gid):
            if key.kid == kid and key.may_sign(row.epoch, row.seq):
                return PublicKey.from_spki(key.spki)
        return None

    return find


def _part(work: _Work) -> Facts:
    """The parts with this channel's readings hash to what those batches signed."""
    facts: Facts = []
    for row in work.batches:
        _, batch, error = read_batch(cose.parse(row.envelope).payload)
        if batch is None:
            raise Unfit(f"the batch cannot be read: {error}")
        facts += _parts_of(work, row, batch)
        if _reaches_back(work):
            break
    work.batches = [row for row in work.batches if any(row is carrier for carrier, _, _ in work.parts)]
    if not work.parts:
        raise Unfit("the part with this use's readings is erased or absent")
    return facts


def _parts_of(work: _Work, row: store.BatchRow, batch: Batch) -> Facts:
    facts: Facts = []
    for position, sealed in store.parts_of(work.conn, row.hash, work.use):
        expected = batch.part_hashes[position]
        opened = open_part(SealedPart(*sealed), expected)
        if not isinstance(opened, Part):
            raise Unfit(f"part {position + 1} of batch {row.epoch}/{row.seq} does not fit the hash that was signed")
        if not _is_about(opened, work.use):
            continue
        work.parts.append((row, position, opened))
        facts += [
            Fact("Part", f"{position + 1} of {len(batch.part_hashes)} in batch {row.epoch}/{row.seq}"),
            Fact("SHA-256 of salt and part", part_hash(*sealed).hex(), is_hash=True),
            Fact("Hash in the signed list", expected.hex(), is_hash=True),
        ]
    return facts


def _reaches_back(work: _Work) -> bool:
    """Whether the readings at hand reach back to the use's start; batches come newest first."""
    segments = [segment for _, _, part in work.parts for segment in part.segments]
    return work.use.form != "event" and any(segment.t0_ms <= work.use.start_ms for segment in segments)


def _is_about(part: Part, use: UseView) -> bool:
    """Whether a part says anything of this use; parts of a meter that runs on are about every slice of it."""
    return use.form != "event" or any(event.use == use.number for event in part.events)


def _reading(work: _Work) -> Facts:
    """What was metered is what was billed."""
    return _event_reading(work) if work.use.form == "event" else _interval_reading(work)


def _event_reading(work: _Work) -> Facts:
    use = work.use
    for _, _, part in work.parts:
        for event in part.events:
            if event.use != use.number or event.code not in _USE_CODES or event.t_ms != use.end_ms:
                continue
            if (event.total, event.programme) != (use.to_total, use.programme):
                raise Unfit(f"the gateway says total {event.total}, programme {event.programme}; the books differ")
            return [
                Fact("Use number", str(event.use)),
                Fact("Event", f"{event.number}, {EventCode(event.code).name.lower().replace('_', ' ')}"),
                Fact("Programme", event.programme or "none"),
                Fact("Counter after it", f"{event.total}, billed {use.from_total} to {use.to_total}"),
            ]
    raise Unfit(f"no signed event of use {use.number} ends when the books say")


def _interval_reading(work: _Work) -> Facts:
    use = work.use
    points = sorted(
        {
            (reading.pagination, reading.t_ms, reading.total)
            for _, _, part in work.parts
            for segment in part.segments
            for reading in segment.readings()
        }
    )
    known = [Point(t_ms, total) for _, t_ms, total in points]
    before = [one for one in known if one.t_ms <= use.start_ms]
    after = [one for one in known if one.t_ms >= use.end_ms]
    if not before or not after:
        raise Unfit("the readings around this slice are not all here")
    inner = [one for one in known if before[-1].t_ms <= one.t_ms <= after[0].t_ms]
    version = versions_of(work.conn, use.chain)[use.contract].contract
    opening = Cut(use.start_ms, use.from_total)
    slices, _ = cut(inner, opening, [use.end_ms], version.terms.max_gap_ms)
    if not any(
        (one.from_total, one.to_total, one.end_ms) == (use.from_total, use.to_total, use.end_ms) for one in slices
    ):
        raise Unfit(f"cutting the signed readings again does not give {use.from_total} to {use.to_total}")
    return [
        Fact("Signed readings cut again", str(len(inner))),
        Fact("Total at its start and end", f"{use.from_total} and {use.to_total}"),
    ]


def _checkpoint(work: _Work) -> Facts:
    """The newest checkpoint is signed by the community's log key."""
    origin, spki = store.log_key(work.conn, work.community)
    key = PublicKey.from_spki(spki)
    checkpoint = open_checkpoint(log.newest_note(work.conn, work.community), origin, key)
    work.checkpoint = checkpoint
    return [
        Fact("Log", checkpoint.origin),
        Fact("Entries", str(checkpoint.size)),
        Fact("Root", checkpoint.root.hex(), is_hash=True),
        Fact("Signed by key", key.kid.hex(), is_hash=True),
    ]


def _inclusion(work: _Work) -> Facts:
    """Every batch of this use is a leaf of the log under that checkpoint."""
    if work.checkpoint is None:
        raise Unfit("without a checkpoint nothing can be shown to be in the log")
    facts: Facts = []
    for row in work.batches:
        path = _included(work, LogType.BATCH, row.hash, row.leaf, work.checkpoint)
        work.path = path
        facts += [
            Fact("Leaf", f"{path.leaf} of {path.size}, {len(path.steps)} hashes up to the root"),
            Fact("Leaf hash", merkle.leaf_hash(log_leaf(LogType.BATCH, H32(row.hash))).hex(), is_hash=True),
            Fact("Root reached", path.root.hex(), is_hash=True),
        ]
    return facts


def _included(work: _Work, kind: LogType, h: bytes, leaf: int | None, checkpoint: Checkpoint) -> Path:
    if leaf is None or leaf >= checkpoint.size:
        raise Unfit("it is newer than the newest checkpoint; the next one follows within a minute")
    found = log.inclusion(work.conn, work.community, leaf, checkpoint.size)
    merkle.verify_inclusion(
        leaf, checkpoint.size, merkle.leaf_hash(log_leaf(kind, H32(h))), found.path, checkpoint.root
    )
    return Path(leaf, checkpoint.size, checkpoint.root, found.path)


def _contract(work: _Work) -> Facts:
    """The version that priced it is signed by one of its parties and stands in the log."""
    row = store.version(work.conn, work.use.contract)
    if row is None or work.checkpoint is None:
        raise Unfit("the contract version is not here")
    opened = cose.open_envelope(row.envelope, cose.ContentType.CONTRACT, store.key_of_party(work.conn, row.proposer))
    if opened.hash != row.h:
        raise Unfit("the signed contract is not the one that priced this use")
    path = _included(work, LogType.CONTRACT, row.h, row.leaf, work.checkpoint)
    return [
        Fact("Version", f"{row.name}, {row.version}"),
        Fact("Hash of the contract", row.h.hex(), is_hash=True),
        Fact("Leaf", f"{path.leaf} of {path.size}"),
    ]


def _price(work: _Work) -> Facts:
    """Computing fee and shares again from the contract, the use and the counters before it gives the same."""
    use, standing = work.use, work.use.standing
    versions = versions_of(work.conn, use.chain)
    usage = usage_of(store.use_of(work.conn, use.use_id))
    scope = counter_scope(use.chain, Kind(use.kind))
    before = {H32(key): value for key, value in standing.counters}
    (again,) = rate([versions[use.contract].contract], scope, [usage], before)
    if again.fee != standing.fee or [tuple(one) for one in again.shares] != [tuple(one) for one in standing.shares]:
        raise Unfit(f"computed again it costs {again.fee} nano, booked are {standing.fee}")
    return [
        Fact("Fee, computed and booked", f"{again.fee} nano"),
        Fact("Sum of the shares", f"{sum(amount for _, amount in again.shares)} nano"),
    ]


def _books(work: _Work) -> Facts:
    """The journal that booked it sums to zero."""
    journal = work.use.standing.journal
    sums: Sequence[tuple[str, int, int]] = store.journal_sums(work.conn, journal or 0)
    if not sums or any(total for _, total, _ in sums):
        raise Unfit(f"journal {journal} does not sum to zero")
    return [
        Fact("Journal", f"{journal}, {sum(count for _, _, count in sums)} postings"),
        Fact("Its sum", ", ".join(f"{total} {unit}" for unit, total, _ in sums)),
    ]
