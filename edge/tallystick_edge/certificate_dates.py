"""From when to when a certificate is valid, read out of its PEM: the walk from the front of RFC 5280's structure.
It checks nothing else: the certificate is our own and TLS checks it; cryptography.x509 takes 1.4 MiB of memory."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

SEQUENCE, CONTEXT_0, UTC_TIME, GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
OUT_OF_TIME = (9, 10)  # what OpenSSL calls a certificate by this clock: not valid yet, not valid any more
CENTURY_TURN = 50  # RFC 5280 4.1.2.5.1: two digits below 50 are of this century


def validity_dates(certificate_pem: bytes) -> tuple[datetime, datetime]:
    """(first, last) instant; ValueError for what is no certificate."""
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate_pem.decode("ascii"))
        certificate = _inside(der, SEQUENCE)
        fields = _inside(certificate, SEQUENCE)
        if fields[0] == CONTEXT_0:
            fields = _after(fields)
        dates = _inside(_after(_after(_after(fields))), SEQUENCE)  # serial number, algorithm, issuer come before
        return _time(dates), _time(_after(dates))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("ends too early to be a certificate") from error


def _head(data: bytes) -> tuple[int, int]:
    """Where the content of the first element begins and ends."""
    length = data[1]
    if length < 0x80:
        return 2, 2 + length
    count = length & 0x7F
    start = 2 + count
    return start, start + int.from_bytes(data[2:start], "big")


def _inside(data: bytes, tag: int) -> bytes:
    start, end = _head(data)
    if data[0] != tag or end > len(data):
        raise ValueError(f"has {data[0]:#x} where a certificate has {tag:#x}")
    return data[start:end]


def _after(data: bytes) -> bytes:
    return data[_head(data)[1] :]


def _time(data: bytes) -> datetime:
    text = _inside(data, data[0]).decode("ascii")
    match data[0]:
        case tag if tag == UTC_TIME:
            century = "20" if int(text[:2]) < CENTURY_TURN else "19"
            text = century + text
        case tag if tag != GENERALIZED_TIME:
            raise ValueError(f"has {tag:#x} where a certificate has a time")
    if len(text) != len("20260101000000Z") or not text.endswith("Z"):
        raise ValueError(f"has {text!r} where a certificate has a time")
    return datetime.fromisoformat(f"{text[:8]}T{text[8:14]}").replace(tzinfo=UTC)
