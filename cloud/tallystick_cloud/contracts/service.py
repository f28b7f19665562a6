"""Contracts enter by a party's signature and become live by their change rule.

It never puts a version in force that its parties did not agree to, and never changes an old one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import LogType
from tallystick_protocol.ids import H32, Kid, PartyId
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.money.contract import Contract, ContractState
from tallystick_protocol.money.user import UserOpening
from tallystick_protocol.records import Approval

from tallystick_cloud.context import Context
from tallystick_cloud.log import service as log
from tallystick_cloud.parties.store import owners_of_kid

from . import store
from .errors import ContractRefused
from .fitting import check_begins_late_enough, check_begins_with_a_period, check_fits, check_meters


@dataclass(frozen=True, slots=True)
class Standing:
    h: bytes
    chain: bytes
    state: ContractState  # draft until its change rule is met
    missing: tuple[PartyId, ...]  # parties that have not said yes


def propose(
    conn: Connection, context: Context, envelope: bytes, now_ms: int, openings: Sequence[UserOpening] = ()
) -> Standing:
    """Store a version signed by one of its parties, whose yes that is. Raises ProtocolError or ContractRefused.

    `openings` say who stands behind each commitment to a user; without them nobody could be charged.
    """
    store.lock_versions(conn, [context.community], changes=True)
    signer, opened = _open(conn, context, envelope, cose.ContentType.CONTRACT)
    contract = Contract.decode(opened.payload)
    if contract.community != context.community:
        detail = f"is {contract.community!r}, this is {context.community!r}; correct it, or give --community"
        raise ContractRefused("contract.community", detail)
    if signer not in {party.id for party in contract.parties}:
        raise ContractRefused("contract.parties", "do not include the one who signed; sign with a party's key")
    known = store.find(conn, context.community, opened.hash)
    if known is not None:
        return _standing(conn, context, contract, opened.hash, known.chain, known.state)
    _check_openings(contract, openings)
    before = _before(conn, context, contract)
    chain = opened.hash if before is None else before.chain
    older = None if before is None else Contract.decode(before.payload)
    check_fits(conn, context.community, contract, older, now_ms)
    _check_fresh(contract, older)
    check_begins_late_enough(conn, chain, contract)
    check_begins_with_a_period(contract, _earlier(conn, context, contract, chain))
    (leaf,) = log.append(conn, context.community, [log.Entry(LogType.CONTRACT, opened.hash)], now_ms)
    store.insert_version(
        conn,
        {
            "h": opened.hash,
            "community": context.community,
            "chain": chain,
            "version": contract.version,
            "name": contract.name,
            "prev": contract.prev,
            "envelope": envelope,
            "payload": opened.payload,
            "proposer": signer,
            "state": ContractState.DRAFT.value,
            "collector": contract.collector,
            "mode": contract.mode.value,
            "change_rule": contract.change_rule,
            "decision_ref": contract.decision_ref,
            "unit": contract.unit,
            "effective_from_ms": contract.effective_from_ms,
            "effective_to_ms": contract.effective_to_ms,
            "proposed_ms": now_ms,
            "leaf": leaf,
        },
    )
    store.insert_openings(conn, context.community, opened.hash, openings)
    _store_answer(conn, context, opened.hash, opened.hash, signer, True, envelope, leaf, now_ms)
    return _settle(conn, context, contract, opened.hash, chain, now_ms)


def approve(conn: Connection, context: Context, envelope: bytes, now_ms: int) -> Standing:
    """Take a party's yes or no to a proposed version. Raises ProtocolError or ContractRefused."""
    store.lock_versions(conn, [context.community], changes=True)
    signer, opened = _open(conn, context, envelope, cose.ContentType.APPROVAL)
    said = Approval.decode(opened.payload)
    if said.party != signer:
        raise ContractRefused("approval.party", "is not the one who signed")
    stored = store.find(conn, context.community, said.object)
    if stored is None:
        raise ContractRefused("approval.object", f"{said.object.hex()} is not proposed here; propose it first")
    contract = Contract.decode(stored.payload)
    if signer not in {party.id for party in contract.parties}:
        raise ContractRefused("approval.party", "is not a party of this contract")
    answer = store.answer_of(conn, said.object, signer)
    if answer is not None:
        if answer is not said.yes:
            detail = f"is {_word(said.yes)}, and {contract.party_name(said.party)} said {_word(answer)} before"
            raise ContractRefused("approval.yes", f"{detail}; an answer stays: propose the version anew")
        return _standing(conn, context, contract, said.object, stored.chain, stored.state)
    (leaf,) = log.append(conn, context.community, [log.Entry(LogType.APPROVAL, opened.hash)], now_ms)
    _store_answer(conn, context, opened.hash, said.object, signer, said.yes, envelope, leaf, now_ms)
    if stored.state != ContractState.DRAFT.value:  # the rule was met before; this answer only joins the others
        return _standing(conn, context, contract, said.object, stored.chain, stored.state)
    return _settle(conn, context, contract, said.object, stored.chain, now_ms)


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


def accept(conn: Connection, context: Context, h: bytes, party: PartyId, now_ms: int) -> str:
    """Write down that a user accepted a version's terms, once; returns them in words. It is never logged."""
    stored = store.find(conn, context.community, h)
    if stored is None:
        raise ContractRefused("contract", f"{h.hex()} is not proposed here; propose it first")
    users = {one.party for one in store.openings_of(conn, context.community).get(h, ())}
    if party not in users:
        raise ContractRefused("party", "is no user of this contract: parties approve it, users accept it")
    terms = terms_text(Contract.decode(stored.payload), h)
    if store.accepted_ms(conn, h, party) is None:
        row = {"contract": h, "party": party, "community": context.community, "terms": terms, "accepted_ms": now_ms}
        store.insert_acceptance(conn, row)
    return terms


def terms_text(contract: Contract, h: bytes) -> str:
    """What a user accepts: which version, and its data notice."""
    notice = contract.notice
    return (
        f"{contract.name}, version {contract.version} ({h.hex()}). What is collected: {notice.what} Why: {notice.why} "
        f"Kept: {notice.keep_days} days. Who sees it: {notice.who}"
    )


def _check_openings(contract: Contract, openings: Sequence[UserOpening]) -> None:
    """One opening for each commitment, and no other."""
    left = {(one.asset, one.quantity, one.commitment) for one in openings}
    if len(left) != len(openings):
        raise ContractRefused("openings", "hold one twice")
    for index, asset in enumerate(contract.assets):
        place = asset.asset, asset.quantity, H32(asset.user)
        if asset.is_committed and place not in left:
            detail = "is a commitment that nothing opens: send the openings that were made with the contract"
            raise ContractRefused(f"contract.assets[{index}].user", detail)
        left.discard(place)
    for asset_id, quantity, _ in sorted(left):
        detail = f"name {asset_id}, {quantity}, which the contract does not price, or whose user it names itself"
        raise ContractRefused("openings", detail)


def _check_fresh(contract: Contract, before: Contract | None) -> None:
    """A commitment that the version before has too would tell everybody that the user stayed the same."""
    known = set() if before is None else {asset.user for asset in before.assets}
    for index, asset in enumerate(contract.assets):
        if asset.is_committed and asset.user in known:
            detail = "is the commitment of the version before; a version has salts of its own"
            raise ContractRefused(f"contract.assets[{index}].user", detail)


def _open(conn: Connection, context: Context, envelope: bytes, kind: cose.ContentType) -> tuple[PartyId, cose.Opened]:
    owners: dict[bytes, PartyId] = {}

    def find(kid: Kid) -> PublicKey | None:
        for party, spki in owners_of_kid(conn, context.community, kid):
            owners[kid] = PartyId(party)
            return PublicKey.from_spki(spki)
        return None

    opened = cose.open_envelope(envelope, kind, find)
    return owners[opened.kid], opened


def _before(conn: Connection, context: Context, contract: Contract) -> store.Stored | None:
    """The version that it follows, None for a first one; refuses a version that does not follow the newest."""
    if contract.prev is None:
        return None
    before = store.find(conn, context.community, contract.prev)
    if before is None:
        raise ContractRefused("contract.prev", f"{contract.prev.hex()} is not a version here; propose that first")
    newest = store.newest_of_chain(conn, context.community, before.chain)
    if newest is None or newest.h != before.h or contract.version != before.version + 1:
        raise ContractRefused("contract.prev", "is not the newest version of its contract; start from that one")
    return before


def _store_answer(
    conn: Connection,
    context: Context,
    h: bytes,
    about: bytes,
    party: bytes,
    yes: bool,
    envelope: bytes,
    leaf: int,
    now_ms: int,
) -> None:
    row = {"h": h, "community": context.community, "object": about, "party": party, "yes": yes}
    store.insert_approval(conn, {**row, "envelope": envelope, "leaf": leaf, "received_ms": now_ms})


def _settle(conn: Connection, context: Context, contract: Contract, h: bytes, chain: bytes, now_ms: int) -> Standing:
    """In force now? By the change rule; shadow needs nobody's yes until a version was live."""
    yes = {PartyId(party) for party in store.said_yes(conn, context.community, h)}
    earlier = _earlier(conn, context, contract, chain)
    if not contract.is_valid(yes, earlier):
        return _standing(conn, context, contract, h, chain, ContractState.DRAFT.value)
    check_begins_late_enough(conn, chain, contract)
    check_begins_with_a_period(contract, earlier)
    if contract.state is ContractState.LIVE:
        check_meters(conn, context.community, contract, now_ms)
    store.put_in_force(conn, h, contract.state.value, now_ms)
    return _standing(conn, context, contract, h, chain, contract.state.value)


def _earlier(conn: Connection, context: Context, contract: Contract, chain: bytes) -> list[Contract]:
    """The versions in force before it."""
    versions = (one for one in store.book(conn, context.community).versions if one.chain == chain)
    return [one.contract for one in versions if one.contract.version < contract.version]


def _standing(conn: Connection, context: Context, contract: Contract, h: bytes, chain: bytes, state: str) -> Standing:
    yes = store.said_yes(conn, context.community, h)
    missing = tuple(party.id for party in contract.parties if party.id not in yes)
    return Standing(h, chain, ContractState(state), missing)
