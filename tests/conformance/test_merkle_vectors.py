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


KINDS = {"inclusion": _inclusion_holds, "consistency": _consistency_holds}


def test_vectors_hold_exactly_where_they_should() -> None:
    """Whichever kinds the outside folder has; our own vectors have both."""
    cases = [(name, KINDS[name.split("/")[0]](case), not case["wantErr"]) for name, case in outside_json("merkle")]
    assert [name for name, holds, should in cases if holds != should] == []
    assert {should for _, _, should in cases} == {True, False}
