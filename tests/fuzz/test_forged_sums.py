"""Whatever a host signs of a pool or a shared bill, with one value changed and all that follows from it made right
again, is refused: except what commits to nothing, or to what the file does not show. The lists of these are exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import Any

import cbor2
import pytest
from fuzz.forged import near, remembered
from fuzz.forged_sums import MISFITS, CostForger, Name, PoolForger, bill, paid_by_consumers, pools
from fuzz.free import scalars
from support.vector_case import plain
from tallystick_protocol.cost_settlement import CostProof
from tallystick_protocol.policy import Policy
from tallystick_protocol.pool_settlement import PoolProof
from tallystick_protocol.verify.cost import verify_cost
from tallystick_protocol.verify.pool import verify_pool
from tallystick_protocol.verify.report import Report

Place = tuple[str, tuple[int, ...]]  # what is changed, and where in it: of an hour in any hour
OTHER_WORDS = {"final": "account", "account": "final", "producers": "consumers", "consumers": "households",
               "use": "area", "area": "use"}  # fmt: skip
BOTH_WAYS = ("close", "earlier close", "earlier statement", "record")  # one of the two may stand where it is
MUCH = 1000  # of what others have: worth a lie
OWN = ("record", "meter", "piece", "beside")  # what differs from member to member
BESIDE_MAX = 1  # subtrees of others in each tree

OF_ANY_POOL: dict[Place, str] = {
    ("close", (1,)): "a nonce",
    ("close", (3, 0)): "when the period began: its hours are in it",
    ("close", (3, 1)): "when it ended: the same",
    ("close", (10, 0)): "how many statements there are: only one is shown",
    ("statement", (1,)): "a nonce",
    ("record", (4, 0)): "a price of the series at which the contract's own price is the same",
    ("record", (4, 1)): "the same",
    ("record", (9,)): "how far the readings of the hour are to be trusted: they are not in the file",
    ("earlier close", (1,)): "a nonce",
    ("earlier close", (3, 0)): "its period: what it gave is taken back, whenever it was",
    ("earlier close", (3, 1)): "the same",
    ("earlier close", (4,)): "whether it was on account: the same",
    ("earlier close", (7, 0)): "its intervals, which its own file shows",
    ("earlier close", (9, 0)): "its totals, which are those of its intervals",
    ("earlier close", (9, 1)): "the same",
    ("earlier close", (9, 2)): "the same",
    ("earlier close", (9, 3)): "the same",
    ("earlier close", (9, 4)): "the same",
    ("earlier close", (10, 0)): "how many statements there are: only one is shown",
    ("earlier statement", (1,)): "a nonce",
    ("earlier statement", (5, 0, 0)): "whether it was share or charge: it is taken back as it was",
    ("earlier statement", (5, 0, 2)): "how much: its own file says so, and it is taken back",
}
TO_A_MEMBER = OF_ANY_POOL | {
    ("beside", (6,)): "how much of what was used is homes': others' numbers, and no more than was used",
}
TO_A_PARTY = OF_ANY_POOL | {
    ("record", (3, 0)): "what the sums are of: who has no meter sees no piece under them",
}
OF_A_BILL: dict[Place, str] = {
    ("bill", (1,)): "a nonce",
    ("bill", (3,)): "the name of what is shared, which the verifier says",
    ("bill", (4,)): "the name of the bill, which it says",
    ("bill", (5,)): "the amount, which it says, and which is on the paper",
    ("bill", (6,)): "the unit, which it says",
    ("bill", (9,)): "the decision, which it says",
    ("bill", (10, 0, 1)): "what the first part of the key goes by, which it says",
    ("bill", (10, 0, 2)): "what that is of, which it says",
    ("bill", (10, 0, 3)): "in what it is counted: what it says is whole numbers of that",
    ("bill", (10, 1, 1)): "what the second part goes by, which it says",
    ("bill", (10, 1, 3)): "in what it is counted",
    ("bill", (11,)): "who collects: the statement says whom one owes",
    ("bill", (12,)): "the hash of the file that was posted, which is not shown",
    ("reversal", (1,)): "a nonce",
    ("stay", (0,)): "the number of a stay, which only keeps two apart",
    ("stay", (2,)): "the flat's name, which it says",
    ("stay", (5,)): "how many people: no part of this key goes by it",
    ("piece", (1,)): "what the own meter counted, which it says",
    ("piece", (2,)): "the own flat's area, which it says",
    ("beside", (1,)): "what all meters counted, which it says",
    ("beside", (2,)): "the area of the house, which it says",
}


def others(what: str, old: Any) -> tuple[Any, ...]:
    """Other values that might stand there."""
    if isinstance(old, str):
        return (OTHER_WORDS.get(old, near(old, 129)),)
    if isinstance(old, int):
        return (old + MUCH,) if what == "beside" else (old + 1, old - 1) if what in BOTH_WAYS else (old + 1,)
    return (near(old, 129),)


def at(value: Any, path: tuple[int, ...]) -> Any:
    return reduce(lambda holder, step: holder[step], path, value)


def put(data: bytes, path: tuple[int, ...], new: Any) -> bytes:
    value = plain(cbor2.loads(data))
    at(value, path[:-1])[path[-1]] = new
    return cbor2.dumps(value, canonical=True)


def tried(targets: Mapping[Name, bytes]) -> Iterator[tuple[Name, bytes]]:
    """All of them, of others' subtrees a few."""
    count: dict[Any, int] = {}
    for name, data in targets.items():
        tree = name[:-2]
        count[tree] = count.get(tree, 0) + 1
        if name[0] != "beside" or count[tree] <= BESIDE_MAX:
            yield name, data


def lies(targets: Mapping[Name, bytes]) -> Iterator[tuple[Name, tuple[int, ...], Any]]:
    for name, data in tried(targets):
        value = plain(cbor2.loads(data))
        for path in scalars(value):
            yield from ((name, path, new) for new in others(str(name[0]), at(value, path)))


def passing(
    forger: PoolForger | CostForger, verify: Callable[[bytes, Policy], Report], kinds: Sequence[str] = ()
) -> set[Place]:
    """`kinds`: only of these; of all without it."""
    found = set()
    with remembered():
        assert verify(forger.make((), bytes), forger.policy).verdict == "valid"
        targets = {name: data for name, data in forger.targets.items() if not kinds or name[0] in kinds}
        for name, path, new in lies(targets):
            with suppress(*MISFITS):  # it cannot even be said
                made = forger.make(name, lambda old, path=path, new=new: put(old, path, new))  # type: ignore[misc]
                if verify(made, forger.policy).ok:
                    found.add((str(name[0]), path))
    return found


def test_any_one_value_of_a_pool_is_refused_when_it_is_another() -> None:
    of_a_home, of_a_plant = passing(pools()["Anna"], verify_pool), passing(pools()["Farm"], verify_pool, OWN)
    assert of_a_home | of_a_plant == TO_A_MEMBER.keys()


def test_any_one_value_of_a_pool_is_refused_by_who_has_no_meter_in_it() -> None:
    kinds = ("close", "statement", "record")
    assert passing(pools()["GSE"], verify_pool, kinds) == {one for one in TO_A_PARTY if one[0] in kinds}


def test_any_one_value_of_a_pool_that_consumers_pay_is_refused_when_it_is_another() -> None:
    files = paid_by_consumers()
    home, plant = ("close", "statement", "record", "piece"), ("piece", "beside")
    found = passing(files["Anna"], verify_pool, home) | passing(files["Farm"], verify_pool, plant)
    assert found == {one for one in TO_A_MEMBER if not one[0].startswith("earlier")}


def test_any_one_value_of_a_shared_bill_is_refused_when_it_is_another() -> None:
    assert passing(bill(), verify_cost) == OF_A_BILL.keys()


OTHER_POLICIES: dict[str, tuple[Callable[[Policy], Policy], str]] = {
    "another log": (lambda mine: replace(mine, log_key=mine.keys[0].key), "is not one that your policy's log signed"),
    "nobody may settle": (lambda mine: replace(mine, keys=()), "which your policy does not let settle"),
    "no contract agreed": (lambda mine: replace(mine, contracts=()), "is none that your policy knows to be agreed"),
    "another community": (lambda mine: replace(mine, community="elsewhere"), "is of another community"),
}


@pytest.mark.parametrize("name", OTHER_POLICIES)
def test_a_pool_is_refused_under_another_policy(name: str) -> None:
    other, reason = OTHER_POLICIES[name]
    forger = pools()["Anna"]
    assert reason in verify_pool(forger.make((), bytes), other(forger.policy)).verdict


def test_an_earlier_close_is_shown_once() -> None:
    forger = pools()["Anna"]
    proof = PoolProof.decode(forger.make((), bytes))
    twice = replace(proof, earlier=proof.earlier * 2)
    assert "earlier close: is there twice" in verify_pool(twice.encode(), forger.policy).verdict


def test_what_takes_a_bill_back_is_no_bill() -> None:
    proof = CostProof.decode(bill().make((), bytes))
    assert proof.reversal is not None
    other = replace(proof, settlement=proof.reversal, reversal=None)
    assert "is one that takes another back" in verify_cost(other.encode(), bill().policy).verdict
