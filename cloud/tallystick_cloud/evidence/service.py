"""Makes a party's evidence file for a period: one checkpoint, everything signed that it needs, its own pieces opened.

It never decides what is true; the verifier does, on the party's own computer.
"""

from sqlalchemy import Connection
from tallystick_protocol import cose
from tallystick_protocol.codes import Scope
from tallystick_protocol.evidence_file import pack
from tallystick_protocol.ids import H32
from tallystick_protocol.settled_use import Use
from tallystick_protocol.settlement import Settlement

from tallystick_cloud.context import Context
from tallystick_cloud.contracts.store import versions_of
from tallystick_cloud.log import cosign
from tallystick_cloud.log import store as log_store
from tallystick_cloud.log.prover import Prover
from tallystick_cloud.settlement import store as settlements
from tallystick_cloud.settlement.model import Stored, TreeKey

from .errors import NoEvidence
from .gather import Gathering
from .model import Chain, Made, Wanted, cut_chain, scope_of


def evidence(conn: Connection, context: Context, wanted: Wanted) -> Made:
    """The file. Raises NoEvidence when nothing settled concerns the party then, or no checkpoint covers it yet."""
    chains = _chains(conn, context.community, wanted)
    scopes = {scope for _, scope in chains}
    scope = wanted.scope or (Scope.CONTRACT if Scope.CONTRACT in scopes else Scope.OWN)
    mine = [chain for chain, one in chains if one is scope]
    if not mine:
        kind = f"of scope {scope.name.lower()}"
        raise NoEvidence("evidence", f"{kind}: nothing settled then concerns this party, or it was erased")
    gathering = Gathering(conn, context, wanted.party, scope)
    for chain in mine:
        gathering.chain(chain)
    found = cosign.witnessed_note(conn, context.community, gathering.top)
    if found is None:
        raise NoEvidence("checkpoint", "none covers the settlement yet; the next one is signed within a minute")
    size, note = found
    prover = Prover([H32(h) for h in log_store.leaf_hashes(conn, context.community, 0, size)])
    message = gathering.finish(note, prover)
    names = tuple(sorted({list(chain.contracts.values())[-1].name for chain in mine}))
    shown = [chain.shown[-1] for chain in mine]
    span = min(one.from_ms for one in shown), max(one.to_ms for one in shown)
    return Made(pack(message), wanted.party, scope, names, *span, len(gathering.draft))


def _chains(conn: Connection, community: str, wanted: Wanted) -> list[tuple[Chain, Scope]]:
    """Every contract chain with a settlement that holds the moment and concerns the party."""
    found = []
    seen: set[bytes] = set()
    for stored in settlements.of_community(conn, community):
        if stored.chain in seen or (wanted.chain is not None and stored.chain != wanted.chain):
            continue
        seen.add(stored.chain)
        chain = _chain(conn, stored.chain, wanted.at_ms)
        if chain is None:
            continue
        scope = scope_of(chain.versions.values(), wanted.party)
        if _has_statement(conn, chain.shown[-1], wanted.party):
            found.append((chain, scope))
    return found


def _chain(conn: Connection, chain: H32, at_ms: int) -> Chain | None:
    every = settlements.of_chain(conn, chain)
    index = next((at for at, one in enumerate(every) if one.from_ms <= at_ms < one.to_ms), None)
    if index is None:
        return None
    base, shown = cut_chain(every, index, _oldest(conn, every, index))
    versions = versions_of(conn, chain)
    listed = _signed(shown[-1]).contracts
    return Chain(chain, {h: versions[h] for h in listed}, base, shown)


def _signed(stored: Stored) -> Settlement:
    return Settlement.decode(cose.parse(stored.envelope).payload)


def _oldest(conn: Connection, every: list[Stored], index: int) -> int:
    """The earliest settlement that corrections reach back to, through each other."""
    places = {one.h: at for at, one in enumerate(every)}
    oldest = at = index
    while at >= oldest:
        for row in settlements.leaves(conn, every[at].h, TreeKey.USES):
            replaces = None if row.data is None else Use.decode(row.data).replaces
            if replaces is not None:
                oldest = min(oldest, places[replaces.settlement])
        at -= 1
    return oldest


def _has_statement(conn: Connection, stored: Stored, party: bytes) -> bool:
    """Whether the party has an account there that was not erased."""
    rows = settlements.leaves(conn, stored.h, TreeKey.STATEMENTS)
    return any(row.party == party and row.data is not None for row in rows)
