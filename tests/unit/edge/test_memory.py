"""What keeps a gateway small does what the thing it stands for does."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tallystick_edge.certificate_dates import validity_dates
from tallystick_edge.service import serve


def certificate(begin: dt.datetime, end: dt.datetime, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
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


CHECK = """
def check(ok, why):  # -OO, by which the agent runs, takes every assert away
    if not ok:
        raise SystemExit(why)
"""
LOADED = """
import sys
from tallystick_edge.lazy import CALLED, PLAIN, put_off
put_off()
import tallystick_edge.service, tallystick_edge.uplink.mqtt, tallystick_edge.drivers.modbus
check(sys.modules["paho.mqtt.client"] and sys.modules["pymodbus.client"], "the agent's libraries are not there")
loaded = [name for name in (*PLAIN, *CALLED) if getattr(sys.modules[name], "__spec__", None) is not None]
check(not loaded, f"importing the agent alone loaded {loaded}")
unused = ("argparse", "ast", "json", "decimal", "fractions", "secrets", "shutil")
loaded = [name for name in (*unused, "tallystick_edge.cli", "pymodbus.simulator") if name in sys.modules]
check(not loaded, f"importing the agent alone loaded {loaded}")
from tallystick_protocol.keys import P256Signer, PublicKey
signer = P256Signer.generate()
PublicKey.from_spki(signer.spki).verify(signer.sign(b"data"), b"data")
check("cryptography.hazmat.backends.openssl.backend" not in sys.modules, "signing loaded every other algorithm")
"""
USED = """
import asyncio, dataclasses, inspect, urllib.request
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from pymodbus.client import AsyncModbusTlsClient
from pymodbus.framer import FramerType
check(str(urllib.request.Request("http://[::1]/").host) == "[::1]", "another host")
check(sys.modules["urllib.request"].__spec__ is not None, "nothing was loaded")
check(str(inspect.signature(lambda a, *, b=1: a)) == "(a, *, b=1)", "another signature")
check(dataclasses.inspect.isfunction(put_off) and not dataclasses.inspect.isfunction(1), "not what inspect says")
check(asyncio.iscoroutinefunction(asyncio.sleep) and not asyncio.iscoroutinefunction(put_off), "the same of asyncio")
point = dataclasses.make_dataclass("Point", [("x", int), ("y", int)], frozen=True)
check(point(1, 2) == point(1, 2) and repr(point(1, 2)) == "Point(x=1, y=2)", "not what dataclasses makes")
check(point.__doc__ == "Point", "a signature that nobody reads")
try:
    load_ssh_private_key(b"no key", None)
except ValueError as error:
    check("OpenSSH" in str(error), error)
else:
    raise SystemExit("a key out of nothing")
try:
    AsyncModbusTlsClient("localhost", framer=FramerType.RTU)
except TypeError as error:
    check("TLS" in str(error), error)
else:
    raise SystemExit("the real class refuses this")
"""


def test_the_agent_loads_nothing_it_does_not_use_and_what_was_put_off_is_there_when_used() -> None:
    words = [sys.executable, "-OO", "-c", CHECK + LOADED + USED]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


ECHO = """
import asyncio, ssl, sys
from tallystick_edge.lazy import put_off
put_off()

async def echo(reader, writer):
    writer.write(await reader.read(100))
    await writer.drain()
    writer.close()

async def main():
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(sys.argv[1])
    client = ssl.create_default_context(cafile=sys.argv[1])
    client.check_hostname = False
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    listening = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), ssl=client)
    writer.write(b"as before")
    assert await reader.read() == b"as before"
    writer.close()
    listening.close()

asyncio.run(main())
"""


def test_tls_inside_the_event_loop_works_although_it_was_put_off(tmp_path: Path) -> None:
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    key = ec.generate_private_key(ec.SECP256R1())
    clear = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = certificate(begin, begin + dt.timedelta(days=2), key) + key.private_bytes(*clear)
    (tmp_path / "both.pem").write_bytes(pem)
    words = [sys.executable, "-c", ECHO, str(tmp_path / "both.pem")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_service_says_what_is_wrong_with_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve(["run", "--config", str(tmp_path / "none.toml")]) == 1
    assert str(tmp_path / "none.toml") in capsys.readouterr().err
    assert serve(["check-config", "--config", str(tmp_path / "none.toml")]) == 1
