"""How a new gateway becomes known: a request signed by its proof key, and an answer with all it needs to work offline.
The answer never carries a private key, and the request never says which community it wants: the claim does.
"""

from dataclasses import dataclass

from tallystick_protocol import cbor
from tallystick_protocol.codes import StorageClass
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import GID_BYTES, NONCE_BYTES, Gid
from tallystick_protocol.keys import SPKI_BYTES_MAX
from tallystick_protocol.records import RECORD_BYTES_MAX, KeyGrant
from tallystick_protocol.schema import INT, Blob, Bytes, Code, Field, List, MapMessage, Of, Row, Text

CSR_BYTES_MAX = 2048  # PKCS#10 of a P-256 key in DER or PEM
PEM_BYTES_MAX = 8 * 1024  # a certificate with its chain
KEYS_MAX = 32
DESCRIPTORS_MAX = 512  # one per channel
POLICY_MAX = 64
REQUEST_BYTES_MAX = 8 * 1024
ANSWER_BYTES_MAX = 512 * 1024  # 512 descriptors of about 300 bytes


@dataclass(frozen=True, slots=True)
class EnrolRequest(MapMessage):
    """Signed by the proof key in `spki`; `csr` is for the TLS key, `claim` as typed or scanned (see `claim.py`).

    An enrolled gateway sends the same with an empty claim to renew its certificate."""

    NAME = "enrol"
    VERSION = 1
    SIZE_MAX = REQUEST_BYTES_MAX
    FIELDS = (
        Field(1, "spki", Blob(SPKI_BYTES_MAX)),
        Field(2, "csr", Blob(CSR_BYTES_MAX)),
        Field(3, "serial", Text()),
        Field(4, "storage", Code(StorageClass)),
        Field(5, "software", Text()),
        Field(6, "nonce", Bytes(NONCE_BYTES)),
        Field(7, "claim", Text()),
    )
    spki: bytes
    csr: bytes
    serial: str
    storage: StorageClass
    software: str
    nonce: bytes
    claim: str


@dataclass(frozen=True, slots=True)
class EnrolAnswer(MapMessage):
    """What a gateway gets once: certificate, keys it must believe, its descriptors, the log and a signed State.

    `descriptors` and `state` are envelopes; `policy` holds (name, number) pairs, unknown names being ignored.
    """

    NAME = "enrol-answer"
    VERSION = 1
    SIZE_MAX = ANSWER_BYTES_MAX
    FIELDS = (
        Field(1, "gid", Bytes(GID_BYTES)),
        Field(2, "certificate_pem", Blob(PEM_BYTES_MAX)),
        Field(3, "ca_pem", Blob(PEM_BYTES_MAX)),
        Field(4, "keys", List(Of(KeyGrant), most=KEYS_MAX)),
        Field(5, "descriptors", List(Blob(RECORD_BYTES_MAX), most=DESCRIPTORS_MAX)),
        Field(6, "log_origin", Text()),
        Field(7, "log_spki", Blob(SPKI_BYTES_MAX)),
        Field(8, "state", Blob(cbor.UPLOAD_BYTES_MAX)),
        Field(9, "policy", List(Row((Text(), INT)), most=POLICY_MAX)),
    )
    gid: Gid
    certificate_pem: bytes
    ca_pem: bytes
    keys: tuple[KeyGrant, ...]
    descriptors: tuple[bytes, ...]
    log_origin: str
    log_spki: bytes
    state: bytes
    policy: tuple[tuple[str, int], ...] = ()

    def check_rules(self) -> None:
        names = [name for name, _ in self.policy]
        if len(set(names)) != len(names):
            raise BadValue("enrol-answer.policy", "names one rule twice")
