"""First step: bytes become an evidence file and signed objects, each of the kind its place in the log says.
Nothing is believed yet: signatures come next.
"""

from collections.abc import Callable, Mapping

from tallystick_protocol import cose
from tallystick_protocol.batch import Batch
from tallystick_protocol.cose import ContentType
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.evidence import Evidence, LoggedObject
from tallystick_protocol.evidence_draft import LOG_TYPES
from tallystick_protocol.evidence_file import unpack
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.policy import Policy
from tallystick_protocol.records import Approval, Continuation, Descriptor, KeyEvent, Resolution, Reversal
from tallystick_protocol.settlement import Settlement
from tallystick_protocol.verify import words
from tallystick_protocol.verify.case import Body, Case, Item, ensure
from tallystick_protocol.verify.report import Check, Misfit

_DECODERS: Mapping[ContentType, Callable[[bytes], Body]] = {
    ContentType.BATCH: Batch.decode,
    ContentType.CONTRACT: Contract.decode,
    ContentType.KEY_EVENT: KeyEvent.decode,
    ContentType.DESCRIPTOR: Descriptor.decode,
    ContentType.SETTLEMENT: Settlement.decode,
    ContentType.RESOLUTION: Resolution.decode,
    ContentType.REVERSAL: Reversal.decode,
    ContentType.APPROVAL: Approval.decode,
    ContentType.CONTINUATION: Continuation.decode,
}


def read(data: bytes, policy: Policy) -> tuple[Case, Check]:
    """The case, with every object decoded; raises Misfit."""
    try:
        evidence = Evidence.decode(unpack(data))
    except ProtocolError as error:
        raise Misfit("the file", f"is not a readable evidence file ({error})") from None
    ensure(evidence.party == policy.party, "the file", "was made for another party than the one in your policy")
    items = tuple(_item(number, logged) for number, logged in enumerate(evidence.objects))
    ensure(len({item.h for item in items}) == len(items), "the file", "holds one signed object twice")
    ensure(len({item.leaf for item in items}) == len(items), "the file", "gives two objects one place in the log")
    text = f"read {words.count(len(items), 'signed object')} and {words.count(len(evidence.pieces), 'opened piece')}"
    figures = {"objects": len(items), "pieces": len(evidence.pieces), "bytes": len(data)}
    return Case(evidence, policy, items), Check("file", True, text, figures)


def _item(number: int, logged: LoggedObject) -> Item:
    where = f"object {number}"
    try:
        unverified = cose.parse(logged.envelope)
        decoder = _DECODERS.get(unverified.content_type)
        if decoder is None:
            raise Misfit(where, f"is a {unverified.content_type.kind}, which an evidence file does not hold")
        body = decoder(unverified.payload)
    except ProtocolError as error:
        raise Misfit(where, f"cannot be read ({error})") from None
    item = Item(number, logged, unverified, body)
    ensure(logged.type is LOG_TYPES[item.kind], item.name, f"stands in the log as something else ({logged.type.name})")
    return item
