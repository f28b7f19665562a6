"""Who belongs to a community from now on: parties that come, their keys, roles and bank accounts.

It never deletes: an account or a role that ends keeps the days on which it held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection
from tallystick_protocol.codes import StorageClass
from tallystick_protocol.ids import PARTY_BYTES, PartyId
from tallystick_protocol.keys import P256Signer, PublicKey
from tallystick_protocol.records import Grant

from tallystick_cloud.context import Context
from tallystick_cloud.errors import BadInput, Conflict
from tallystick_cloud.gateways import records
from tallystick_cloud.log import service as log
from tallystick_cloud.ports import Entropy

from . import store
from .model import MANAGER, NewParty, check_name

KINDS: tuple[Grant, ...] = ("contract", "approval")


@dataclass(frozen=True, slots=True)
class Key:
    """With what a party signs: the public key, and the private one where this server keeps it."""

    spki: bytes
    hosted: P256Signer | None = None

    @classmethod
    def fresh(cls) -> "Key":
        signer = P256Signer.generate()
        return cls(signer.spki, signer)


def add(conn: Connection, context: Context, new: NewParty, key: Key | None, entropy: Entropy, now_ms: int) -> PartyId:
    """A party with its roles, its bank account and its key, which enters the log. Raises Conflict for a taken name."""
    if store.has_name(conn, context.community, new.name):
        raise Conflict("name", f"{new.name!r} is in {context.community} already; give the new one another name")
    party = PartyId(entropy.bytes(PARTY_BYTES))
    store.insert_party(conn, context.community, party, new, now_ms)
    if key is not None:
        _log_key(conn, context, entropy, party, key, now_ms)
    return party


class KeyShelf(Protocol):
    """Where this server keeps keys that it signs with for parties."""

    def store_party_keys(self, name: str, hosted: Mapping[bytes, P256Signer]) -> None:
        """Keep keys of a community's parties, readable by this server alone."""
        ...

    def party_key(self, name: str, party: bytes) -> P256Signer | None:
        """The one that is kept for a party of a community; None when none is."""
        ...


def admit(
    conn: Connection, context: Context, shelf: KeyShelf, new: NewParty, key: Key, entropy: Entropy, now_ms: int
) -> PartyId:
    """As `add`; a hosted key is on disk before anything is committed that only it can sign."""
    party = add(conn, context, new, key, entropy, now_ms)
    if key.hosted is not None:
        shelf.store_party_keys(context.community, {party: key.hosted})
    return party


def set_account(
    conn: Connection, community: str, party: bytes, iban: str | None, holder: str | None, now_ms: int
) -> bool:
    """From now on money for the party goes there, or nowhere with `iban` None; whether that changed anything.

    A run that was proposed with the account of before is not released any more. Raises BadInput.
    """
    before = store.accounts(conn, community, party).get(party)
    name = store.names_by_id(conn, community)[party]
    wanted = None if iban is None else (iban, check_name("--holder", holder or name))
    if before == wanted:
        return False
    store.end_account(conn, community, party, now_ms)
    if wanted is not None:
        store.insert_account(conn, community, party, *wanted, now_ms)
    return True


def set_role(conn: Connection, community: str, party: bytes, role: str, now_ms: int, *, ends: bool) -> bool:
    """Give or end a role; whether that changed anything. Raises Conflict when nobody would manage the community."""
    has = role in store.roles(conn, community).get(party, ())
    if has is not ends:
        return False
    if ends and role == MANAGER and store.managers(conn, community) == {party}:
        raise Conflict("role", f"nobody else manages {community}; make somebody a {MANAGER} first")
    if ends:
        store.end_role(conn, community, party, role, now_ms)
    else:
        store.insert_role(conn, community, party, role, now_ms)
    return True


@dataclass(frozen=True, slots=True)
class Listed:
    """A party as it stands; `account`: (IBAN, holder)."""

    name: str
    form: str
    roles: tuple[str, ...]
    account: tuple[str, str] | None
    has_key: bool


def listed(conn: Connection, community: str) -> Sequence[Listed]:
    """Everybody, by name."""
    roles, signing = store.roles(conn, community), store.with_key(conn, community)
    accounts = store.accounts(conn, community)
    return [
        Listed(row.name, row.form, roles.get(row.id, ()), accounts.get(row.id), row.id in signing)
        for row in store.rows(conn, community)
    ]


def _log_key(conn: Connection, context: Context, entropy: Entropy, party: PartyId, key: Key, now_ms: int) -> None:
    community, spki = context.community, key.spki
    kid = PublicKey.from_spki(spki).kid
    if key.hosted is None and store.owners_of_kid(conn, community, kid):
        raise BadInput("key", "is the key of somebody else here; each party signs with its own")
    event = records.key_event(conn, community, context.keys.root, entropy, party, spki, StorageClass.FILE, 0, KINDS)
    (leaf,) = log.append(conn, community, [event.entry], now_ms)
    records.store_key_event(conn, community, party, spki, event, leaf, now_ms)
    store.insert_key(conn, community, party, kid, spki, "own" if key.hosted is None else "hosted", now_ms)
