"""Founds a community from a town file: keys, log, parties, assets, sites, claims, contracts.

It never founds one twice and writes nothing when anything in the file is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from sqlalchemy import Connection, insert, select
from tallystick_protocol import cose
from tallystick_protocol.codes import CommandType, StorageClass
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PARTY_BYTES, PartyId
from tallystick_protocol.keys import P256Signer, PublicKey
from tallystick_protocol.money.contract import ContractState
from tallystick_protocol.money.contract_toml import Draft, draft_contract
from tallystick_protocol.money.errors import ContractError
from tallystick_protocol.records import Grant

from tallystick_cloud.approvals import signed_answer
from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import NewAsset
from tallystick_cloud.context import Context
from tallystick_cloud.contracts import service as contracts
from tallystick_cloud.contracts.file import contract_text
from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.gateways import claims, records
from tallystick_cloud.ledger.store import open_period
from tallystick_cloud.log import service as log
from tallystick_cloud.parties import service as parties
from tallystick_cloud.ports import Entropy
from tallystick_cloud.schema import community as communities
from tallystick_cloud.town.model import Town, TownAsset, TownContract, TownParty

NONCE_BYTES = 16
ROLE_KINDS: Mapping[str, tuple[Grant, ...]] = {
    "root": ("descriptor", "key-event", "contract"),
    "log": ("checkpoint",),
    "receipt": ("receipt", "state"),
    "command": ("command", *(int(kind) for kind in CommandType)),
    "settlement": ("settlement", "resolution"),
}


@dataclass(frozen=True, slots=True)
class Founded:
    """What an import made: a claim per site, and the keys to be stored of parties that the server signs for."""

    claims: Mapping[str, str]
    hosted: Mapping[bytes, P256Signer]


def found(conn: Connection, context: Context, town: Town, entropy: Entropy, now_ms: int) -> Founded:
    """Everything of the file in one transaction. Raises CloudError or ContractError naming field or file."""
    if conn.execute(select(communities.c.id).where(communities.c.id == town.id)).first() is not None:
        raise Conflict("community.id", f"{town.id!r} exists; give the new one another id")
    _insert_community(conn, town, now_ms)
    open_period(conn, town.id, now_ms)
    log.create(conn, town.id, now_ms)
    _log_roles(conn, context, entropy, now_ms)
    ids, hosted = _parties(conn, context, town, entropy, now_ms)
    for asset in town.assets:
        assets.insert_asset(conn, town.id, _asset(asset, ids), now_ms)
    made = {}
    for site in town.sites:
        assets.insert_site(conn, town.id, site, now_ms)
        made[site.id] = claims.issue(conn, town.id, site.id, entropy, now_ms)
    _contracts(conn, context, town, ids, hosted, entropy, now_ms)
    return Founded(made, hosted)


def _contracts(
    conn: Connection,
    context: Context,
    town: Town,
    ids: Mapping[str, PartyId],
    hosted: Mapping[bytes, P256Signer],
    entropy: Entropy,
    now_ms: int,
) -> None:
    """In the order of the file, so that a version stands after the one that it follows."""
    agreed: dict[Path, tuple[H32, int]] = {}
    for entry in town.contracts:
        before = None
        if entry.after is not None:
            if entry.after not in agreed:
                raise BadInput("contract.after", f"{entry.after.name!r} does not stand above {entry.file.name!r}")
            before = agreed[entry.after]
        draft = read_contract_file(entry, ids, entropy, before)
        standing = agree(conn, context, draft, hosted, entropy, now_ms)
        agreed[entry.file] = (H32(standing.h), draft.contract.version)


def _insert_community(conn: Connection, town: Town, now_ms: int) -> None:
    row = {"id": town.id, "name": town.name, "zone": town.zone, "unit": town.unit, "log_origin": town.log_origin}
    place = {"latitude_e7": town.latitude_e7, "longitude_e7": town.longitude_e7}
    conn.execute(insert(communities), {**row, **place, "created_ms": now_ms})


def _log_roles(conn: Connection, context: Context, entropy: Entropy, now_ms: int) -> None:
    """The community's own keys enter its log first, so that every later leaf has a key in force."""
    keys = context.keys
    signers = {"root": keys.root, "log": keys.log, "receipt": keys.receipt, "command": keys.command}
    signers["settlement"] = keys.settlement
    for role, signer in signers.items():
        event = records.key_event(
            conn, context.community, keys.root, entropy, role, signer.spki, StorageClass.FILE, 0, ROLE_KINDS[role]
        )
        (leaf,) = log.append(conn, context.community, [event.entry], now_ms)
        records.store_key_event(conn, context.community, role, signer.spki, event, leaf, now_ms)


def _parties(
    conn: Connection, context: Context, town: Town, entropy: Entropy, now_ms: int
) -> tuple[dict[str, PartyId], dict[bytes, P256Signer]]:
    ids: dict[str, PartyId] = {}
    hosted: dict[bytes, P256Signer] = {}
    for party in town.parties:
        key = key_of(party)
        party_id = ids[party.new.name] = parties.add(conn, context, party.new, key, entropy, now_ms)
        if key is not None and key.hosted is not None:
            hosted[party_id] = key.hosted
    return ids, hosted


def key_of(party: TownParty) -> parties.Key | None:
    """A new one that this server keeps, or the one in the file. Raises BadInput."""
    if party.hosted:
        return parties.Key.fresh()
    return None if party.key is None else parties.Key(read_public_key(party.key))


def read_public_key(path: Path) -> bytes:
    """The SPKI of a PEM file; raises BadInput naming it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), f"is not a public key in PEM ({error}); use P-256 or Ed25519") from None
    return public_key_of(str(path), data)


def public_key_of(field: str, data: bytes) -> bytes:
    """The SPKI of a public key in PEM; raises BadInput naming `field`."""
    try:
        key = load_pem_public_key(data)
        return PublicKey.from_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).spki
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput(field, f"is not a public key in PEM ({error}); use P-256 or Ed25519") from None


def _asset(asset: TownAsset, ids: Mapping[str, PartyId]) -> NewAsset:
    return NewAsset(
        id=asset.id,
        name=asset.name,
        kind=asset.kind,
        site=asset.site,
        owner=None if asset.owner is None else ids[asset.owner],
        user=None if asset.user is None else ids[asset.user],
        essential=asset.essential,
        latitude_e7=asset.latitude_e7,
        longitude_e7=asset.longitude_e7,
    )


def read_contract_file(
    entry: TownContract, ids: Mapping[str, PartyId], entropy: Entropy, before: tuple[H32, int] | None = None
) -> Draft:
    """The contract of a file and its users, in the state that the town file gives it; BadInput names file and line.

    `before`: hash and number of the version that it follows.
    """
    prev, version = (None, 1) if before is None else (before[0], before[1] + 1)
    try:
        draft = draft_contract(contract_text(entry.file), ids, entropy.bytes, prev=prev, version=version)
    except (ContractError, ProtocolError) as error:
        raise BadInput(str(entry.file), str(error)) from error
    state = ContractState.LIVE if entry.live else ContractState.SHADOW
    return Draft(replace(draft.contract, state=state), draft.openings)


def check_contracts(town: Town, entropy: Entropy) -> None:
    """What an import would refuse of the contract files; raises BadInput naming file and line."""
    ids = {party.new.name: PartyId(entropy.bytes(PARTY_BYTES)) for party in town.parties}
    for entry in town.contracts:
        read_contract_file(entry, ids, entropy)


def agree(
    conn: Connection,
    context: Context,
    draft: Draft,
    hosted: Mapping[bytes, P256Signer],
    entropy: Entropy,
    now_ms: int,
) -> contracts.Standing:
    """Propose it with the collector's hosted key and say yes with those of the other hosted parties and users."""
    contract = draft.contract
    signers = [party.id for party in contract.parties if party.id in hosted]
    if contract.collector not in hosted:
        detail = f"{contract.party_name(contract.collector)} signs for itself; use `tallystick contract propose`"
        raise BadInput(f"contract {contract.name!r}", detail)
    envelope = cose.sign(hosted[contract.collector], cose.ContentType.CONTRACT, contract.encode())
    standing = contracts.propose(conn, context, envelope, now_ms, draft.openings)
    for user in sorted({one.party for one in draft.openings} & hosted.keys()):
        contracts.accept(conn, context, standing.h, user, now_ms)
    for party in signers:
        if party != contract.collector:
            signed = signed_answer(hosted[party], entropy, standing.h, party)
            standing = contracts.approve(conn, context, signed, now_ms)
    return standing
