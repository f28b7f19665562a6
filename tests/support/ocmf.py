"""A meter that signs: OCMF records as a charge point hands them out, with a fixed key used nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from support.protocol_samples import fixed, p256

KEY = p256("ocmf meter")
SERIAL = "20261129"
NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
_PRIVATE = ec.derive_private_key(int.from_bytes(fixed("ocmf meter", 31), "big"), ec.SECP256R1())


def record(
    begin: str,
    end: str,
    change: Callable[[dict[str, Any]], object] = lambda body: None,
    start: datetime = NOON,
    page: int = 1,
) -> bytes:
    """A signed record; `begin` and `end` in kWh as the meter writes them, `change` bends the body first."""
    common = {"RI": "1-b:1.8.0", "RU": "kWh", "RT": "AC", "EF": "", "ST": "G"}
    readings = [
        {"TM": _time(start), "TX": "B", "RV": "<0>", **common},
        {"TM": _time(start + timedelta(hours=1)), "TX": "E", "RV": "<1>", **common},
    ]
    body: dict[str, Any] = {"FV": "1.0", "GI": "Test", "GS": "1", "GV": "1", "PG": f"T{page}", "MV": "Test", "MM": "M",
                            "MS": SERIAL, "MF": "1", "IS": False, "IL": "NONE", "IF": [], "IT": "NONE", "ID": "",
                            "RD": readings}  # fmt: skip
    change(body)
    text = json.dumps(body, separators=(",", ":")).replace('"<0>"', begin).replace('"<1>"', end)
    return sign(text.encode())


def sign(payload: bytes) -> bytes:
    signature = _PRIVATE.sign(payload, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"OCMF|" + payload + b'|{"SA":"ECDSA-secp256r1-SHA256","SD":"' + signature.hex().encode() + b'"}'


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S},{at.microsecond // 1000:03}{at:%z} S"
