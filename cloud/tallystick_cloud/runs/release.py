"""What runs of payouts, debits and splits have alike between a second person's yes and the file that goes out.

It never moves a run: the service of each kind does, and says in its own words why not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import Kid, sha256
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.records import Approval

from tallystick_cloud.context import Context
from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.log import service as log
from tallystick_cloud.parties.store import owners_of_kid

from .model import RunState


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed yes as it came, and its hash."""

    envelope: bytes
    h: bytes


def opened(conn: Connection, context: Context, envelope: bytes) -> tuple[Approval, Signed]:
    """A yes by the key of the party that says it, so that whoever runs the server cannot release money alone.

    Raises ProtocolError, or BadInput, also for a no: whoever wants to stop a run cancels it.
    """
    owners: dict[bytes, bytes] = {}

    def find(kid: Kid) -> PublicKey | None:
        for party, spki in owners_of_kid(conn, context.community, kid):
            owners[kid] = party
            return PublicKey.from_spki(spki)
        return None

    found = cose.open_envelope(envelope, cose.ContentType.APPROVAL, find)
    said = Approval.decode(found.payload)
    if said.party != owners[found.kid]:
        raise BadInput("approval.party", "is not the one who signed")
    if not said.yes:
        raise BadInput("approval.yes", "is a no; cancel the run instead")
    return said, Signed(envelope, found.hash)


def approval_row(
    conn: Connection, community: str, run: bytes, party: bytes, signed: Signed | None, now_ms: int
) -> dict[str, object]:
    """The row of a party's yes to the run of that id; a signed one gets a leaf of the log."""
    row: dict[str, object] = {"run": run, "party": party, "community": community, "at_ms": now_ms}
    if signed is not None:
        (leaf,) = log.append(conn, community, [log.Entry(LogType.APPROVAL, signed.h)], now_ms)
        row |= {"envelope": signed.envelope, "leaf": leaf}
    return row


def check_released(run: str, state: RunState, missing: Sequence[str], refused: type[Conflict]) -> None:
    """Raises `refused` where no file may be written; `run` names it in the sentence, such as payout run 3."""
    if state is RunState.PROPOSED:
        raise refused(run, f"is not released; {'; '.join(missing)}")
    if state is RunState.CANCELLED:
        raise refused(run, "is cancelled; propose a new one")


def check_same_bytes(run: str, data: bytes, written: bytes | None) -> None:
    """A file is made anew each time that it is asked for; raises InvariantError unless `written` is its hash."""
    if sha256(data) != written:
        raise InvariantError(f"the bank file of {run} is not the one that was written first")
