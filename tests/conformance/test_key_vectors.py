"""ECDSA edge cases of Wycheproof and the Ed25519 key zoo of C2SP/CCTV."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.vectors import outside_json
from tallystick_protocol.errors import BadSignature, UnknownKey
from tallystick_protocol.keys import PublicKey


def _as_fixed(der: bytes) -> bytes | None:
    """r || s of a DER signature; None where 64 bytes cannot say what the DER says."""
    try:
        r, s = decode_dss_signature(der)
    except ValueError:
        return None
    if not (0 <= r < 2**256 and 0 <= s < 2**256) or encode_dss_signature(r, s) != der:
        return None
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except BadSignature:
        return False
    return True


def test_ecdsa_edge_cases_verify_exactly_where_they_should() -> None:
    checked: dict[str, int] = {"valid": 0, "invalid": 0}
    for _, file in outside_json("wycheproof"):
        for group in file["testGroups"]:
            key = PublicKey.from_spki(bytes.fromhex(group["publicKeyDer"]))
            for case in group["tests"]:
                signature = _as_fixed(bytes.fromhex(case["sig"]))
                if signature is None:
                    assert case["result"] == "invalid", case["tcId"]
                    continue
                expected = case["result"] == "valid"
                assert _verifies(key, signature, bytes.fromhex(case["msg"])) == expected, case["tcId"]
                checked[case["result"]] += 1
    assert checked["valid"] > 100
    assert checked["invalid"] > 50


def _spki(raw: bytes) -> bytes:
    return Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refused(raw: bytes) -> bool:
    try:
        PublicKey.from_spki(_spki(raw))
    except UnknownKey:
        return True
    return False


def test_small_order_ed25519_keys_are_refused_and_others_are_not() -> None:
    cases: list[dict[str, Any]] = [case for _, file in outside_json("ed25519") for case in file]
    small = {case["key"] for case in cases if "low_order_A" in (case["flags"] or [])}
    others = {case["key"] for case in cases} - small
    odd = {case["key"] for case in cases if "non_canonical_A" in (case["flags"] or [])}
    assert [key for key in small if not _refused(bytes.fromhex(key))] == []
    assert [key for key in others - odd if _refused(bytes.fromhex(key))] == []
    assert small
    assert others


def test_no_signature_of_the_zoo_verifies_two_messages_under_an_accepted_key() -> None:
    seen: dict[tuple[str, str], set[str]] = {}
    for _, file in outside_json("ed25519"):
        for case in file:
            raw = bytes.fromhex(case["key"])
            if _refused(raw):
                continue
            key = PublicKey.from_spki(_spki(raw))
            if _verifies(key, bytes.fromhex(case["sig"]), case["msg"].encode()):
                seen.setdefault((case["key"], case["sig"]), set()).add(case["msg"])
    assert [pair for pair, messages in seen.items() if len(messages) > 1] == []
