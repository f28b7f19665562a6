"""A party's policy file: whom it believes, written down once and kept by the party itself.

It never travels with an evidence file: whoever gives you evidence must not tell you whom to trust.
"""

from sqlalchemy import Connection
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.keys import PublicKey
from tallystick_protocol.policy import SUBJECT_BYTES, KnownVersion, OperatorKey, PartyKey, Policy, Witness

from tallystick_cloud.context import Context
from tallystick_cloud.contracts.store import book
from tallystick_cloud.log import cosign

from . import store

NOBODY = bytes(SUBJECT_BYTES)  # the subject of a use that nobody claimed


def policy_of(conn: Connection, context: Context, party: PartyId) -> Policy:
    """The community's root above all, the keys that settle, witnesses, and the contracts that are agreed now.

    Of a pool all versions where one concerns the party: a close names every one, also to whom it is not about.
    """
    keys, name = context.keys, context.community
    paid, versions = store.chains_of_payer(conn, name, party), book(conn, name).versions
    pools = {one.chain for one in versions if one.contract.pool is not None and one.concerns(party)}
    mine = [
        one for one in versions if one.chain in pools or (one.prices and (one.chain in paid or one.concerns(party)))
    ]
    return Policy(
        community=name,
        party=party,
        log_origin=context.log_origin,
        log_key=PublicKey.from_spki(keys.log.spki),
        roots=(PublicKey.from_spki(keys.root.spki),),
        keys=(OperatorKey(PublicKey.from_spki(keys.settlement.spki), frozenset({"settlement", "resolution"})),),
        witnesses=tuple(Witness(label, PublicKey.from_spki(spki)) for label, spki in cosign.listed(conn, name)),
        witnesses_needed=cosign.needed(conn, name),
        party_keys=tuple(PartyKey(party, PublicKey.from_spki(spki)) for spki in store.party_keys(conn, party)),
        contracts=tuple(KnownVersion(H32(v.chain), H32(v.h), v.contract.effective_from_ms) for v in mine),
        subjects=tuple(one for one in store.subjects_of(conn, name, party) if one != NOBODY),
    )
