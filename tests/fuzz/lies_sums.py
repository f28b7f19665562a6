"""The same of pools and shared bills: rows for refusals of the verifier that nothing else reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fuzz.edits import add, all_of, edit, other, put
from fuzz.forged import Change, signed
from fuzz.forged_sums import CostForger, More, Name, PoolForger, bill, paid_by_consumers, pools
from support import evidence_world as w
from support.pools import HOUR
from support.protocol_samples import ed25519, fixed, h32
from tallystick_protocol import cose
from tallystick_protocol.checkpoint import log_id
from tallystick_protocol.codes import LineKind, LogType
from tallystick_protocol.cose import ContentType
from tallystick_protocol.evidence import LoggedObject, Proof
from tallystick_protocol.keys import public_key_of
from tallystick_protocol.policy import KnownVersion, Policy
from tallystick_protocol.pool_settlement import PoolProof
from tallystick_protocol.records import Continuation

MUCH = 10**12
CORRECTION, PAYMENT = int(LineKind.CORRECTION), int(LineKind.PAYMENT)
ROOTS = ed25519("a root"), ed25519("another root")


@dataclass(frozen=True, slots=True)
class Summed:
    """`named` stands in the verdict on the file of a pool; `contracts` stand in the place of the only one."""

    named: str
    of: Callable[[], PoolForger]
    changes: Mapping[Name, Change] = field(default_factory=dict)
    contracts: Callable[[PoolForger], Sequence[LoggedObject]] = lambda _: ()
    policy: Callable[[PoolForger], Policy] = lambda forger: forger.policy
    then: Callable[[PoolProof], PoolProof] = lambda proof: proof

    def file(self) -> bytes:
        return self.then(PoolProof.decode(self.of().forge(self.changes, self.contracts(self.of())))).encode()


def anna() -> PoolForger:
    return pools()["Anna"]


def farm() -> PoolForger:
    return pools()["Farm"]


def home() -> PoolForger:
    """Of a pool in which consumers pay."""
    return paid_by_consumers()["Anna"]


def plant() -> PoolForger:
    return paid_by_consumers()["Farm"]


def moved(at: Name, of: int, by: int = 1) -> dict[Name, Change]:
    """A number of an own meter is higher, and the total of the close with it."""
    return {at: add(of, n=by), ("close",): add(9, of, n=by)}


def without(key: int) -> Change:
    return edit(to=lambda old: {each: value for each, value in old.items() if each != key})


# ------------------------------------------------------------ contracts


def uncorrected(lines: list[Any]) -> list[Any]:
    return [one for one in lines if one[0] != CORRECTION]


Contracts = Callable[[PoolForger], Sequence[LoggedObject]]


def _first(forger: PoolForger) -> LoggedObject:
    return PoolProof.decode(forger.make((), bytes)).contracts[0]


def _logged(payload: bytes) -> LoggedObject:
    return LoggedObject(LogType.CONTRACT, signed(ContentType.CONTRACT, payload, w.PARTY_KEYS[w.OWNER])[0], 0, ())


def versions(forger: PoolForger) -> Sequence[LoggedObject]:
    """The contract and a second version of it, from the middle of the month on."""
    first = cose.parse(_first(forger).envelope)
    second = all_of(put(1, value=fixed("second", 16)), put(2, value=first.hash), put(4, value=2), add(13, n=15 * w.DAY))
    return _first(forger), _logged(second(first.payload))


def without_pool(forger: PoolForger) -> Sequence[LoggedObject]:
    """The contract of a laundry of the same community."""
    del forger
    return (_logged(w.laundry(community="cer").encode()),)


def knows(contracts: Contracts, *, one: bool = True) -> Callable[[PoolForger], Policy]:
    """A policy that knows these, as versions of one contract or of two."""

    def made(forger: PoolForger) -> Policy:
        hashes = [cose.parse(each.envelope).hash for each in contracts(forger)]
        known = [KnownVersion(hashes[0] if one else h, h, 0) for h in hashes]
        return replace(forger.policy, contracts=tuple(known))

    return made


def naming(contracts: Contracts) -> Change:
    return lambda data: put(6, value=[cose.parse(one.envelope).hash for one in contracts(anna())])(data)


def other_salt(proof: PoolProof) -> PoolProof:
    assert proof.statement is not None
    return replace(proof, statement=replace(proof.statement, salt=fixed("other", len(proof.statement.salt))))


POOLS: dict[str, Summed] = {
    "an hour outside of the period": Summed("is not in the period", anna, {("record", 0): put(0, value=0)}),
    "an hour under no contract": Summed(
        "names a contract that is not in the close", anna, {("record", 0): put(1, value=5)}
    ),
    "a piece of another hour": Summed("shows a piece of another interval", anna, {("meter", 0, 2): add(0, n=HOUR)}),
    "a piece of somebody else": Summed(
        "shows a piece that is not the meter's in the contract", anna, {("meter", 0, 2): other(2)}
    ),
    "a group twice": Summed("has one group twice", anna, {("record", 0): edit(8, to=lambda old: [old[0], *old[:-1]])}),
    "another contract": Summed(
        "is not the one that the close names there", anna, {("close",): put(6, value=[h32("contract")])}
    ),
    "another unit": Summed("is in another unit than the close", anna, {("close",): put(8, value="CHF")}),
    "an earlier close of another contract": Summed(
        "is of another contract", anna, {("earlier close", 0): put(6, value=[h32("contract")])}
    ),
    "an earlier close in another unit": Summed(
        "earlier close: is in another unit", anna, {("earlier close", 0): put(8, value="CHF")}
    ),
    "an earlier close of another time": Summed(
        "corrects a close of another time", anna, {("earlier close", 0): add(3, 1)}
    ),
    "a statement under another salt": Summed("your statement: is not in its close", anna, then=other_salt),
    "a first statement that begins with something": Summed(
        "is your first, but begins with 1 nano", anna, {("earlier statement", 0): add(4)}
    ),
    "a number skipped": Summed(
        "is number 7 of its time, and the one before it is", anna, {("close",): put(5, value=7)}
    ),
    "a payment of nothing": Summed(
        "has a line of nothing", anna, {("statement",): edit(5, to=lambda old: [*old, [PAYMENT, h32("line"), 0]])}
    ),
    "a contract in the place of something else": Summed(
        "is not what its place says",
        anna,
        then=lambda proof: replace(proof, contracts=tuple(replace(one, type=LogType.KEY) for one in proof.contracts)),
    ),
    "a proof that nobody asks for": Summed(
        "proves what nobody asks for", anna, then=lambda proof: replace(proof, proofs=(Proof(1, (h32("proof"),)),))
    ),
    "an hour under another version": Summed(
        "is under another contract version",
        anna,
        {("close",): naming(versions), ("record", 0): put(1, value=1)},
        versions,
        knows(versions),
    ),
    "two contracts in one close": Summed(
        "are not versions of one contract", anna, {("close",): naming(versions)}, versions, knows(versions, one=False)
    ),
    "a contract without a pool": Summed(
        "has no pool", anna, {("close",): naming(without_pool)}, without_pool, knows(without_pool)
    ),
    "a meter that the contract does not have": Summed(
        "shows a meter that the contract does not have", anna, {("meter", 0, 2): put(1, value=9)}
    ),
    "a group left out": Summed(
        "leaves out a group that somebody is in", anna, {("record", 0): edit(8, to=lambda old: old[:-1])}
    ),
    "more to a group than there is": Summed(
        "gives the groups more than there is", anna, {("record", 0): add(8, 0, 1, n=MUCH)}
    ),
    "a home that injects": Summed("withdraws, and is said to inject", anna, moved(("piece", 1, 0), 0)),
    "a plant that withdraws": Summed("injects, and is said to withdraw", farm, moved(("piece", 0, 0), 1)),
    "a home that used more than it withdrew": Summed(
        "more than it withdrew",
        home,
        {
            ("piece", 0, 0): add(3),
            ("beside", 0, 6, 7): add(2),
            ("close",): all_of(add(9, 2), add(9, 3)),
        },
    ),
    "a home that is given less than its part": Summed(
        "its part is", home, {("piece", 0, 0): add(3, n=-1), ("beside", 0, 2, 3): add(3)}
    ),
    "a plant of which less is taken": Summed(
        "its part is", plant, {("piece", 0, 0): add(2, n=-2), ("beside", 0, 6, 8): add(2, n=2)}
    ),
    "on account where nothing pays the rest": Summed(
        "and its contract knows no close that pays the rest", home, {("close",): put(4, value="account")}
    ),
    "a second close without a first": Summed(
        "is number 2 of its time, and none is before it", home, {("close",): put(5, value=2)}
    ),
    "a statement of a close without statements": Summed(
        "your statement: is in no close that has statements", anna, {("close",): without(10)}
    ),
    "an earlier statement of a close without statements": Summed(
        "an earlier statement: is in no close that has statements", anna, {("earlier close", 0): without(10)}
    ),
    "an earlier close that nothing speaks of": Summed(
        "brings an earlier close that your statement does not speak of",
        anna,
        {
            ("close",): all_of(put(2, value=None), put(5, value=1)),
            ("statement",): all_of(
                put(3, value=None),
                put(4, value=0),
                edit(5, to=uncorrected),
            ),
        },
    ),
    "a close that is corrected twice": Summed(
        "corrects one close twice",
        anna,
        {("statement",): edit(5, to=lambda old: [*old, *(one for one in old if one[0] == CORRECTION)])},
    ),
}


# ------------------------------------------------------------ bills


def set_back(**said: Any) -> list[More]:
    """A record that the log was set back, by one root."""
    record = Continuation(fixed("record", 16), log_id(bill().policy.log_key.spki), 1, 0, 2, h32("root"), (), "a backup")
    return [(ContentType.CONTINUATION, replace(record, **said).encode(), ROOTS[0])]


def rooted(count: int) -> Policy:
    roots = tuple(public_key_of(one) for one in ROOTS[:count])
    return replace(bill().policy, roots=roots, roots_needed=count)


def unused(forger: CostForger) -> dict[Name, Change]:
    """Nobody's meter counted anything."""
    return {name: put(1, value=0) for name in forger.targets if name[0] in ("piece", "beside")}


@dataclass(frozen=True, slots=True)
class Billed:
    """The same of a shared bill."""

    named: str
    changes: Callable[[CostForger], Mapping[Name, Change]] = lambda _: {}
    more: Callable[[], Sequence[More]] = lambda: ()
    policy: Callable[[], Policy] = lambda: bill().policy

    def file(self) -> bytes:
        return bill().forge(self.changes(bill()), self.more())


BILLS: dict[str, Billed] = {
    "a measure of no part of the key": Billed("has sums of no part of it", lambda _: {("piece", 0): add(3)}),
    "a bill that ends before it begins": Billed(
        "ends before it begins", lambda _: {("bill",): all_of(put(7, value="2026-01-01"), put(8, value="2025-12-31"))}
    ),
    "a key by what nobody used": Billed("divides by use, of which nobody has any", unused),
    "another log that was set back": Billed(
        "is of another log than the one in your policy", more=lambda: set_back(log=b"else"), policy=lambda: rooted(1)
    ),
    "a log set back by one of two roots": Billed("is signed by 1 of 2 roots", more=set_back, policy=lambda: rooted(2)),
}
