"""What keeps a gateway small does what the thing it stands for does."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tallystick_edge.certificate_dates import validity_dates


def certificate(begin: dt.datetime, end: dt.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a" * 32)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("year", [1970, 1999, 2026, 2049, 2050, 2120])  # two digits for the year until 2049
def test_dates_of_a_certificate_are_what_the_library_reads(year: int) -> None:
    begin = dt.datetime(year, 2, 28, 23, 59, 58, tzinfo=dt.UTC)
    pem = certificate(begin, begin + dt.timedelta(days=90, seconds=7))
    read = x509.load_pem_x509_certificate(pem)
    assert validity_dates(pem) == (read.not_valid_before_utc, read.not_valid_after_utc)


def test_whatever_is_no_certificate_is_a_value_error() -> None:
    whole = certificate(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    for bad in (b"", b"\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", whole[:200]):
        with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
            validity_dates(bad)


LAZY = """
import sys
from tallystick_edge.lazy import not_before_used
not_before_used("urllib.request")
import tallystick_edge.uplink.mqtt
assert "http.client" not in sys.modules, "paho's import alone loaded it"
import urllib.request
assert urllib.request.getproxies is not None
assert "http.client" in sys.modules
from urllib.request import Request
"""


def test_what_paho_never_uses_is_loaded_at_the_first_look_and_not_before() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
