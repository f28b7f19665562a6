"""First step with a pool's file: the close, its contracts and the closes before it stand in the policy's log, signed by
keys that may, and a log that was set back says so under the community's root.
It never believes a contract that the policy does not know to be agreed.
"""

from dataclasses import dataclass

from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.evidence import LoggedObject
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import OpenedStatement, PoolProof, PoolSettlement
from tallystick_protocol.verify.case import ensure
from tallystick_protocol.verify.log_view import LogView
from tallystick_protocol.verify.report import Check


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
    check: Check


def logged(proof: PoolProof, policy: Policy) -> Logged:
    """The close and its contracts, each signed by a key in force and in the policy's log; raises Misfit."""
    log = LogView(policy, proof.note)
    check = log.went_on(proof.continuations, proof.proofs, "the close and its contract stand")
    settlement = _close(log, proof.settlement, "close")[1]
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
        h, before = _close(log, shown.close, "earlier close")
        ensure(before.contracts[0] == settlement.contracts[0], "earlier close", "is of another contract")
        ensure(before.unit == settlement.unit, "earlier close", "is in another unit")
        earlier.append(Earlier(h, before, shown.opened))
    return Logged(settlement, tuple(contracts), chains.pop(), tuple(earlier), check)


def _close(log: LogView, one: LoggedObject, where: str) -> tuple[H32, PoolSettlement]:
    """Its hash and what it says."""
    found = log.settled(one, cose.ContentType.POOL, where)
    return found.hash, PoolSettlement.decode(found.payload)
