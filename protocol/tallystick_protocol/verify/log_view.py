"""The log as a file's checkpoint shows it: what stands in it, who signed that, that it went on when set back.
It serves files of pools and shared bills; evidence has steps of its own. It never goes to the network.
"""

from collections.abc import Sequence

from tallystick_protocol import cose, merkle
from tallystick_protocol.checkpoint import log_id, open_in_any_epoch
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.evidence import LoggedObject, Proof
from tallystick_protocol.policy import Policy
from tallystick_protocol.records import Continuation, log_leaf
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.consistency import check_beginning
from tallystick_protocol.verify.report import Check, Misfit
from tallystick_protocol.verify.set_back import Left, check_chain


class LogView:
    """The policy's log under one checkpoint. Every method raises Misfit for what does not fit."""

    def __init__(self, policy: Policy, note: bytes) -> None:
        try:
            self._checkpoint, self._epoch = open_in_any_epoch(note, policy.log_origin, policy.log_key)
        except ProtocolError as error:
            raise Misfit("checkpoint of the log", f"is not one that your policy's log signed ({error})") from None
        self._policy = policy

    def parsed(self, one: LoggedObject, kind: cose.ContentType, log_type: LogType, where: str) -> cose.Unverified:
        """An object that stands in the log; its signature is not checked yet."""
        found = cose.parse(one.envelope)
        ensure(found.content_type is kind and one.type is log_type, where, "is not what its place says")
        leaf = merkle.leaf_hash(log_leaf(one.type, found.hash))
        try:
            merkle.verify_inclusion(one.leaf, self._checkpoint.size, leaf, one.path, self._checkpoint.root)
        except ProtocolError as error:
            raise Misfit(where, f"is not in the log at place {one.leaf} ({error.reason})") from None
        return found

    def settled(self, one: LoggedObject, kind: cose.ContentType, where: str) -> cose.Unverified:
        """One that a key signed which may settle."""
        found = self.parsed(one, kind, LogType.SETTLEMENT, where)
        key = next((k.key for k in self._policy.keys if "settlement" in k.may and k.key.kid == found.kid), None)
        if key is None:
            raise Misfit(where, f"is signed by key {found.kid.hex()}, which your policy does not let settle")
        found.verify(key)
        return found

    def went_on(self, continuations: Sequence[LoggedObject], proofs: Sequence[Proof], what: str) -> Check:
        """Each time the log was set back a record says so, signed by as many roots as the policy needs. `what` stands
        in it."""
        left = self._left(continuations)
        check_chain(left, 0, self._epoch)
        paths = {one.size: one.path for one in proofs}
        ensure(paths.keys() <= {one.record.size for one in left}, "the file", "proves what nobody asks for")
        for one in left:
            check_beginning(one.record.size, one.record.root, one.name, paths, self._checkpoint)
        text = f"{what} in the log {self._policy.log_origin}"
        if left:
            text += f", which was set back {words.count(len(left), 'time')} and says so"
        return Check("log", True, text, {"set_back": len(left)})

    def _left(self, continuations: Sequence[LoggedObject]) -> list[Left]:
        policy, where = self._policy, "record that the log was set back"
        roots = {key.kid: key for key in policy.roots}
        signers: dict[bytes, set[bytes]] = {}
        left: dict[bytes, Left] = {}
        for one in continuations:
            found = self.parsed(one, cose.ContentType.CONTINUATION, LogType.CONTINUATION, where)
            ensure(found.kid in roots, where, f"is signed by key {found.kid.hex()}, which is no community key")
            found.verify(roots[found.kid])
            record = Continuation.decode(found.payload)
            ensure(record.log == log_id(policy.log_key.spki), where, "is of another log than the one in your policy")
            signers.setdefault(found.payload, set()).add(found.kid)
            left.setdefault(found.payload, Left(record, one.leaf, where))
        for kids in signers.values():
            ensure(len(kids) >= policy.roots_needed, where, f"is signed by {len(kids)} of {policy.roots_needed} roots")
        return list(left.values())
