"""Whatever a host signs, with one value changed and all that follows from it made right again, is refused: except what
commits to nothing, or to what the file does not show. The list of these is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cbor2
import pytest
from fuzz import free
from fuzz.forged import Forger, bent, forgers, near, remembered
from fuzz.forged_evidence import late, metered, months
from fuzz.free import TO_THE_LENDER, TO_THE_USER, Place, is_of_the_host, only_change, scalars
from fuzz.targets import TARGETS
from fuzz.told import correction
from support import evidence_world as w
from support.vector_case import plain
from tallystick_protocol.ids import PartyId
from tallystick_protocol.verify import compare, verify_evidence

PLACES = (2, 3, 7, 16)  # in each object and piece


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
        if is_of_the_host(kind):
            yield number, kind, data


def passing(party: PartyId, forger: Forger, only: Sequence[int] = ()) -> set[Place]:
    """`only`: of these targets; of all without it."""
    found = set()
    with remembered():
        for number, kind, data in signed_by_the_host(forger):
            if only and number not in only:
                continue
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


def next_month(forger: Forger) -> list[int]:
    return forger.about(forger.find("settlement", 1))


def corrections(forger: Forger) -> list[int]:
    """A line that is corrected, and an abort."""
    return [correction(forger), correction(forger, 1)]


def readings(forger: Forger) -> list[int]:
    """What was used by night, and all that is settled beside it but other uses."""
    others = forger.find("leaf 7", 0), forger.find("leaf 7", 1)
    return [n for n in range(forger.targets) if forger.target(n)[0].startswith("leaf") and n not in others]


LATER: dict[str, tuple[Callable[[PartyId], Forger], PartyId, Callable[[Forger], list[int]], dict[Place, str]]] = {
    "a second month, to the lender": (months, w.BANK, next_month, free.NEXT_MONTH_TO_THE_LENDER),
    "a second month, to a user": (months, w.ANNA, next_month, free.NEXT_MONTH_TO_THE_USER),
    "corrections, to the lender": (late, w.BANK, corrections, free.CORRECTIONS_TO_THE_LENDER),
    "corrections, to a user": (late, w.ANNA, corrections, free.CORRECTIONS_TO_THE_USER),
    "readings, to the lender": (metered, w.BANK, readings, free.READINGS_TO_THE_LENDER),
    "readings, to their user": (metered, w.ANNA, readings, free.READINGS),
}


@pytest.mark.parametrize("name", LATER)
def test_so_is_any_one_value_of_what_comes_later_and_of_what_is_read(name: str) -> None:
    made, party, targets, expected = LATER[name]
    forger = made(party)
    assert passing(party, forger, targets(forger)) == expected.keys()


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


def test_a_value_that_the_verifier_no_longer_looks_at_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a counter closes, which no longer is where its uses bring it to."""
    _, forger = forgers()[0]
    counter = next(number for number in range(forger.targets) if forger.target(number)[0] == "leaf 12")
    edits = (bytes((0, place, 0, 129)) for place in range(64))
    more = next(one for one in edits if _changed(forger.target(counter)[1], one) == (3,))
    data = bytes((0, counter)) + more
    TARGETS["verify-forged"].run(data)
    monkeypatch.setattr(compare, "ensure", lambda *_: None)
    with pytest.raises(AssertionError, match=r"another value in leaf 12 at \(3,\) is taken"):
        TARGETS["verify-forged"].run(data)


def _changed(old: bytes, edits: bytes) -> tuple[int, ...] | None:
    return only_change(plain(cbor2.loads(old)), plain(cbor2.loads(bent(old, edits))))
