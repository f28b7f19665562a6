"""Keys on disk and the aggregator's certificates: modes, names, lifetimes, refusals."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from tallystick_cloud import ca
from tallystick_cloud.errors import BadInput, KeyStoreError
from tallystick_cloud.keys import create_keys, load_keys

NOW = datetime(2026, 11, 22, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1")


def csr(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "I am the server")])
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_keys_come_back_as_they_were_stored_and_are_for_the_owner_only(tmp_path: Path) -> None:
    made = create_keys(tmp_path / "keys")
    assert load_keys(tmp_path / "keys").root.spki == made.root.spki
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}
    assert len({made.root.spki, made.log.spki, made.receipt.spki, made.command.spki}) == 4


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    with pytest.raises(KeyStoreError, match="is there already"):
        create_keys(tmp_path / "keys")


def test_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "log.pem").chmod(0o644)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        load_keys(tmp_path / "keys")


def test_missing_or_damaged_key_names_its_file(tmp_path: Path) -> None:
    create_keys(tmp_path / "keys")
    (tmp_path / "keys" / "log.pem").write_bytes(b"rubbish")
    with pytest.raises(KeyStoreError, match=r"log\.pem.*is not a key"):
        load_keys(tmp_path / "keys")
    (tmp_path / "keys" / "log.pem").unlink()
    with pytest.raises(KeyStoreError, match=r"log\.pem.*is missing"):
        load_keys(tmp_path / "keys")


def test_client_certificate_names_the_gateway_whatever_its_request_says(tmp_path: Path) -> None:
    authority = ca.create_authority(tmp_path / "ca", NAMES, NOW)
    made = authority.client(csr(ec.generate_private_key(ec.SECP256R1())), bytes(range(16)), NOW)
    certificate = x509.load_pem_x509_certificate(made.pem)
    assert certificate.subject.rfc4514_string() == f"CN={bytes(range(16)).hex()}"
    assert certificate.not_valid_after_utc == NOW + timedelta(days=90)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_authority_may_name_only_this_host_and_gateways(tmp_path: Path) -> None:
    authority = ca.create_authority(tmp_path / "ca", NAMES, NOW)
    found = authority.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    permitted = {str(name.value) for name in found.value.permitted_subtrees or ()}
    assert permitted == {"localhost", "127.0.0.1/32", ca.GATEWAY_DOMAIN}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"-----BEGIN RUBBISH-----", "not a certificate signing request"),
        (lambda: b"\x30\x00", "not a certificate signing request"),
        (lambda: b"x" * 5_000, "the limit is 4096"),
        (lambda: csr(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (lambda: csr(rsa.generate_private_key(65_537, 2_048)), "P-256"),
    ],
)
def test_bad_signing_request_is_refused_with_its_reason(tmp_path: Path, make: object, words: str) -> None:
    authority = ca.create_authority(tmp_path / "ca", NAMES, NOW)
    with pytest.raises(BadInput, match=words):
        authority.client(make(), bytes(16), NOW)  # type: ignore[operator]


def test_server_certificate_is_kept_until_it_is_about_to_expire(tmp_path: Path) -> None:
    authority = ca.create_authority(tmp_path / "ca", NAMES, NOW)
    certificate, key = ca.server_files(authority, tmp_path / "ca", NAMES, NOW)
    first = certificate.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    ca.server_files(authority, tmp_path / "ca", NAMES, NOW + timedelta(days=300))
    assert certificate.read_bytes() == first
    ca.server_files(authority, tmp_path / "ca", NAMES, NOW + timedelta(days=380))
    assert certificate.read_bytes() != first


def test_authority_comes_back_from_disk(tmp_path: Path) -> None:
    made = ca.create_authority(tmp_path / "ca", NAMES, NOW)
    assert ca.load_authority(tmp_path / "ca").pem == made.pem
    (tmp_path / "ca" / "ca.pem").write_bytes(b"")
    with pytest.raises(KeyStoreError, match=r"ca\.pem"):
        ca.load_authority(tmp_path / "ca")
