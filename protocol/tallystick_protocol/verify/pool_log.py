"""First step with a pool's file: the close, its contracts and the closes before it stand in the policy's log, signed by
keys that may, and a log that was set back says so under the community's root.
It never believes a contract that the policy does not know to be agreed.
"""

from dataclasses import dataclass

from tallystick_protocol import cose, merkle
from tallystick_protocol.checkpoint import Checkpoint, log_id, open_in_any_epoch
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.evidence import LoggedObject
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import OpenedStatement, PoolProof, PoolSettlement
from tallystick_protocol.records import Continuation, log_leaf
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.consistency import check_beginning
from tallystick_protocol.verify.report import Misfit
from tallystick_protocol.verify.set_back import Left, check_chain

CHECKPOINT = "checkpoint of the log"


@dataclass(frozen=True, slots=True)
class Earlier:
    """A close before, as it was signed, with the member's statement in it."""

    h: H32
    settlement: PoolSettlement
    opened: OpenedStatement


@dataclass(frozen=True, slots=True)
class Logged:
    """What the file is about: `contracts` in the order of the close, `chain` the first version of all."""

    settlement: PoolSettlement
    contracts: tuple[Contract, ...]
    chain: H32
    earlier: tuple[Earlier, ...]
    set_back: int  # times


def logged(proof: PoolProof, policy: Policy) -> Logged:
    """Raises Misfit."""
    try:
        checkpoint, epoch = open_in_any_epoch(proof.note, policy.log_origin, policy.log_key)
    except ProtocolError as error:
        raise Misfit(CHECKPOINT, f"is not one that your policy's log signed ({error})") from None
    log = _Log(policy, checkpoint)
    set_back = log.went_on(proof, epoch)
    settlement = log.close(proof.settlement, "close")[1]
    known = {one.h: one.chain for one in policy.contracts}
    contracts, chains = [], set()
    ensure(len(proof.contracts) == len(settlement.contracts), "contracts", "are not all that the close names")
    for place, (one, named) in enumerate(zip(proof.contracts, settlement.contracts, strict=True), 1):
        where = f"contract {place}"
        found = log.parsed(one, cose.ContentType.CONTRACT, LogType.CONTRACT, where)
        ensure(found.hash == named, where, "is not the one that the close names there")
        ensure(found.hash in known, where, "is none that your policy knows to be agreed")
        contract = Contract.decode(found.payload)
        ensure(contract.community == policy.community, where, "is of another community")
        ensure(contract.pool is not None, where, "has no pool")
        ensure(contract.unit == settlement.unit, where, "is in another unit than the close")
        contracts.append(contract)
        chains.add(known[found.hash])
    ensure(len(chains) == 1, "contracts", "are not versions of one contract")
    earlier = []
    for shown in proof.earlier:
        h, before = log.close(shown.close, "earlier close")
        ensure(before.contracts[0] == settlement.contracts[0], "earlier close", "is of another contract")
        earlier.append(Earlier(h, before, shown.opened))
    return Logged(settlement, tuple(contracts), chains.pop(), tuple(earlier), set_back)


class _Log:
    """The log as the checkpoint shows it."""

    def __init__(self, policy: Policy, checkpoint: Checkpoint) -> None:
        self._policy, self._checkpoint = policy, checkpoint

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

    def close(self, one: LoggedObject, where: str) -> tuple[H32, PoolSettlement]:
        """Its hash and what it says, signed by a key that may settle."""
        found = self.parsed(one, cose.ContentType.POOL, LogType.SETTLEMENT, where)
        key = next((k.key for k in self._policy.keys if "settlement" in k.may and k.key.kid == found.kid), None)
        if key is None:
            raise Misfit(where, f"is signed by key {found.kid.hex()}, which your policy does not let settle")
        found.verify(key)
        return found.hash, PoolSettlement.decode(found.payload)

    def went_on(self, proof: PoolProof, epoch: int) -> int:
        """How often the log was set back: each time a record says so, signed by as many roots as the policy needs."""
        policy, signers = self._policy, dict[bytes, set[bytes]]()
        roots = {key.kid: key for key in policy.roots}
        left: dict[bytes, Left] = {}
        where = "record that the log was set back"
        for one in proof.continuations:
            found = self.parsed(one, cose.ContentType.CONTINUATION, LogType.CONTINUATION, where)
            ensure(found.kid in roots, where, f"is signed by key {found.kid.hex()}, which is no community key")
            found.verify(roots[found.kid])
            record = Continuation.decode(found.payload)
            ensure(record.log == log_id(policy.log_key.spki), where, "is of another log than the one in your policy")
            signers.setdefault(found.payload, set()).add(found.kid)
            left.setdefault(found.payload, Left(record, one.leaf, where))
        for kids in signers.values():
            ensure(len(kids) >= policy.roots_needed, where, f"is signed by {len(kids)} of {policy.roots_needed} roots")
        check_chain(list(left.values()), 0, epoch)
        proofs = {one.size: one.path for one in proof.proofs}
        ensure(proofs.keys() <= {one.record.size for one in left.values()}, "the file", "proves what nobody asks for")
        for said in left.values():
            check_beginning(said.record.size, said.record.root, said.name, proofs, self._checkpoint)
        return len(left)
