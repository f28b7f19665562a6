"""A person's decision about what stayed open: bill it or waive it, signed, logged, carried out by the next settlement.

It never decides twice, and never bills counts that no use number stands for.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import EvidenceLevel, LogType, ResolutionAction
from tallystick_protocol.cover import Cover, Open
from tallystick_protocol.ids import H32, use_id
from tallystick_protocol.money.contract import version_at
from tallystick_protocol.money.plan import problem
from tallystick_protocol.money.usage import Usage, UsageForm
from tallystick_protocol.records import Resolution

from tallystick_cloud.contracts import store as contracts
from tallystick_cloud.contracts.model import Version
from tallystick_cloud.errors import NotFound
from tallystick_cloud.gateways.store import channel_row
from tallystick_cloud.ledger.lot import Cause
from tallystick_cloud.ledger.model import FreshUse, Kind
from tallystick_cloud.ledger.service import book
from tallystick_cloud.log import service as log

from . import store
from .errors import SettlementRefused
from .model import TreeKey
from .office import Office

NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Decision:
    """`programme`: what the use is billed as, where the price depends on it; `party` decides."""

    chain: H32
    channel_hash: H32
    open_id: int
    action: ResolutionAction
    why: str
    party: bytes
    programme: str | None = None


def decide(conn: Connection, office: Office, decision: Decision, now_ms: int) -> Resolution:
    """Sign and log it, and book the use when it is billed. The settlement of the period of now closes the span."""
    community = office.context.community
    opened = _open(conn, decision)
    past = store.channel_resolutions(conn, decision.channel_hash)
    if any((bytes(one.chain), one.open_id) == (decision.chain, decision.open_id) for one in past):
        raise SettlementRefused("open span", f"{decision.open_id} is decided already; the next settlement closes it")
    said = Resolution(
        nonce=office.entropy.bytes(NONCE_BYTES),
        prev=H32(bytes(past[-1].h)) if past else None,
        channel_hash=decision.channel_hash,
        open_id=decision.open_id,
        action=decision.action,
        from_total=opened.from_total,
        to_total=opened.to_total,
        why=decision.why,
    )
    if decision.action is ResolutionAction.BILL:
        _bill(conn, community, decision, opened, now_ms)
    envelope = cose.sign(office.context.keys.settlement, cose.ContentType.RESOLUTION, said.encode())
    h = cose.parse(envelope).hash
    (leaf,) = log.append(conn, community, [log.Entry(LogType.COMMAND, h)], now_ms)
    store.insert_resolution(conn, _row(community, decision, said, envelope, h, leaf, now_ms))
    return said


def _open(conn: Connection, decision: Decision) -> Open:
    """The span as the newest settlement has it; raises NotFound."""
    last = store.last(conn, decision.chain)
    for row in [] if last is None else store.leaves(conn, last.h, TreeKey.COVERS):
        if row.ref == decision.channel_hash and row.data is not None:
            for one in Cover.decode(row.data).opens:
                if one.id == decision.open_id:
                    return one
    raise NotFound("open span", f"{decision.open_id} does not stand open in the newest settlement; list them first")


def _bill(conn: Connection, community: str, decision: Decision, opened: Open, now_ms: int) -> None:
    """One use for the whole span, under the first number that stands open; it is priced at the time of the decision."""
    if opened.to_use <= opened.from_use:
        raise SettlementRefused("open span", f"{opened.id} has counts but no use number; waive it instead")
    versions = [v for v in contracts.book_to_price(conn, community).versions if v.chain == decision.chain]
    contract = version_at([version.contract for version in versions], now_ms)
    version = next((one for one in versions if one.contract is contract), None)
    channel = channel_row(conn, decision.channel_hash)
    terms = None if version is None else version.contract.asset_terms(channel.asset, channel.quantity)
    if version is None or terms is None or not version.prices:
        raise SettlementRefused("contract", "prices this channel no more; waive the span instead")
    payer = version.payer(terms)
    if payer is None:
        raise SettlementRefused("contract", "has a user who was erased; waive the span instead")
    number = opened.from_use + 1
    usage = Usage(
        use_id=use_id(decision.channel_hash, number),
        channel_hash=decision.channel_hash,
        number=number,
        start_ms=now_ms,
        end_ms=now_ms,
        from_total=opened.from_total,
        to_total=opened.to_total,
        asset=channel.asset,
        payer=payer,
        programme=decision.programme,
        form=UsageForm.EVENT,
    )
    why = problem(version.contract, usage)
    if why is not None:
        raise SettlementRefused("programme", why)
    _book(conn, community, version, usage, now_ms)


def _book(conn: Connection, community: str, version: Version, usage: Usage, now_ms: int) -> None:
    kind = Kind.LIVE if version.live else Kind.SHADOW
    fresh = FreshUse(
        usage=usage,
        contract=H32(version.h),
        chain=H32(version.chain),
        kind=kind,
        gid=None,
        subject=None,
        level=int(EvidenceLevel.DECLARED),
        batch=None,
    )
    cause = Cause(f"decision:{usage.use_id.hex()}", "decision", usage.use_id, now_ms)
    if not book(conn, community, [fresh], {version.h: version}, cause):
        raise SettlementRefused("open span", f"its first number, {usage.number}, is billed already")


def _row(
    community: str, decision: Decision, said: Resolution, envelope: bytes, h: H32, leaf: int, now_ms: int
) -> dict[str, object]:
    return {
        "h": h,
        "community": community,
        "chain": decision.chain,
        "channel_hash": decision.channel_hash,
        "open_id": said.open_id,
        "action": said.action.name.lower(),
        "from_total": said.from_total,
        "to_total": said.to_total,
        "why": said.why,
        "prev": said.prev,
        "envelope": envelope,
        "leaf": leaf,
        "party": decision.party,
        "at_ms": now_ms,
    }
