"""Takes a yes that a party signed with its own key, so that whoever runs the server cannot release money alone.

It never takes a no: whoever wants to stop a run cancels it.
"""

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.ids import Kid
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.records import Approval

from tallystick_cloud.context import Context
from tallystick_cloud.errors import BadInput, NotFound
from tallystick_cloud.parties.store import owners_of_kid

from . import service, store
from .checks import Run
from .release import Signed


def approve_signed(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Run:
    """`envelope`: a signed Approval of the run's id. Raises ProtocolError or CloudError."""
    said, signed = opened(conn, context, envelope)
    run = store.find(conn, context.community, said.object)
    if run is None:
        raise NotFound("approval.object", f"{said.object.hex()} is no payout run here")
    return service.approve(conn, context.community, run.number, said.party, now_ms, signed)


def opened(conn: Connection, context: Context, envelope: bytes) -> tuple[Approval, Signed]:
    """A yes by the key of the party that says it. Raises ProtocolError or BadInput."""
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
