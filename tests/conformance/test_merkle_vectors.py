"""RFC 6962 proofs of transparency-dev/merkle."""

import base64
from typing import Any

from support.vectors import outside_json
from tallystick_protocol import merkle
from tallystick_protocol.errors import BadProof


def _hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


def _inclusion_holds(case: dict[str, Any]) -> bool:
    leaf, root = base64.b64decode(case["leafHash"] or ""), base64.b64decode(case["root"] or "")
    try:
        merkle.verify_inclusion(case["leafIdx"], case["treeSize"], leaf, _hashes(case["proof"]), root)
    except BadProof:
        return False
    return True


def _consistency_holds(case: dict[str, Any]) -> bool:
    old_root, new_root = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
    try:
        merkle.verify_consistency(case["size1"], case["size2"], _hashes(case["proof"]), old_root, new_root)
    except BadProof:
        return False
    return True


def test_inclusion_vectors_hold_exactly_where_they_should() -> None:
    cases = outside_json("merkle", "inclusion/**/*.json")
    wrong = [name for name, case in cases if _inclusion_holds(case) == case["wantErr"]]
    assert wrong == []
    assert any(not case["wantErr"] for _, case in cases)
    assert any(case["wantErr"] for _, case in cases)


def test_consistency_vectors_hold_exactly_where_they_should() -> None:
    cases = outside_json("merkle", "consistency/**/*.json")
    assert [name for name, case in cases if _consistency_holds(case) == case["wantErr"]] == []
