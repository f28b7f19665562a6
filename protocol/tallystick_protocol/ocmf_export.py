"""OCMF from our own signed uses, and the XML file in which transparency software takes records with their keys.
It never alters a record that a meter signed, and never calls a record of ours the meter's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tallystick_protocol.errors import BadValue
from tallystick_protocol.keys import Alg, Signer

FORMAT_VERSION = "1.0"
SOFTWARE = "Tallystick"
_HALF = 32  # bytes of r and of s in a P-256 signature


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A use as a gateway signed it: times in ms UTC, totals in 10^`exponent` Wh. `page` counts the records."""

    page: int
    gateway: str
    serial: str | None
    register: str
    exponent: int
    begin: tuple[int, int]
    end: tuple[int, int]


def write_record(session: OwnSession, signer: Signer) -> bytes:
    """A record with both readings, signed by `signer` (ECDSA secp256r1); BadValue for another kind of key."""
    if signer.alg is not Alg.ES256:
        raise BadValue("ocmf.SA", "is ECDSA: sign with a P-256 key")
    common = {"RI": session.register, "RU": "kWh", "RT": "AC", "EF": "", "ST": "G"}
    rows = [
        {"TM": _time(t_ms), "TX": kind, "RV": f"<{kind}>", **common}
        for kind, (t_ms, _) in (("B", session.begin), ("E", session.end))
    ]
    body = {"FV": FORMAT_VERSION, "GI": SOFTWARE, "GS": session.gateway, "GV": "1", "PG": f"F{session.page}"}
    body |= {} if session.serial is None else {"MS": session.serial}
    text = json.dumps({**body, "IS": False, "IL": "NONE", "IF": [], "IT": "NONE", "ID": "", "RD": rows},
                      separators=(",", ":"), ensure_ascii=True)  # fmt: skip
    for kind, (_, counts) in (("B", session.begin), ("E", session.end)):
        text = text.replace(f'"<{kind}>"', _kwh(counts, session.exponent))
    payload = text.encode()
    raw = signer.sign(payload)
    r, s = (int.from_bytes(half, "big") for half in (raw[:_HALF], raw[_HALF:]))
    signature = encode_dss_signature(r, s).hex().upper()
    return b"OCMF|" + payload + b'|{"SA":"ECDSA-secp256r1-SHA256","SD":"' + signature.encode() + b'"}'


def to_xml(records: Iterable[tuple[str, bytes, bytes]]) -> str:
    """The file for transparency software, of (transaction id, record, key as DER SPKI)."""
    values = [
        f'  <value transactionId={quoteattr(name)} context="Transaction.End">\n'
        f'    <signedData format="OCMF" encoding="plain">{escape(record.decode())}</signedData>\n'
        f'    <publicKey encoding="hex">{key.hex().upper()}</publicKey>\n'
        "  </value>\n"
        for name, record, key in records
    ]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<values>\n' + "".join(values) + "</values>\n"


def _kwh(counts: int, exponent: int) -> str:
    """The exact number as a meter would write it."""
    return f"{Decimal(counts).scaleb(exponent - 3):f}"


def _time(t_ms: int) -> str:
    at = datetime.fromtimestamp(t_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S},{t_ms % 1000:03}+0000 S"
