"""Eighth step: the log that gateways saw is the log of the checkpoint, so nobody was shown another one.
It never trusts a batch's word about the log: it only asks whether that word fits.
"""

from tallystick_protocol import merkle
from tallystick_protocol.batch import Batch
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, ensure
from tallystick_protocol.verify.report import Check, Misfit


def check_consistency(case: Case) -> Check:
    """Every checkpoint that a batch echoes is a beginning of this one; raises Misfit."""
    checkpoint = case.checkpoint
    if checkpoint is None:
        raise Misfit("checkpoint of the log", "was not read")
    proofs = {proof.size: proof.path for proof in case.evidence.proofs}
    mine = log_id(case.policy.log_key.spki)
    echoes: dict[int, tuple[H32, str]] = {}
    for item in case.of(ContentType.BATCH):
        if not isinstance(item.body, Batch) or item.body.log is None:
            continue
        view = item.body.log
        ensure(view.log == mine, item.name, "echoes another log than the one in your policy")
        root, name = echoes.setdefault(view.size, (view.root, item.name))
        ensure(
            root == view.root, item.name, f"echoes another log of {view.size} entries than {name}: the log was forked"
        )
    for size, (root, name) in sorted(echoes.items()):
        if size == 0:
            ensure(root == merkle.EMPTY_ROOT, name, "echoes an empty log that is not empty")
            continue
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
    extra = set(proofs) - set(echoes)
    ensure(not extra, "the file", "brings a consistency proof that no batch asks for")
    text = f"{words.count(len(echoes), 'checkpoint')} that gateways saw lead to this one"
    return Check("consistency", True, text, {"echoes": len(echoes)})
