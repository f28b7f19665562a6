"""COSE_Sign1 examples of cose-wg: signatures verify where they should, and the narrower profile refuses them all."""

import base64
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.vectors import outside_json
from tallystick_protocol import cose
from tallystick_protocol.errors import BadSignature, ProtocolError
from tallystick_protocol.keys import PublicKey


def _key(jwk: dict[str, Any]) -> PublicKey | None:
    if jwk.get("crv") == "Ed25519":
        public: Any = Ed25519PublicKey.from_public_bytes(_number_bytes(jwk, "x"))
    elif jwk.get("crv") == "P-256":
        x, y = (int.from_bytes(_number_bytes(jwk, name), "big") for name in "xy")
        public = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    else:
        return None
    return PublicKey.from_spki(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _number_bytes(jwk: dict[str, Any], name: str) -> bytes:
    if f"{name}_hex" in jwk:
        return bytes.fromhex(jwk[f"{name}_hex"])
    return base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4))


def _parses(envelope: bytes) -> bool:
    try:
        cose.parse(envelope)
    except ProtocolError:
        return False
    return True


def _verifies(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except BadSignature:
        return False
    return True


def _sign1_cases() -> list[tuple[str, dict[str, Any]]]:
    return [(name, case) for name, case in outside_json("cose") if "sign0" in case["input"]]


def _parts(case: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    item = cbor2.loads(bytes.fromhex(case["output"]["cbor"]))
    body = item.value if isinstance(item, cbor2.CBORTag) else item
    return body[0], body[2], body[3]


def _is_plain(case: dict[str, Any]) -> bool:
    sign0 = case["input"]["sign0"]
    return not sign0.get("external") and (case["input"].get("failures") or {}).keys() <= {"RemoveCBORTag"}


def test_every_example_is_refused_by_the_narrower_profile() -> None:
    assert [name for name, case in outside_json("cose") if _parses(bytes.fromhex(case["output"]["cbor"]))] == []


def test_pass_cases_verify_over_our_own_sig_structure() -> None:
    verified = []
    for name, case in _sign1_cases():
        key = _key(case["input"]["sign0"]["key"])
        sha256 = case["input"]["sign0"].get("alg", "ES256") in ("ES256", "EdDSA")
        if key is None or case.get("fail") or not _is_plain(case) or not sha256:
            continue
        protected, payload, signature = _parts(case)
        signed = cose.sig_structure(protected, payload)
        assert signed.hex() == case["intermediates"]["ToBeSign_hex"].lower(), name
        key.verify(signature, signed)
        verified.append(name)
    assert any("eddsa" in name for name in verified)
    assert any("ecdsa" in name for name in verified)


def test_fail_cases_do_not_verify_when_their_signed_bytes_were_changed() -> None:
    refused = 0
    for name, case in _sign1_cases():
        changed = (case["input"].get("failures") or {}).keys()
        key = _key(case["input"]["sign0"]["key"])
        if not case.get("fail") or key is None or "ChangeCBORTag" in changed:
            continue
        protected, payload, signature = _parts(case)
        assert not _verifies(key, signature, cose.sig_structure(protected, payload)), name
        refused += 1
    assert refused >= 4


def test_external_data_is_not_taken_for_none() -> None:
    (case,) = [case for _, case in _sign1_cases() if case["title"].startswith("sign-pass-02")]
    key = _key(case["input"]["sign0"]["key"])
    assert key is not None
    protected, payload, signature = _parts(case)
    with pytest.raises(BadSignature):
        key.verify(signature, cose.sig_structure(protected, payload))
