"""The aggregator as certificate authority: its own CA, its server certificate, gateways' client certificates.

It never signs a name outside its constraints, and it always uses the real clock, never the demo's.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .errors import BadInput, KeyStoreError
from .keys import read_private, write_private

CA_DAYS = 3650
SERVER_DAYS = 397  # the longest that common TLS clients accept
SERVER_RENEW_DAYS = 30
CLIENT_DAYS = 90  # protocol.md, Identity 5: renewed at two thirds
CRL_DAYS = 397  # as long as the server certificate beside it: a broker that reads an outdated list lets nobody in
BACKDATE = timedelta(minutes=5)  # a gateway's clock may be a little behind
CSR_BYTES_MAX = 4096
GATEWAY_DOMAIN = "gw.tallystick.internal"  # RFC 9476: never resolved; it only bounds what the CA may name


@dataclass(frozen=True, slots=True)
class Certificate:
    pem: bytes
    serial: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The CA's key and certificate; make it with `create_authority` or `load_authority`."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts it may make server certificates for, as given when it was created."""
        found = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees
        return tuple(text for each in found or () if (text := _host(each)) != GATEWAY_DOMAIN)

    def client(self, csr_pem: bytes, gid: bytes, now: datetime) -> Certificate:
        """A 90-day client certificate CN = gid hex for the CSR's key; raises BadInput for a bad CSR."""
        return self._client(_read_csr(csr_pem).public_key(), gid.hex(), now, CLIENT_DAYS)

    def own_client(self, name: str, now: datetime) -> tuple[bytes, Certificate]:
        """(private key PEM, certificate) of the aggregator itself, for a broker."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _pem_of(key), self._client(key.public_key(), name, now, SERVER_DAYS)

    def _client(self, key: object, name: str, now: datetime, days: int) -> Certificate:
        builder = _leaf(self, name, key, now, days, ExtendedKeyUsageOID.CLIENT_AUTH)
        names = x509.SubjectAlternativeName([x509.DNSName(f"{name}.{GATEWAY_DOMAIN}")])
        return _signed(self, builder.add_extension(names, critical=False))

    def revocation_list(self, serials: Sequence[int], now: datetime) -> bytes:
        """A CRL in PEM that names these certificates; valid for CRL_DAYS."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - BACKDATE)
            .next_update(now + timedelta(days=CRL_DAYS))
            .add_extension(_issuer_key(self), critical=False)
            .add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
        )
        for serial in sorted(serials):
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - BACKDATE)
            builder = builder.add_revoked_certificate(one.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def server(self, names: Sequence[str], now: datetime) -> tuple[bytes, Certificate]:
        """(private key PEM, certificate) for the gateway port."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _leaf(self, names[0], key.public_key(), now, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH)
        subject = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return _pem_of(key), _signed(self, builder.add_extension(subject, critical=False))


def create_authority(folder: Path, names: Sequence[str], now: datetime) -> Authority:
    """Make and store the CA: `folder`/ca.key (0600) and ca.pem; it may only ever name `names` and gateways."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tallystick aggregator CA")])
    permitted = [*(_constraint(name) for name in names), x509.DNSName(GATEWAY_DOMAIN)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    authority = Authority(key, builder.sign(key, hashes.SHA256()))
    write_private(folder / "ca.key", _pem_of(key))
    (folder / "ca.pem").write_bytes(authority.pem)
    return authority


def load_authority(folder: Path) -> Authority:
    """Read the CA; raises KeyStoreError naming the file."""
    key = load_pem_private_key(read_private(folder / "ca.key"), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyStoreError(str(folder / "ca.key"), "is not an elliptic curve key; bring it back from your backup")
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    except (FileNotFoundError, ValueError):
        raise KeyStoreError(str(folder / "ca.pem"), "is missing or not a certificate; restore your backup") from None
    return Authority(key, certificate)


def server_files(authority: Authority, folder: Path, names: Sequence[str], now: datetime) -> tuple[Path, Path]:
    """(certificate, key) files for the gateway port, made anew when missing or about to expire."""
    return _files(folder, "server", now, lambda: authority.server(names, now))


def client_files(authority: Authority, folder: Path, name: str, now: datetime) -> tuple[Path, Path]:
    """(certificate, key) files of the aggregator itself at a broker, made anew as above."""
    return _files(folder, name, now, lambda: authority.own_client(name, now))


def _files(folder: Path, stem: str, now: datetime, issue: Callable[[], tuple[bytes, Certificate]]) -> tuple[Path, Path]:
    certificate, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    if certificate.exists() and key.exists():
        left = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc - now
        if left > timedelta(days=SERVER_RENEW_DAYS):
            return certificate, key
    key.unlink(missing_ok=True)
    key_pem, issued = issue()
    write_private(key, key_pem)
    certificate.write_bytes(issued.pem)
    return certificate, key


def _read_csr(csr_pem: bytes) -> x509.CertificateSigningRequest:
    if len(csr_pem) > CSR_BYTES_MAX:
        raise BadInput("csr", f"is {len(csr_pem)} bytes, the limit is {CSR_BYTES_MAX}")
    try:
        load = x509.load_pem_x509_csr if csr_pem.startswith(b"-----") else x509.load_der_x509_csr
        request = load(csr_pem)
        signed = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.InvalidVersion):
        raise BadInput("csr", "is not a certificate signing request; make a new one") from None
    if not signed:
        raise BadInput("csr", "is not signed by its own key; make a new one")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInput("csr", "is not for a P-256 key; make a P-256 TLS key")
    return request


def _leaf(
    authority: Authority, name: str, key: object, now: datetime, days: int, usage: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadInput("csr", "is not for a P-256 key; make a P-256 TLS key")
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_issuer_key(authority), critical=False)
    )


def _issuer_key(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _signed(authority: Authority, builder: x509.CertificateBuilder) -> Certificate:
    made = builder.sign(authority.key, hashes.SHA256())
    return Certificate(made.public_bytes(Encoding.PEM), made.serial_number, made.not_valid_after_utc)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _host(permitted: x509.GeneralName) -> str:
    value = permitted.value
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return str(value.network_address)
    return str(value)


def _constraint(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
