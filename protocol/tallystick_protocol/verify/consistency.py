"""Eighth step: the log that gateways saw is the log of the checkpoint, so nobody was shown another one.
It never trusts a batch's word about the log: it only asks whether that word fits.
"""

from collections.abc import Mapping, Sequence

from tallystick_protocol import merkle
from tallystick_protocol.batch import Batch
from tallystick_protocol.checkpoint import Checkpoint, epoch_of, log_id
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import InvariantError, ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.records import Continuation
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, ensure
from tallystick_protocol.verify.report import Check, Misfit
from tallystick_protocol.verify.set_back import Left, check_chain

Beginnings = dict[int, tuple[H32, str]]
"""size -> root that the log must have had there, and who says so."""


def check_consistency(case: Case) -> Check:
    """Every checkpoint that a batch echoes is a beginning of this one, or of what the log was set back from."""
    checkpoint = case.checkpoint
    if checkpoint is None:
        raise InvariantError("the step before did not read the checkpoint")
    left = _continuations(case)
    beginnings: Beginnings = {one.record.size: (one.record.root, one.name) for one in left}
    kept, gone = _echoes(case, left, beginnings)
    proofs = {proof.size: proof.path for proof in case.evidence.proofs}
    for size, (root, name) in sorted(beginnings.items()):
        check_beginning(size, root, name, proofs, checkpoint)
    extra = set(proofs) - set(beginnings)
    ensure(not extra, "the file", "brings a consistency proof that no batch asks for")
    text = f"{words.count(kept, 'checkpoint')} that gateways saw lead to this one"
    if left:
        text += f"; the log was set back {words.count(len(left), 'time')}, to {_last(left)}"
        text += f", and {words.count(gone, 'checkpoint')} that gateways saw are of what was set back"
    figures = {"echoes": kept, "set_back": len(left), "gone": gone}
    return Check("consistency", True, text, figures)


def _last(left: Sequence[Left]) -> str:
    return words.count(left[-1].record.size, "entry", "entries")


def _continuations(case: Case) -> list[Left]:
    """The records that say how the log came to its epoch, in the order of the log; raises Misfit."""
    mine = log_id(case.policy.log_key.spki)
    seen: dict[bytes, Left] = {}
    for item in case.of(ContentType.CONTINUATION):
        if isinstance(item.body, Continuation):
            ensure(item.body.log == mine, item.name, "is of another log than the one in your policy")
            seen.setdefault(item.unverified.payload, Left(item.body, item.leaf, item.name))
    left = list(seen.values())
    check_chain(left, 0, case.epoch)
    return left


def _echoes(case: Case, left: Sequence[Left], beginnings: Beginnings) -> tuple[int, int]:
    """Adds what batches echo to the beginnings; how many checkpoints lead here, and how many were set back."""
    mine = log_id(case.policy.log_key.spki)
    gone = {(lost.epoch, lost.size): (lost.root, one.name) for one in left for lost in one.record.lost}
    kept: set[int] = set()
    set_back: set[tuple[int, int]] = set()
    for item in case.of(ContentType.BATCH):
        if not isinstance(item.body, Batch) or item.body.log is None:
            continue
        view = item.body.log
        epoch = epoch_of(view.log, mine)
        ensure(epoch <= case.epoch, item.name, "echoes another log than the one in your policy")
        limit = min((one.record.size for one in left if one.record.epoch > epoch), default=view.size)
        if view.size > limit:
            root, name = gone.setdefault((epoch, view.size), (view.root, item.name))
            set_back.add((epoch, view.size))
        else:
            kept.add(view.size)
            root, name = beginnings.setdefault(view.size, (view.root, item.name))
        ensure(
            root == view.root, item.name, f"echoes another log of {view.size} entries than {name}: the log was forked"
        )
    return len(kept), len(set_back)


def check_beginning(
    size: int, root: H32, name: str, proofs: Mapping[int, tuple[H32, ...]], checkpoint: Checkpoint
) -> None:
    """The checkpoint's log went on from `size` entries with that root, by the proof for it; raises Misfit."""
    if size == 0:
        ensure(root == merkle.EMPTY_ROOT, name, "echoes an empty log that is not empty")
        return
    ensure(
        size in proofs,
        name,
        f"echoes the log at {size} entries, and the file does not prove that it went on from there",
    )
    try:
        merkle.verify_consistency(size, checkpoint.size, proofs[size], root, checkpoint.root)
    except ProtocolError as error:
        why = f"saw another log: its checkpoint of {size} entries is no beginning of yours ({error.reason})"
        raise Misfit(name, why) from None
