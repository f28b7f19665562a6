"""The proof of a use, made while the reader waits: from the gateway's signature to the price, by the functions that
the verifier calls too. It never trusts a stored verdict, and of the meter it shows only the totals of the use."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from tallystick_protocol import cose, merkle
from tallystick_protocol.checkpoint import Checkpoint, open_in_any_epoch
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.money.rating import rate
from tallystick_protocol.records import log_leaf

from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.errors import CloudError
from tallystick_cloud.ledger.model import Kind, counter_scope
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.log import service as log
from tallystick_cloud.uses import proof_store as store
from tallystick_cloud.uses.model import UseView
from tallystick_cloud.uses.proof_meter import part, reading, signature
from tallystick_cloud.uses.proof_model import Check, Fact, Facts, Path, Proof, Step, Unfit, Verdict, Work

__all__ = ["Check", "Fact", "Path", "Proof", "Step", "Verdict", "prove"]


def prove(conn: Connection, community: str, use: UseView) -> Proof:
    """Run every check over what is stored now."""
    work = Work(conn, community, use)
    has_reading = use.batch is not None
    if has_reading:
        work.batches = store.carriers(conn, use)
    order: tuple[tuple[Step, Callable[[Work], Facts], bool], ...] = (
        (Step.PART, part, has_reading),
        (Step.SIGNATURE, signature, has_reading),
        (Step.READING, reading, has_reading),
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


def _run(step: Step, check: Callable[[Work], Facts], work: Work) -> Check:
    try:
        return Check(step, Verdict.FITS, tuple(check(work)))
    except (Unfit, ProtocolError, CloudError) as error:
        return Check(step, Verdict.BROKEN, problem=str(error))


def _checkpoint(work: Work) -> Facts:
    """The newest checkpoint is signed by the community's log key."""
    origin, spki = store.log_key(work.conn, work.community)
    key = PublicKey.from_spki(spki)
    checkpoint, _ = open_in_any_epoch(log.newest_note(work.conn, work.community), origin, key)
    work.checkpoint = checkpoint
    return [
        Fact("Log", checkpoint.origin),
        Fact("Entries", str(checkpoint.size)),
        Fact("Root", checkpoint.root.hex(), is_hash=True),
        Fact("Signed by key", key.kid.hex(), is_hash=True),
    ]


def _inclusion(work: Work) -> Facts:
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


def _included(work: Work, kind: LogType, h: bytes, leaf: int | None, checkpoint: Checkpoint) -> Path:
    if leaf is None or leaf >= checkpoint.size:
        raise Unfit("it is newer than the newest checkpoint; the next one follows within a minute")
    found = log.inclusion(work.conn, work.community, leaf, checkpoint.size)
    merkle.verify_inclusion(
        leaf, checkpoint.size, merkle.leaf_hash(log_leaf(kind, H32(h))), found.path, checkpoint.root
    )
    return Path(leaf, checkpoint.size, checkpoint.root, found.path)


def _contract(work: Work) -> Facts:
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


def _price(work: Work) -> Facts:
    """Computing fee and shares again from the contract, the use and the counters before it gives the same."""
    use, standing = work.use, work.use.standing
    versions = versions_of(work.conn, use.chain)
    usage = usage_of(store.use_of(work.conn, use.use_id))
    if use.is_reversed:
        usage = usage._replace(aborted=True)
    scope = counter_scope(use.chain, Kind(use.kind))
    before = {H32(key): value for key, value in standing.counters}
    (again,) = rate([versions[use.contract].contract], scope, [usage], before)
    if again.fee != standing.fee or [tuple(one) for one in again.shares] != [tuple(one) for one in standing.shares]:
        raise Unfit(f"computed again it costs {again.fee} nano, booked are {standing.fee}")
    return [
        Fact("Fee, computed and booked", f"{again.fee} nano"),
        Fact("Sum of the shares", f"{sum(amount for _, amount in again.shares)} nano"),
    ]


def _books(work: Work) -> Facts:
    """The journal that booked it sums to zero."""
    journal = work.use.standing.journal
    sums: Sequence[tuple[str, int, int]] = store.journal_sums(work.conn, journal or 0)
    if not sums or any(total for _, total, _ in sums):
        raise Unfit(f"journal {journal} does not sum to zero")
    return [
        Fact("Journal", f"{journal}, {sum(count for _, _, count in sums)} postings"),
        Fact("Its sum", ", ".join(f"{total} {unit}" for unit, total, _ in sums)),
    ]
