"""OCMF records (Open Charge Metering Format) that a meter signed itself: taken apart and checked, never altered.
It never reads the amounts in them and never believes the algorithm that a record names against the key's own curve.
"""

import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tallystick_protocol.errors import BadEnvelope, BadSignature, TooLarge, UnknownKey, Unsupported
from tallystick_protocol.part import RAW_BYTES_MAX

DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
SPKI_BYTES_MAX = 256  # the largest allowed curve, brainpoolP384r1, has 124
_MAGIC = b"OCMF|"

# OCMF 1.4 table 22: what a record may name, and the curve that its key must then lie on. The 192-bit curves are left
# out: below 112 bits of security they prove nothing for years.
_ALGORITHMS: dict[str, tuple[type[ec.EllipticCurve], type[hashes.HashAlgorithm]]] = {
    "ECDSA-secp256k1-SHA256": (ec.SECP256K1, hashes.SHA256),
    "ECDSA-secp256r1-SHA256": (ec.SECP256R1, hashes.SHA256),
    "ECDSA-secp384r1-SHA256": (ec.SECP384R1, hashes.SHA256),
    "ECDSA-brainpool256r1-SHA256": (ec.BrainpoolP256R1, hashes.SHA256),
    "ECDSA-brainpoolP256r1-SHA256": (ec.BrainpoolP256R1, hashes.SHA256),
    "ECDSA-brainpool384r1-SHA256": (ec.BrainpoolP384R1, hashes.SHA256),
    "ECDSA-brainpoolP384r1-SHA256": (ec.BrainpoolP384R1, hashes.SHA256),
}


@dataclass(frozen=True, slots=True)
class OcmfRecord:
    """A record's signed text (exact bytes), the algorithm it names and its DER signature."""

    payload: bytes
    algorithm: str
    signature: bytes

    def verify(self, spki: bytes) -> None:
        """Return when the key (DER SubjectPublicKeyInfo) signed this; UnknownKey, Unsupported or BadSignature else."""
        if self.algorithm not in _ALGORITHMS:
            raise Unsupported("ocmf.SA", f"{self.algorithm!r} is not an algorithm that is accepted as proof")
        curve, digest = _ALGORITHMS[self.algorithm]
        key = _load(spki)
        if not isinstance(key.curve, curve):
            raise UnknownKey("ocmf.SA", f"names {self.algorithm}, but the meter's key lies on {key.curve.name}")
        try:
            key.verify(self.signature, self.payload, ec.ECDSA(digest()))
        except InvalidSignature:
            raise BadSignature("ocmf.SD", "does not verify under the meter's key") from None


def read_ocmf(record: bytes) -> OcmfRecord:
    """Take `OCMF|{payload}|{signature}` apart; BadEnvelope or TooLarge says what is out of place."""
    if len(record) > RAW_BYTES_MAX:
        raise TooLarge("ocmf", f"is {len(record)} bytes long, the limit is {RAW_BYTES_MAX}")
    payload, bar, tail = record.removeprefix(_MAGIC).rpartition(b"|")
    if not record.startswith(_MAGIC) or not bar or not payload:
        raise BadEnvelope("ocmf", "is not OCMF|payload|signature")
    section = _json_map(tail)
    algorithm, encoding = section.get("SA", DEFAULT_ALGORITHM), section.get("SE", "hex")
    if not isinstance(algorithm, str) or encoding != "hex" or not isinstance(section.get("SD"), str):
        raise BadEnvelope("ocmf.signature", "must hold SD in hex and may hold SA as text")
    try:
        return OcmfRecord(payload, algorithm, bytes.fromhex(section["SD"]))
    except ValueError:
        raise BadEnvelope("ocmf.SD", "is not hex") from None


def check_meter_key(spki: bytes) -> None:
    """Return when the key (DER SubjectPublicKeyInfo) lies on a curve that is accepted as proof; UnknownKey else."""
    curve = _load(spki).curve
    if not any(isinstance(curve, known) for known, _ in _ALGORITHMS.values()):
        raise UnknownKey("ocmf.key", f"lies on {curve.name}, which is not accepted as proof")


def _json_map(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise BadEnvelope("ocmf.signature", "is not JSON") from None
    if not isinstance(value, dict):
        raise BadEnvelope("ocmf.signature", "is not a JSON object")
    return value


def _load(spki: bytes) -> ec.EllipticCurvePublicKey:
    if len(spki) > SPKI_BYTES_MAX:
        raise UnknownKey("ocmf.key", f"is {len(spki)} bytes long, the limit is {SPKI_BYTES_MAX}")
    try:
        key = load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnknownKey("ocmf.key", "is not a DER SubjectPublicKeyInfo of a curve that is accepted") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnknownKey("ocmf.key", "is not an elliptic-curve key")
    return key
