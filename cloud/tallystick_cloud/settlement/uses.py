"""The rated uses of one contract chain for one settlement: what is new, and what changed since it was settled.

It never rates: fees, shares and counters are those of the books.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from tallystick_protocol.codes import EventCode, EvidenceLevel, Reason, UseKind
from tallystick_protocol.errors import ProtocolError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.contract import Contract
from tallystick_protocol.money.plan import plan_of
from tallystick_protocol.money.rating import Rated, UsageForm
from tallystick_protocol.money.settle import RatedUse, Was
from tallystick_protocol.money.tariff import Form
from tallystick_protocol.part import Part
from tallystick_protocol.settled_use import TAG_BYTES, Replaced, Use

from tallystick_cloud.ledger.model import Kind, counter_scope, position_of
from tallystick_cloud.ledger.rows import Steps, keyed_steps, shares_of, usage_of
from tallystick_cloud.ports import Entropy

from . import sources, store
from .model import TreeKey
from .pairs import pairs_json, pairs_of

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
    fresh = sources.fresh_uses(conn, chain, to_ms)
    gone = sources.first_reversed(conn, chain)
    starts = [position_of(row) for row in fresh] + ([] if gone is None else [gone])
    later = sources.settled_uses(conn, chain, min(starts)) if starts else []
    books = _Books(conn, community, chain, contracts, entropy)
    changed = [row for row in later if _differs(row, books.rated_use(row, books.was(row)))]
    changed = books.with_followers(fresh, later, changed)
    again = sources.settled_uses_of(conn, _with_mates(conn, chain, contracts, changed))
    found = [(position_of(row), books.rated_use(row, None), row) for row in fresh]
    found += [(position_of(row), books.rated_use(row, books.was(row)), row) for row in again]
    found.sort(key=lambda one: one[0])
    return Gathered(tuple(one for _, one, _ in found), tuple(row for _, _, row in found))


def settled_state(one: RatedUse) -> dict[str, object]:
    """What a settlement said of a use, to be compared with later."""
    rated = one.rated
    return {"fee": rated.fee, "shares": pairs_json(rated.shares), "counters": pairs_json(rated.before)}


def billing_parts(conn: Connection, rows: Sequence[Any]) -> dict[bytes, int]:
    """use id -> position of the part of its batch that bills it."""
    wanted = {bytes(row.batch) for row in rows if row.form == UsageForm.EVENT.value and row.batch is not None}
    places: dict[tuple[bytes, int, int], int] = {}
    for stored in sources.parts_of(conn, sorted(wanted)):
        if stored.data is None or stored.channel is None:
            continue
        for number in _billed_in(bytes(stored.data)):
            places.setdefault((bytes(stored.batch), stored.channel, number), stored.position)
    numbers = (
        {bytes(row.channel_hash): row.channel for row in sources.channels(conn, rows[0].community)} if rows else {}
    )
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
    """The payer's tag of each rating period; made once.

    An erased payer's rows are gone, but a line that corrects another has its tag, or no verifier would take it.
    """

    def __init__(self, conn: Connection, community: str, chain: H32, entropy: Entropy) -> None:
        self._conn, self._community, self._chain, self._entropy = conn, community, chain, entropy
        self._known: dict[tuple[bytes, int], bytes] = {}

    def of(self, payer: bytes, period_ms: int, was: Was | None) -> bytes:
        """`was`: what a settlement said of the use before."""
        found = self._known.get((payer, period_ms)) or store.tag_of(self._conn, self._chain, payer, period_ms)
        if found is None and was is not None:
            found = self._settled(was.where)
        if found is None:
            found = self._entropy.bytes(TAG_BYTES)
            row = {"chain": self._chain, "payer": payer, "period_ms": period_ms, "community": self._community}
            store.insert_tag(self._conn, {**row, "tag": found})
        self._known[payer, period_ms] = bytes(found)
        return bytes(found)

    def _settled(self, line: Replaced) -> bytes | None:
        data = store.leaf_data(self._conn, line.settlement, TreeKey.USES, line.leaf)
        return None if data is None else Use.decode(data).tag


class _Books:
    """The books' values of uses, as `money.settle` takes them."""

    def __init__(
        self, conn: Connection, community: str, chain: H32, contracts: Mapping[bytes, Contract], entropy: Entropy
    ) -> None:
        self._conn, self._chain, self._contracts = conn, chain, contracts
        self._tags = _Tags(conn, community, chain, entropy)
        self._reversed = sources.reversed_ids(conn, chain)

    def with_followers(self, fresh: Sequence[Any], later: Sequence[Any], changed: Sequence[Any]) -> list[Any]:
        """With every later use of the same counters: who rates again takes all of them back before the first."""
        keys = {bytes(row.use_id): [key for key, _, _ in self._steps(row)] for row in (*fresh, *later)}
        starts: dict[bytes, bytes] = {}
        found = {bytes(row.use_id) for row in changed}
        grows = True
        while grows:
            for row in [*fresh, *(row for row in later if bytes(row.use_id) in found)]:
                for key in keys.get(bytes(row.use_id), ()):
                    starts[key] = min(starts.get(key, position_of(row)), position_of(row))
            after = {
                bytes(row.use_id)
                for row in later
                if any(starts.get(key, position_of(row)) < position_of(row) for key in keys.get(bytes(row.use_id), ()))
            }
            grows = not after <= found
            found |= after
        return [row for row in later if bytes(row.use_id) in found]

    def rated_use(self, row: Any, was: Was | None) -> RatedUse:
        contract, kind = self._contracts[bytes(row.contract)], Kind(row.kind)
        scope = counter_scope(self._chain, kind)
        usage, plan = usage_of(row), plan_of(contract, scope)
        if row.reversed_ms is not None:
            usage = usage._replace(aborted=True)
        steps = self._steps(row)
        is_event = usage.form is UsageForm.EVENT
        band = -1 if usage.aborted and is_event else plan.band(usage)
        rated = Rated.of(
            usage,
            row.fee,
            tuple((key, before) for key, before, _ in steps),
            tuple((key, after) for key, _, after in steps),
            shares_of(row),
            plan.names[band] if band >= 0 else usage.programme if is_event else None,
        )
        tag = self._tags.of(usage.payer, plan.period(usage.end_ms).from_ms, was)
        decision = None if row.reversal is None else H32(bytes(row.reversal))
        return RatedUse(rated, H32(bytes(row.contract)), tag, _KINDS[kind], EvidenceLevel(row.level), was, decision)

    def was(self, row: Any) -> Was:
        """What the newest settlement said of a use, and why it is said again."""
        cause = Reason.REVERSED if row.cause in self._reversed else Reason.TOO_LATE
        where = Replaced(H32(bytes(row.settled_in)), row.settled_leaf, cause)
        counters = tuple((H32(key), value) for key, value in pairs_of(row.settled_counters))
        shares = tuple((PartyId(party), nano) for party, nano in pairs_of(row.settled_shares))
        return Was(where, row.settled_fee, shares, counters)

    def _steps(self, row: Any) -> Steps:
        scope = counter_scope(self._chain, Kind(row.kind))
        return keyed_steps(row, self._contracts[bytes(row.contract)], scope)


def _differs(row: Any, one: RatedUse) -> bool:
    """Whether fee, shares or counters are others now than they were settled."""
    return settled_state(one) != {
        "fee": row.settled_fee,
        "shares": row.settled_shares,
        "counters": row.settled_counters,
    }


def _with_mates(
    conn: Connection, chain: H32, contracts: Mapping[bytes, Contract], changed: Sequence[Any]
) -> set[bytes]:
    """Joined slices are replaced with all others of their payer and rating period: they share leaves and counters."""
    found = {bytes(row.use_id) for row in changed}
    periods: set[tuple[bytes, int, int]] = set()
    for row in changed:
        contract = contracts[bytes(row.contract)]
        if contract.tariff.form is Form.INTERVAL:
            period = plan_of(contract, counter_scope(chain, Kind(row.kind))).period(row.end_ms)
            periods.add((bytes(row.payer), period.from_ms, period.to_ms))
    for payer, from_ms, to_ms in periods:
        found |= sources.settled_ids(conn, chain, payer, from_ms, to_ms)
    return found
