"""The gateway's two keys: the proof key that signs batches and the TLS key that opens connections.
They are made once, kept in 0600 files of the data folder, and never leave it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import Gid, gid_from_spki
from tallystick_protocol.keys import P256Signer

from tallystick_edge.errors import EdgeError
from tallystick_edge.files import alone_in, write_whole
from tallystick_edge.whose import STEP

PROOF_FILE, TLS_FILE = "proof.pem", "tls.pem"


@dataclass(frozen=True, slots=True)
class Identity:
    """`signer`: the proof key. `tls_key`: path of the TLS key's PEM."""

    signer: P256Signer
    tls_key: Path

    @property
    def gid(self) -> Gid:
        return gid_from_spki(self.signer.spki)

    def csr(self) -> bytes:
        """A certificate request (PEM) of the TLS key for CN = gid in hex."""
        from cryptography import x509  # needed once in a gateway's life, and 2 MiB
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = serialization.load_pem_private_key(self.tls_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise EdgeError(f"{self.tls_key}: not a P-256 key. Next: move it away, a new one is made at the next start")
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.gid.hex())])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM)


def _make(*keys: Path) -> None:
    """Those that are not there. An agent that starts beside `enrol` must not go on with a key that was replaced."""
    with alone_in(keys[0].parent):
        for path in keys:
            if not path.exists():
                write_whole(path, P256Signer.generate().to_pem())


def load_identity(data: Path) -> Identity:
    """The keys of a data folder, made on the first call. Raises EdgeError naming the file."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        proof, tls = data / PROOF_FILE, data / TLS_FILE
        if not (proof.exists() and tls.exists()):
            _make(proof, tls)
        signer = P256Signer.from_pem(proof.read_bytes())
    except OSError as error:
        raise EdgeError(f"{data}: {error}. Next: check the folder and its owner") from error
    except ProtocolError as error:
        raise EdgeError(f"{data / PROOF_FILE}: {error}. Next: {STEP}") from error
    return Identity(signer, tls)
