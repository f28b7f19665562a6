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


def approve_signed(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Run:
    """`envelope`: a signed Approval of the run's id. Raises ProtocolError or CloudError."""
    owners: dict[bytes, bytes] = {}

    def find(kid: Kid) -> PublicKey | None:
        for party, spki in owners_of_kid(conn, context.community, kid):
            owners[kid] = party
            return PublicKey.from_spki(spki)
        return None

    opened = cose.open_envelope(envelope, cose.ContentType.APPROVAL, find)
    said = Approval.decode(opened.payload)
    if said.party != owners[opened.kid]:
        raise BadInput("approval.party", "is not the one who signed")
    if not said.yes:
        raise BadInput("approval.yes", "is a no; cancel the run instead")
    run = store.find(conn, context.community, said.object)
    if run is None:
        raise NotFound("approval.object", f"{said.object.hex()} is no payout run here")
    signed = service.Signed(envelope, opened.hash)
    return service.approve(conn, context.community, run.number, said.party, now_ms, signed)
