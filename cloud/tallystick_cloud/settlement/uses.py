"""The rated uses of one contract chain for one settlement: what is new, and what changed since it was settled.

It never rates: fees, shares and counters are those of the books.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import EventCode, EvidenceLevel, Reason, UseKind
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Rated, UsageForm
from tallystick_protocol.money.rating import counters_of as counters_by_contract
from tallystick_protocol.money.settle import RatedUse, Was
from tallystick_protocol.part import Part
from tallystick_protocol.settled_use import TAG_BYTES, Replaced

from tallystick_cloud.ledger.model import Kind, counters_json, shares_json, shares_of
from tallystick_cloud.ledger.rows import usage_of
from tallystick_cloud.ledger.service import counter_scope
from tallystick_cloud.ports import Entropy

from . import store

BILLING = frozenset({EventCode.USE_BILLABLE, EventCode.USE_ENDED, EventCode.USE_ABORTED})
_KINDS = {Kind.LIVE: UseKind.LIVE, Kind.TEST: UseKind.TEST, Kind.SHADOW: UseKind.SHADOW}


@dataclass(frozen=True, slots=True)
class Gathered:
    """Uses in canonical order, and their rows beside them."""

    rated: tuple[RatedUse, ...]
    rows: tuple[Any, ...]


def gather(
    conn: Connection, community: str, chain: H32, contracts: Mapping[bytes, Contract], to_ms: int, entropy: Entropy
) -> Gathered:
    """What the next settlement of a chain holds. Uses that no late use can have changed are not looked at again."""
    fresh = store.fresh_uses(conn, chain, to_ms)
    settled = store.settled_uses(conn, chain, min(bytes(row.position) for row in fresh)) if fresh else []
    moves = store.counters_of(conn, [bytes(row.use_id) for row in [*fresh, *settled]])
    tags = _Tags(conn, community, chain, entropy)
    found: list[tuple[bytes, RatedUse, Any]] = []
    for row in fresh:
        found.append((bytes(row.position), _rated_use(row, contracts, chain, moves, tags, None), row))
    again = [(row, _rated_use(row, contracts, chain, moves, tags, _was(row))) for row in settled]
    changed = _changed_with_mates(conn, again)
    found += [(bytes(row.position), one, row) for row, one in again if bytes(row.use_id) in changed]
    found.sort(key=lambda one: one[0])
    return Gathered(tuple(one for _, one, _ in found), tuple(row for _, _, row in found))


def settled_state(one: RatedUse) -> dict[str, object]:
    """What a settlement said of a use, to be compared with later."""
    rated = one.rated
    return {"fee": rated.fee, "shares": shares_json(rated.shares), "counters": counters_json(rated.before)}


def billing_parts(conn: Connection, rows: Sequence[Any]) -> dict[bytes, int]:
    """use id -> position of the part of its batch that bills it."""
    wanted = {bytes(row.batch) for row in rows if row.form == UsageForm.EVENT.value and row.batch is not None}
    places: dict[tuple[bytes, int, int], int] = {}
    for stored in store.parts_of(conn, sorted(wanted)):
        if stored.data is None or stored.channel is None:
            continue
        for number in _billed_in(bytes(stored.data)):
            places.setdefault((bytes(stored.batch), stored.channel, number), stored.position)
    numbers = {bytes(row.channel_hash): row.channel for row in store.channels(conn, rows[0].community)} if rows else {}
    found = {}
    for row in rows:
        if row.batch is not None and row.form == UsageForm.EVENT.value:
            place = places.get((bytes(row.batch), numbers.get(bytes(row.channel_hash), 0), row.number))
            if place is not None:
                found[bytes(row.use_id)] = place
    return found


def _billed_in(data: bytes) -> list[int]:
    try:
        part = Part.decode(data)
    except ProtocolError:
        return []  # kept byte for byte, and read by nobody yet: it bills nothing
    return [event.use for event in part.events if event.use is not None and event.code in BILLING]


class _Tags:
    """The payer's tag of each rating period; made once."""

    def __init__(self, conn: Connection, community: str, chain: H32, entropy: Entropy) -> None:
        self._conn, self._community, self._chain, self._entropy = conn, community, chain, entropy
        self._known: dict[tuple[bytes, int], bytes] = {}

    def of(self, payer: bytes, period_ms: int) -> bytes:
        found = self._known.get((payer, period_ms)) or store.tag_of(self._conn, self._chain, payer, period_ms)
        if found is None:
            found = self._entropy.bytes(TAG_BYTES)
            row = {"chain": self._chain, "payer": payer, "period_ms": period_ms, "community": self._community}
            store.insert_tag(self._conn, {**row, "tag": found})
        self._known[payer, period_ms] = bytes(found)
        return bytes(found)


def _rated_use(
    row: Any,
    contracts: Mapping[bytes, Contract],
    chain: H32,
    moves: Mapping[tuple[bytes, bytes], tuple[int, int]],
    tags: _Tags,
    was: Was | None,
) -> RatedUse:
    contract, kind = contracts[bytes(row.contract)], Kind(row.kind)
    scope = counter_scope(chain, kind)
    usage, plan = usage_of(row), plan_of(contract, scope)
    keys = [counter.key for counter in counters_by_contract(contract, scope, usage)]
    values = [moves[bytes(row.use_id), key] for key in keys]
    band = plan.band(usage) if not usage.aborted else -1
    rated = Rated(
        usage,
        row.fee,
        tuple((key, before) for key, (before, _) in zip(keys, values, strict=True)),
        tuple((key, after) for key, (_, after) in zip(keys, values, strict=True)),
        shares_of(row.shares),
        usage.programme if usage.aborted else plan.names[band] if band >= 0 else None,
    )
    tag = tags.of(usage.payer, plan.period(usage.end_ms).from_ms)
    return RatedUse(rated, H32(bytes(row.contract)), tag, _KINDS[kind], EvidenceLevel(row.level), was)


def _was(row: Any) -> Was:
    where = Replaced(H32(bytes(row.settled_in)), row.settled_leaf, Reason.TOO_LATE)
    return Was(where, row.settled_fee, shares_of(row.settled_shares))


def _changed_with_mates(conn: Connection, again: Sequence[tuple[Any, RatedUse]]) -> set[bytes]:
    """Uses whose fee, shares or counters are others now, and all slices that share a leaf with such a one."""
    leaves: dict[bytes, set[int]] = {}
    for row, one in again:
        now = settled_state(one)
        if (now["fee"], now["shares"], now["counters"]) != (
            row.settled_fee,
            row.settled_shares,
            row.settled_counters,
        ):
            leaves.setdefault(bytes(row.settled_in), set()).add(row.settled_leaf)
    found: set[bytes] = set()
    for h, positions in leaves.items():
        found |= store.leaf_mates(conn, h, positions)
    return found
