"""A party's evidence: signed objects with their places in one checkpoint of the log, and the pieces opened to it.
It never holds more than the party may see, and nothing in it is believed before the verifier has looked at it.
"""

from dataclasses import dataclass

from tallystick_protocol import cbor
from tallystick_protocol.codes import LogType, Scope
from tallystick_protocol.errors import BadValue
from tallystick_protocol.ids import H32, H32_BYTES, PARTY_BYTES, PartyId
from tallystick_protocol.merkle import HEIGHT_MAX
from tallystick_protocol.note import NOTE_BYTES_MAX
from tallystick_protocol.salted_tree import SALT_BYTES
from tallystick_protocol.schema import UINT, Blob, Bytes, Code, Field, List, MapMessage, Of, RowMessage

EVIDENCE_BYTES_MAX = 16 << 20  # a month of a house with a hundred meters is some 3 MB
OBJECTS_MAX = 20_000
PIECES_MAX = 65_536
PROOFS_MAX = 4_096  # different sizes of the log that batches echo
PIECE_BYTES_MAX = 1 << 20
PART_KEY = 11
SLICE_KEY = 12
USER_KEY = 16  # where a contract lists its assets
ERASED = b""
"""In place of a part's bytes, under a salt of zeros: the part was committed there and is lawfully gone."""
_PATH = List(Bytes(H32_BYTES), most=HEIGHT_MAX)


@dataclass(frozen=True, slots=True)
class LoggedObject(RowMessage):
    """A signed object, its leaf in the log and the audit path to the checkpoint."""

    NAME = "object"
    FIELDS = (
        Field(0, "type", Code(LogType)),
        Field(1, "envelope", Blob(cbor.UPLOAD_BYTES_MAX)),
        Field(2, "leaf", UINT),
        Field(3, "path", _PATH),
    )
    type: LogType
    envelope: bytes
    leaf: int
    path: tuple[H32, ...]


@dataclass(frozen=True, slots=True)
class Piece(RowMessage):
    """What is opened: key 11 of a batch (a part, no path), or a leaf of the tree at key 5, 7, 10, 12 of a settlement,
    or at key 16 the party's own place among the assets of a contract (CBOR of the party id, no path).

    `object` is an index into the objects; from their number on it is an index into the pieces: key 12 of an opened
    Use, whose leaves are slices.
    Leaves of a tree of which every leaf is opened come without a path: together they prove themselves.
    """

    NAME = "piece"
    FIELDS = (
        Field(0, "object", UINT),
        Field(1, "key", UINT),
        Field(2, "index", UINT),
        Field(3, "salt", Bytes(SALT_BYTES)),
        Field(4, "data", Blob(PIECE_BYTES_MAX)),
        Field(5, "path", _PATH),
    )
    object: int
    key: int
    index: int
    salt: bytes
    data: bytes
    path: tuple[H32, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof(RowMessage):
    """Why the checkpoint continues the log of `size` that a batch echoes."""

    NAME = "proof"
    FIELDS = (Field(0, "size", UINT), Field(1, "path", List(Bytes(H32_BYTES), most=2 * HEIGHT_MAX)))
    size: int
    path: tuple[H32, ...]


@dataclass(frozen=True, slots=True)
class Evidence(MapMessage):
    """The file; scope `own` is a user's, scope `contract` that of a party to the split."""

    NAME = "evidence"
    VERSION = 1
    SIZE_MAX = EVIDENCE_BYTES_MAX
    FIELDS = (
        Field(1, "party", Bytes(PARTY_BYTES)),
        Field(2, "note", Blob(NOTE_BYTES_MAX)),
        Field(3, "objects", List(Of(LoggedObject), 1, OBJECTS_MAX)),
        Field(4, "pieces", List(Of(Piece), 0, PIECES_MAX)),
        Field(5, "proofs", List(Of(Proof), 0, PROOFS_MAX)),
        Field(6, "scope", Code(Scope)),
    )
    party: PartyId
    note: bytes
    objects: tuple[LoggedObject, ...]
    pieces: tuple[Piece, ...]
    proofs: tuple[Proof, ...]
    scope: Scope

    def check_rules(self) -> None:
        if any(after <= before for before, after in zip(self._sizes(), self._sizes()[1:], strict=False)):
            raise BadValue("evidence.proofs", "have sizes that do not rise")

    def _sizes(self) -> list[int]:
        return [proof.size for proof in self.proofs]
