"""Keys that sign and keys that verify: ECDSA P-256 for gateways and parties, Ed25519 for the aggregator and the log.
It never picks an algorithm from a message and never accepts a small-order Ed25519 key.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, Self

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from tallystick_protocol.errors import BadSignature, UnknownKey
from tallystick_protocol.ids import KID_BYTES, Kid, sha256

SIGNATURE_BYTES = 64
SPKI_BYTES_MAX = 128  # P-256 is 91, Ed25519 is 44
PEM_BYTES_MAX = 4096  # a private key file

_SCALAR_BYTES = 32
_ED25519_P = 2**255 - 19
# y of the eight points whose order divides 8 (RFC 7748 section 6.1 warns; list: C2SP CCTV ed25519): 0, 1, -1, +-y8.
_ED25519_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({0, 1, _ED25519_P - 1, _ED25519_Y8, _ED25519_P - _ED25519_Y8})


class _Es256(ECDSA):
    """SHA-256, signed deterministically. The library's own constructor asks OpenSSL about that through the modules of
    every other algorithm, 0.3 MiB of a gateway's memory; `P256Signer` looks at what its key signs instead."""

    algorithm = hashes.SHA256()
    deterministic_signing = True

    def __init__(self) -> None:
        """Nothing to ask and nothing to keep."""


_ES256 = _Es256()


class Alg(IntEnum):
    """COSE algorithm numbers (IANA COSE registry); a key has exactly one."""

    ES256 = -7
    EDDSA = -8


class Signer(Protocol):
    """What signs: a key file today, a TPM or PKCS#11 token later."""

    @property
    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        ...

    @property
    def kid(self) -> Kid:
        """First 8 bytes of SHA-256(spki)."""
        ...

    @property
    def alg(self) -> Alg:
        """The one algorithm of this key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """64 bytes: r || s for ES256 (RFC 9053 2.1), the RFC 8032 signature for EdDSA."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A configured key: P-256 of gateways and parties, Ed25519 of the aggregator, its log and witnesses.

    Make it with `from_spki`, which refuses what must not be configured.
    """

    spki: bytes
    alg: Alg
    _key: EllipticCurvePublicKey | Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def from_spki(cls, spki: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo of a P-256 or Ed25519 key; UnknownKey says why another one is refused."""
        if len(spki) > SPKI_BYTES_MAX:
            raise UnknownKey("spki", f"is {len(spki)} bytes long, the limit is {SPKI_BYTES_MAX}")
        try:
            key = load_der_public_key(spki)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise UnknownKey("spki", "is not a DER SubjectPublicKeyInfo; use a P-256 or Ed25519 key") from None
        if isinstance(key, Ed25519PublicKey):
            _refuse_small_order(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
            alg = Alg.EDDSA
        elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            alg = Alg.ES256
        else:
            raise UnknownKey("spki", "is a key of another kind; use a P-256 or Ed25519 key")
        if _spki_of(key) != spki:
            raise UnknownKey("spki", "is not in the one DER form (uncompressed point); export the key again")
        return cls(spki=spki, alg=alg, _key=key)

    @property
    def kid(self) -> Kid:
        """First 8 bytes of SHA-256(spki)."""
        return kid_of(self.spki)

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key; UnknownKey for a key of another kind."""
        if not isinstance(self._key, Ed25519PublicKey):
            raise UnknownKey("key", "is not an Ed25519 key, which notes and checkpoints need")
        return self._key.public_bytes(Encoding.Raw, PublicFormat.Raw)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Return when `signature` (64 bytes) over `data` is this key's; raise BadSignature otherwise."""
        if len(signature) != SIGNATURE_BYTES:
            raise BadSignature("signature", f"is {len(signature)} bytes long, must be {SIGNATURE_BYTES}")
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, data)
            else:
                r, s = signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]
                der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                self._key.verify(der, data, _ES256)
        except InvalidSignature:
            raise BadSignature("signature", f"does not verify under key {self.kid.hex()}") from None


@dataclass(frozen=True, slots=True)
class P256Signer:
    """An ECDSA P-256 key in memory; signs deterministically (RFC 6979), so a weak random source cannot leak it."""

    _key: EllipticCurvePrivateKey = field(repr=False)
    spki: bytes

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's random source."""
        return cls._of(generate_private_key(SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PEM private key; UnknownKey when it is not P-256."""
        key = _load_private(pem)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise UnknownKey("pem", "is not a P-256 private key")
        return cls._of(key)

    @classmethod
    def _of(cls, key: EllipticCurvePrivateKey) -> Self:
        if key.sign(b"", _ES256) != key.sign(b"", _ES256):
            raise UnknownKey("key", "cannot sign deterministically here; OpenSSL must be 3.2 or newer")
        return cls(_key=key, spki=_spki_of(key.public_key()))

    @property
    def kid(self) -> Kid:
        """First 8 bytes of SHA-256(spki)."""
        return kid_of(self.spki)

    @property
    def alg(self) -> Alg:
        """Always ES256."""
        return Alg.ES256

    def sign(self, data: bytes) -> bytes:
        """r || s, 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(data, _ES256))
        return r.to_bytes(_SCALAR_BYTES, "big") + s.to_bytes(_SCALAR_BYTES, "big")

    def to_pem(self) -> bytes:
        """PKCS#8 PEM without a passphrase: write it to a file with mode 0600 only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """An Ed25519 key in memory, for receipts, states, commands, checkpoints and cosignatures."""

    _key: Ed25519PrivateKey = field(repr=False)
    spki: bytes

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's random source."""
        return cls._of(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read an unencrypted PEM private key; UnknownKey when it is not Ed25519."""
        key = _load_private(pem)
        if not isinstance(key, Ed25519PrivateKey):
            raise UnknownKey("pem", "is not an Ed25519 private key")
        return cls._of(key)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of a 32-byte seed (RFC 8032); for fixed keys in vectors and tests."""
        if len(seed) != _SCALAR_BYTES:
            raise UnknownKey("seed", f"is {len(seed)} bytes long, must be {_SCALAR_BYTES}")
        return cls._of(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def _of(cls, key: Ed25519PrivateKey) -> Self:
        return cls(_key=key, spki=_spki_of(key.public_key()))

    @property
    def kid(self) -> Kid:
        """First 8 bytes of SHA-256(spki)."""
        return kid_of(self.spki)

    @property
    def alg(self) -> Alg:
        """Always EdDSA."""
        return Alg.EDDSA

    def sign(self, data: bytes) -> bytes:
        """The RFC 8032 signature, 64 bytes."""
        return self._key.sign(data)

    def to_pem(self) -> bytes:
        """PKCS#8 PEM without a passphrase: write it to a file with mode 0600 only."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_signer(pem: bytes) -> P256Signer | Ed25519Signer:
    """Read an unencrypted PEM private key of either kind; UnknownKey says why another one is refused."""
    key = _load_private(pem)
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer.from_pem(pem)
    return P256Signer.from_pem(pem)


def public_key_of(signer: Signer) -> PublicKey:
    """The key that verifies what `signer` signs."""
    return PublicKey.from_spki(signer.spki)


def kid_of(spki: bytes) -> Kid:
    """First 8 bytes of SHA-256(spki): a hint for looking a key up, never proof of it."""
    return Kid(sha256(spki)[:KID_BYTES])


def _load_private(pem: bytes) -> object:
    if len(pem) > PEM_BYTES_MAX:
        raise UnknownKey("pem", f"is {len(pem)} bytes long, the limit is {PEM_BYTES_MAX}")
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # the last: an Ed25519 seed of another length
        raise UnknownKey("pem", "is not an unencrypted PEM private key") from None


def _spki_of(key: EllipticCurvePublicKey | Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _refuse_small_order(raw: bytes) -> None:
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _ED25519_P:
        raise UnknownKey("spki", "is an Ed25519 key in a form that RFC 8032 forbids (y >= p)")
    if y in _SMALL_ORDER_Y:
        raise UnknownKey("spki", "is an Ed25519 key of small order: one signature would verify many messages")
