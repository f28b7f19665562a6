"""A mutant is the verifier with one fault, made in the function that everybody already holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fuzz.lies import STATEMENTS
from mutants.mutant import Mutant, _function, mutants
from support import evidence_world as w
from support import refusals
from tallystick_protocol.verify import verify_evidence


@contextmanager
def applied(one: Mutant) -> Iterator[None]:
    function = _function(one.file, one.function)
    kept = function.__code__
    one.apply()
    try:
        yield
    finally:
        function.__code__ = kept


def test_each_refusal_is_taken_out_once_and_each_mutant_has_a_name_of_its_own() -> None:
    all_of = mutants()
    assert {one.refusal for one in all_of if one.refusal} == refusals.refusals().keys()
    assert len({one.name for one in all_of}) == len(all_of) > 1000


@pytest.mark.parametrize("lie", ["a payment of nothing", "a correction of nothing"])
def test_a_verifier_without_a_refusal_takes_the_lie(lie: str) -> None:
    told = STATEMENTS[lie]
    one = next(each for each in mutants() if told.named in each.refusal and each.file == "verify/statements.py")
    with applied(one):
        assert verify_evidence(told.file(), w.policy(w.BANK)).ok
    assert told.named in verify_evidence(told.file(), w.policy(w.BANK)).verdict


def test_a_turned_comparison_refuses_what_is_honest() -> None:
    one = next(each for each in mutants() if "before.to_ms == account.settlement.from_ms | flipped" in each.name)
    honest = STATEMENTS["a payment of nothing"].of().make(-1, bytes).encode()
    with applied(one):
        assert not verify_evidence(honest, w.policy(w.BANK)).ok
    assert verify_evidence(honest, w.policy(w.BANK)).ok
