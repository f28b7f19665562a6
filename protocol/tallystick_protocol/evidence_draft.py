"""Puts an evidence file together from signed objects, a checkpoint and the pieces that a party may see.
It never decides what a party may see: whoever opens a piece has decided that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallystick_protocol import cbor, cose
from tallystick_protocol.codes import LogType, Scope
from tallystick_protocol.errors import BadValue
from tallystick_protocol.evidence import ERASED, PART_KEY, SLICE_KEY, USER_KEY, Evidence, LoggedObject, Piece, Proof
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.salted_tree import SALT_BYTES, Leaf, SaltedTree

Prove = Callable[[int], Sequence[H32]]

LOG_TYPES = {
    cose.ContentType.BATCH: LogType.BATCH,
    cose.ContentType.CONTRACT: LogType.CONTRACT,
    cose.ContentType.KEY_EVENT: LogType.KEY,
    cose.ContentType.DESCRIPTOR: LogType.DESCRIPTOR,
    cose.ContentType.SETTLEMENT: LogType.SETTLEMENT,
    cose.ContentType.POOL: LogType.SETTLEMENT,
    cose.ContentType.COST: LogType.SETTLEMENT,
    cose.ContentType.COMMAND: LogType.COMMAND,
    cose.ContentType.RESOLUTION: LogType.COMMAND,
    cose.ContentType.REVERSAL: LogType.COMMAND,
    cose.ContentType.APPROVAL: LogType.APPROVAL,
    cose.ContentType.VOTE: LogType.APPROVAL,
    cose.ContentType.INPUT: LogType.INPUT,
    cose.ContentType.CONTINUATION: LogType.CONTINUATION,
}
"""Under which type a signed object stands in the log."""


@dataclass(frozen=True, slots=True)
class _Logged:
    type: LogType
    envelope: bytes
    leaf: int


class EvidenceDraft:
    """Collect with `add`, `open_part`, `open_erased`, `open_leaf`, `open_slice`, `open_user`; then `finish`.

    `add` gives the object's number and takes the same envelope any number of times; `open_leaf` gives the piece's
    number, which `open_slice` needs. Raises BadValue for an object that the log does not hold.
    """

    def __init__(self, party: PartyId, scope: Scope) -> None:
        self._party = party
        self._scope = scope
        self._objects: list[_Logged] = []
        self._numbers: dict[H32, int] = {}
        self._pieces: list[tuple[int, int | None, int, int, bytes, bytes, tuple[H32, ...]]] = []
        self._opened: dict[tuple[int, int | None, int, int], int] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def add(self, envelope: bytes, leaf: int) -> int:
        """A signed object and its leaf index; returns its number."""
        parsed = cose.parse(envelope)
        if parsed.hash in self._numbers:
            return self._numbers[parsed.hash]
        log_type = LOG_TYPES.get(parsed.content_type)
        if log_type is None:
            raise BadValue("object", f"is a {parsed.content_type.kind}, which the log does not hold")
        self._numbers[parsed.hash] = len(self._objects)
        self._objects.append(_Logged(log_type, envelope, leaf))
        return self._numbers[parsed.hash]

    def open_part(self, batch: int, index: int, salt: bytes, data: bytes) -> int:
        """A part of a batch that was added, at its place among the part hashes."""
        return self._open(batch, None, PART_KEY, index, salt, data, ())

    def open_erased(self, batch: int, index: int) -> int:
        """A part that was erased: the file says so, and the verdict will."""
        return self._open(batch, None, PART_KEY, index, bytes(SALT_BYTES), ERASED, ())

    def open_leaf(self, settlement: int, key: int, index: int, tree: SaltedTree) -> int:
        """A leaf of a settlement's tree at wire key 5, 7, 10 or 12."""
        return self.open_kept(settlement, key, index, tree.leaves[index], tree.path(index))

    def open_kept(self, settlement: int, key: int, index: int, leaf: Leaf, path: Sequence[H32]) -> int:
        """The same from one kept leaf and its audit path, where other leaves of the tree are erased."""
        return self._open(settlement, None, key, index, leaf.salt, leaf.data, tuple(path))

    def open_slice(self, use: int, index: int, slices: SaltedTree) -> int:
        """A slice of a joined use whose leaf is piece `use`."""
        return self.open_kept_slice(use, index, slices.leaves[index], slices.path(index))

    def open_kept_slice(self, use: int, index: int, leaf: Leaf, path: Sequence[H32]) -> int:
        """The same from one kept leaf and its audit path."""
        return self._open(0, use, SLICE_KEY, index, leaf.salt, leaf.data, tuple(path))

    def open_user(self, contract: int, index: int, salt: bytes, party: PartyId) -> int:
        """Who stands behind the commitment of a contract's asset: only for that party's own file."""
        return self._open(contract, None, USER_KEY, index, salt, cbor.encode(party), ())

    def finish(self, note: bytes, prove: Prove, echoes: Sequence[int] = (), consistency: Prove | None = None) -> bytes:
        """The file. `prove(leaf)` is a leaf's audit path to the checkpoint in `note`.

        `echoes` are the sizes of the log that the added batches echo; `consistency(size)` proves each of them.
        """
        objects = tuple(LoggedObject(o.type, o.envelope, o.leaf, tuple(prove(o.leaf))) for o in self._objects)
        proofs: list[Proof] = []
        for size in sorted({echo for echo in echoes if echo > 0}):
            if consistency is None:
                raise BadValue("consistency", f"batches echo a log of size {size}; hand in its proof")
            proofs.append(Proof(size, tuple(consistency(size))))
        return Evidence(self._party, note, objects, tuple(self._places()), tuple(proofs), self._scope).encode()

    def _open(
        self, number: int, use: int | None, key: int, index: int, salt: bytes, data: bytes, path: tuple[H32, ...]
    ) -> int:
        place = (number, use, key, index)
        if place not in self._opened:
            self._opened[place] = len(self._pieces)
            self._pieces.append((number, use, key, index, salt, data, path))
        return self._opened[place]

    def _places(self) -> list[Piece]:
        count = len(self._objects)
        return [
            Piece(number if use is None else count + use, key, index, salt, data, path)
            for number, use, key, index, salt, data, path in self._pieces
        ]
