"""Whatever a host signs, with one value changed and all that follows from it made right again, is refused: except what
commits to nothing, or to what the file does not show. The list of these is exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cbor2
import pytest
from fuzz.forged import TREES, Forger, bent, forgers, near, remembered
from support import evidence_world as w
from support.vector_case import plain
from tallystick_protocol.ids import PartyId
from tallystick_protocol.verify import verify_evidence

Place = tuple[str, tuple[int, ...]]
BY_THE_HOST = ("settlement", "reversal")
BOTH: dict[Place, str] = {
    ("settlement", (1,)): "a nonce",
    ("settlement", (3, 0)): "when the period began: told by the settlement before it",
    ("settlement", (3, 1)): "when it ended: told by the next one",
    ("settlement", (10, 0)): "how many statements there are: only one is shown",
    ("reversal", (1,)): "a nonce",
    ("reversal", (6,)): "the reason, which is shown to nobody",
    ("leaf 7", (5,)): "the tag of a payer's only use of the period",
    ("leaf 10", (1,)): "a nonce",
}
TO_THE_LENDER = BOTH | {
    ("leaf 5", (5, 0, 1)): "the first batch of a gateway's first settlement: totals tell what is covered",
    ("leaf 7", (2, 0)): "when a use began: the gateway says it in a part that is the user's",
    ("leaf 7", (4,)): "a reversed use that is said to have been a test: it costs nothing either way",
}
TO_THE_USER = BOTH | {
    ("settlement", (5, 0)): "the tree of covers, which is shown to parties to the split",
    ("settlement", (5, 1)): "the same",
    ("settlement", (12, 0)): "the tree of counters, of which none of the user's is shown",
    ("settlement", (12, 1)): "the same",
    ("leaf 7", (9, 1, 1)): "the split's counter, as committed: the verdict says so",
}


PLACES = (2, 3, 7, 16)  # in each object and piece


def scalars(value: Any, at: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        if isinstance(value[key], dict | list):
            yield from scalars(value[key], (*at, key))
        else:
            yield (*at, key)


def one_more(data: bytes, path: tuple[int, ...]) -> bytes:
    """A number one higher, a bit or a letter changed."""
    value = plain(cbor2.loads(data))
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = near(holder[path[-1]], 129)
    return cbor2.dumps(value, canonical=True)


def signed_by_the_host(forger: Forger) -> Iterator[tuple[int, str, bytes]]:
    """Each target with its kind and its bytes."""
    for number in range(forger.targets):
        kind, data = forger.target(number)
        if kind in (*BY_THE_HOST, *(f"leaf {key}" for key in TREES)):
            yield number, kind, data


def passing(party: PartyId, forger: Forger) -> set[Place]:
    found = set()
    with remembered():
        for number, kind, data in signed_by_the_host(forger):
            for path in scalars(plain(cbor2.loads(data))):
                made = forger.make(number, lambda old, path=path: one_more(old, path))  # type: ignore[misc]
                if verify_evidence(made.encode(), w.policy(party)).ok:
                    found.add((kind, path))
    return found


@pytest.mark.parametrize(("parties", "expected"), [((w.BANK,), TO_THE_LENDER), ((w.ANNA, w.BRUNO), TO_THE_USER)])
def test_any_one_value_that_a_host_signs_is_refused_when_it_is_another(
    parties: tuple[PartyId, ...], expected: dict[Place, str]
) -> None:
    found = {one for party, forger in forgers() if party in parties for one in passing(party, forger)}
    assert found == expected.keys()


def test_the_honest_files_are_valid_and_a_few_bytes_reach_every_step() -> None:
    steps = set()
    with remembered():
        for party, forger in forgers():
            assert verify_evidence(forger.make(-1, bytes).encode(), w.policy(party)).ok
        for party, forger in forgers()[2:]:
            for number in range(forger.targets):
                for place in PLACES:
                    edits = bytes((0, place, 0, 129))
                    made = forger.make(number, lambda old, edits=edits: bent(old, edits))  # type: ignore[misc]
                    steps.add(verify_evidence(made.encode(), w.policy(party)).checks[-1].name)
    reached = {"file", "signatures", "pieces", "agreement", "chains", "coverage", "meters", "reversals", "prices"}
    assert reached | {"statement"} <= steps
