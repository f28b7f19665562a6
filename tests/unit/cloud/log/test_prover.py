"""The prover of many proofs says exactly what the plain functions of the protocol say."""

import pytest
from tallystick_cloud.log.prover import Prover
from tallystick_protocol import merkle
from tallystick_protocol.errors import BadProof
from tallystick_protocol.ids import H32

LEAVES = [merkle.leaf_hash(bytes([at])) for at in range(70)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 33, 64, 70])
def test_proofs_are_those_of_the_protocol(size: int) -> None:
    leaves = [H32(h) for h in LEAVES[:size]]
    prover = Prover(leaves)
    assert prover.root == merkle.root(leaves)
    for index in range(size):
        assert prover.inclusion(index) == merkle.inclusion_proof(index, leaves)
        assert prover.consistency(index + 1) == merkle.consistency_proof(index + 1, size, leaves)


def test_what_the_tree_does_not_hold_is_refused() -> None:
    prover = Prover(LEAVES[:3])
    for wrong in (-1, 3):
        with pytest.raises(BadProof):
            prover.inclusion(wrong)
    for wrong in (0, 4):
        with pytest.raises(BadProof):
            prover.consistency(wrong)
    assert Prover([]).root == merkle.EMPTY_ROOT
