"""The log as a member's file shows it: one checkpoint, the way of an object to it, and what says that it was set back.

It never signs anything.
"""

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.evidence import LoggedObject, Proof
from tallystick_protocol.ids import H32
from tallystick_protocol.records import Continuation

from tallystick_cloud.context import Context
from tallystick_cloud.errors import NotFound

from . import cosign, epochs, store
from .prover import Prover


class ShownLog:
    """The log under one checkpoint that covers the leaf `newest`. Raises NotFound while none does."""

    def __init__(self, conn: Connection, context: Context, newest: int) -> None:
        found = cosign.witnessed_note(conn, context.community, newest + 1)
        if found is None:
            raise NotFound("checkpoint", "none covers it yet; the next one is signed within a minute")
        size, self.note = found
        self._prover = Prover([H32(h) for h in store.leaf_hashes(conn, context.community, 0, size)])
        self._records = [one for one in epochs.continuations(conn, context.community) if one[1] < size]

    def logged(self, kind: LogType, envelope: bytes, leaf: int) -> LoggedObject:
        """An object with its way to the checkpoint."""
        return LoggedObject(kind, bytes(envelope), leaf, tuple(self._prover.inclusion(leaf)))

    @property
    def continuations(self) -> tuple[LoggedObject, ...]:
        """The records that the log was set back."""
        return tuple(self.logged(LogType.CONTINUATION, *one) for one in self._records)

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """That the log went on from where they say."""
        sizes = {Continuation.decode(cose.parse(envelope).payload).size for envelope, _ in self._records} - {0}
        return tuple(Proof(size, tuple(self._prover.consistency(size))) for size in sorted(sizes))
