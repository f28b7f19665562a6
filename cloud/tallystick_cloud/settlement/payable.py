"""What may be paid out: what is owed, less the shares of uses that no settlement holds yet.

It never lets money out for a use that nobody has a proof of.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from tallystick_cloud.contracts.store import book
from tallystick_cloud.costs.store import supplied_chains
from tallystick_cloud.ledger.model import FAR_MS, Kind, Line
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.payouts.store import owed
from tallystick_cloud.pools.store import chains_closed

from . import sources, store


def settled_lines(conn: Connection, community: str) -> Mapping[Line, int] | None:
    """Account -> nano that may be paid, for `payouts.service.propose`; None while nothing is settled at all."""
    settled: set[bytes] = {one.chain for one in store.of_community(conn, community)}
    settled |= chains_closed(conn, community)  # a pool posts nothing before it closes a period
    if not settled:
        return None
    settled |= supplied_chains(conn, community)  # a bill is owed as it stands
    fresh: dict[bytes, dict[bytes, int]] = {chain: _fresh_shares(conn, chain) for chain in settled}
    return {
        one.line: one.nano - fresh[one.chain].get(one.party, 0) for one in owed(conn, community) if one.chain in settled
    }


def unsettled_fees(conn: Connection, community: str) -> Mapping[tuple[bytes, bytes], int] | None:
    """(contract chain, payer) -> nano of fees that stand in no settlement; None while nothing is settled at all."""
    versions = book(conn, community).versions
    if not store.of_community(conn, community):
        return None
    found: dict[tuple[bytes, bytes], int] = {}
    for chain in {one.chain for one in versions}:
        for row in sources.fresh_uses(conn, chain, FAR_MS):
            if row.kind == Kind.LIVE.value:
                key = bytes(chain), bytes(row.payer)
                found[key] = found.get(key, 0) + row.fee
    return found


def _fresh_shares(conn: Connection, chain: bytes) -> dict[bytes, int]:
    """party -> nano of uses that stand in no settlement."""
    found: dict[bytes, int] = {}
    for row in sources.fresh_uses(conn, chain, FAR_MS):
        if row.kind == Kind.LIVE.value:
            for party, amount in shares_of(row):
                found[party] = found.get(party, 0) + amount
    return found
