"""Third and fourth step: every object stands in the log under one checkpoint, and witnesses saw that checkpoint.
It never goes to the network: the file brings every proof.
"""

from tallystick_protocol import merkle
from tallystick_protocol.checkpoint import Checkpoint, open_in_any_epoch, verify_cosignature
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.note import Note, SignatureType, key_id
from tallystick_protocol.policy import Policy
from tallystick_protocol.records import log_leaf
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Case, ensure
from tallystick_protocol.verify.report import Check, Misfit


def check_log(case: Case) -> Check:
    """The checkpoint is the policy's log's, and holds every object at the place the file says; raises Misfit."""
    policy = case.policy
    try:
        case.checkpoint, case.epoch = open_in_any_epoch(case.evidence.note, policy.log_origin, policy.log_key)
    except ProtocolError as error:
        raise Misfit("checkpoint of the log", f"is not one that your policy's log signed ({error})") from None
    size, root = case.checkpoint.size, case.checkpoint.root
    for item in case.items:
        leaf = merkle.leaf_hash(log_leaf(item.logged.type, item.h))
        try:
            merkle.verify_inclusion(item.leaf, size, leaf, item.logged.path, root)
        except ProtocolError as error:
            raise Misfit(item.name, f"is not in the log at place {item.leaf} ({error.reason})") from None
    text = f"all of them stand in the log {case.checkpoint.origin} of {words.count(size, 'entry', 'entries')}"
    return Check("log", True, text, {"size": size, "proofs": len(case.items)})


def check_witnesses(case: Case) -> Check:
    """Enough of the policy's witnesses co-signed; a signature that the policy does not know is refused."""
    return witnesses_of(case.policy, case.evidence.note)


def witnesses_of(policy: Policy, signed: bytes) -> Check:
    """The same of any file's checkpoint; raises Misfit."""
    note = Note.decode(signed)
    known = {(w.name, key_id(w.name, SignatureType.COSIGNATURE_V1, w.key.raw)): w for w in policy.witnesses}
    origin = Checkpoint.from_text(note.text).origin  # the policy's log in any epoch: the step before looked
    log = (origin, key_id(origin, SignatureType.ED25519, policy.log_key.raw))
    seen = 0
    for signature in note.signatures:
        who = (signature.name, signature.key_id)
        if who == log:
            continue
        witness = known.get(who)
        if witness is None:
            why = f"carries a signature of {signature.name!r}, whom your policy does not name as a witness"
            raise Misfit("checkpoint of the log", why)
        try:
            verify_cosignature(signed, witness.name, witness.key)
        except ProtocolError as error:
            raise Misfit(f"witness {witness.name}", f"did not sign this checkpoint ({error.reason})") from None
        seen += 1
    need = policy.witnesses_needed
    ensure(
        seen >= need, "checkpoint of the log", f"is co-signed by {seen} of the {need} witnesses your policy asks for"
    )
    text = f"seen by {words.count(seen, 'witness', 'witnesses')}" if seen else "not witnessed"
    return Check("witnesses", True, text, {"witnesses": seen, "needed": need})
