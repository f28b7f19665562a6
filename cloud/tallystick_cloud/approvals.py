"""The signed answer of a party to what is proposed to it: a contract version, a run of payments.

It never decides who may answer.
"""

from tallystick_protocol import cose
from tallystick_protocol.ids import H32, NONCE_BYTES, PartyId
from tallystick_protocol.keys import Signer
from tallystick_protocol.records import Approval

from tallystick_cloud.ports import Entropy


def signed_answer(signer: Signer, entropy: Entropy, about: bytes, party: bytes, yes: bool = True) -> bytes:
    """The envelope of an Approval; `about`: id or hash of what is proposed, `signer`: that party's own key."""
    said = Approval(entropy.bytes(NONCE_BYTES), H32(about), PartyId(party), yes)
    return cose.sign(signer, cose.ContentType.APPROVAL, said.encode())
