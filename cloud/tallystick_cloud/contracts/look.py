"""Contracts as their parties may see them: the versions of a chain, who agreed, and how the split runs now; reads only.

It never shows a contract to somebody who is not a party to it and holds no office."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from sqlalchemy import Connection, select
from tallystick_protocol.errors import InvariantError
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import period_of
from tallystick_protocol.money.contract import Contract, read_contract, version_at
from tallystick_protocol.money.numbers import NANO
from tallystick_protocol.money.plan import counter_key, plan_of
from tallystick_protocol.money.split import Scope, Step
from tallystick_protocol.money.user import UserOpening
from tallystick_protocol.money.waterfall import waterfall_of

from tallystick_cloud.contracts.store import openings_of
from tallystick_cloud.errors import NotFound
from tallystick_cloud.schema import approval, contract_version, counter

_NOBODY = PartyId(bytes(16))
_MEMBERS = PartyId(b"members".ljust(16, b"\0"))
_EXAMPLE_USE = bytes(32)


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version: `state` as it stands, `yes` and `no` those who answered with the log leaf of their answer."""

    h: bytes
    contract: Contract
    state: str
    proposer: bytes
    proposed_ms: int
    in_force_ms: int | None
    leaf: int
    yes: tuple[tuple[bytes, int], ...]
    no: tuple[tuple[bytes, int], ...]
    openings: tuple[UserOpening, ...]

    def assets_of(self, party: bytes | None) -> tuple[str, ...]:
        """Assets of which a party is the user, though the contract does not name it."""
        return tuple(one.asset for one in self.openings if one.party == party)


@dataclass(frozen=True, slots=True)
class Fall:
    """One step of the split with the example: what it takes and what is left after it, in nano.

    `counter`: where its capped counter stands now, None when it has none."""

    step: Step
    takes: int
    left: int
    counter: int | None


@dataclass(frozen=True, slots=True)
class ChainView:
    """A contract: its versions, newest first, the one that holds now, those that are agreed and hold later in that
    order, and the split run on an example fee."""

    chain: bytes
    versions: tuple[VersionView, ...]
    now: VersionView
    coming: tuple[VersionView, ...]
    example: int
    falls: tuple[Fall, ...]


def chains_of(conn: Connection, community: str, party: bytes | None, sees_all: bool, now_ms: int) -> list[ChainView]:
    """Every contract that the party is named in (or all, for an office), by name."""
    rows = conn.execute(select(contract_version.c.chain).where(contract_version.c.community == community).distinct())
    found = []
    for chain in sorted(bytes(row) for row in rows.scalars()):
        versions = _versions(conn, community, chain)
        if sees_all or _concerns(versions, party):
            found.append(_view(conn, chain, versions, now_ms))
    return sorted(found, key=lambda one: (one.now.contract.name, one.chain))


def chain_of(
    conn: Connection, community: str, chain: bytes, party: bytes | None, sees_all: bool, now_ms: int
) -> ChainView:
    """One contract; NotFound also when it is not the party's to see."""
    versions = _versions(conn, community, chain)
    if not versions or not (sees_all or _concerns(versions, party)):
        raise NotFound("contract", f"{chain.hex()[:12]} is not among the contracts that name you")
    return _view(conn, chain, versions, now_ms)


def _concerns(versions: Sequence[VersionView], party: bytes | None) -> bool:
    """Whether the party is named in a version, or pays for an asset of one."""
    if party is None:
        return False
    names = any(named.id == party for one in versions for named in one.contract.parties)
    return names or any(one.assets_of(party) for one in versions)


def _versions(conn: Connection, community: str, chain: bytes) -> list[VersionView]:
    """Newest first."""
    rows = conn.execute(
        select(contract_version)
        .where(contract_version.c.community == community, contract_version.c.chain == chain)
        .order_by(contract_version.c.version.desc())
    ).all()
    answers = conn.execute(
        select(approval).where(approval.c.object.in_([row.h for row in rows])).order_by(approval.c.leaf)
    ).all()
    openings = openings_of(conn, community)
    return [
        VersionView(
            bytes(row.h), read_contract(bytes(row.payload)), row.state, bytes(row.proposer), row.proposed_ms,
            row.in_force_ms, row.leaf,
            tuple((bytes(one.party), one.leaf) for one in answers if bytes(one.object) == bytes(row.h) and one.yes),
            tuple((bytes(one.party), one.leaf) for one in answers if bytes(one.object) == bytes(row.h) and not one.yes),
            openings.get(bytes(row.h), ()),
        )
        for row in rows
    ]  # fmt: skip


def _view(conn: Connection, chain: bytes, versions: Sequence[VersionView], now_ms: int) -> ChainView:
    in_force = [one.contract for one in versions if one.in_force_ms is not None]
    holds = version_at(in_force, now_ms)
    now = next((one for one in versions if one.contract is holds), versions[0])
    example = _example_fee(now.contract, H32(chain))
    falls = _falls(conn, H32(chain), now.contract, example, now_ms)
    return ChainView(chain, tuple(versions), now, _coming(versions, now, now_ms), example, falls)


def _coming(versions: Sequence[VersionView], now: VersionView, now_ms: int) -> tuple[VersionView, ...]:
    """What will hold after now, as far as it is agreed: at each moment the highest version that has begun."""
    agreed = {id(one.contract): one for one in versions if one.in_force_ms is not None}
    contracts = [one.contract for one in agreed.values()]
    bounds = {one.effective_from_ms for one in contracts} | {one.effective_to_ms for one in contracts}
    found = [now]
    for bound in sorted(bound for bound in bounds if bound is not None and bound > now_ms):
        holds = version_at(contracts, bound)
        if holds is not None and agreed[id(holds)] is not found[-1]:
            found.append(agreed[id(holds)])
    return tuple(found[1:])


def _example_fee(contract: Contract, chain: H32) -> int:
    """What one price unit costs in the dearest band, or is worth in a pool's best class: a sum that people know."""
    if contract.pool is not None:
        return max(floor(one.worth(None) * NANO) for one in contract.pool.classes)
    tariff, plan = contract.tariff, plan_of(contract, chain)
    counts = max(1, tariff.counts_per_unit.n // tariff.counts_per_unit.d)
    return max(curve.slopes[0] * counts // curve.denominator for curve in plan.curves)


def _falls(conn: Connection, chain: H32, contract: Contract, fee: int, now_ms: int) -> tuple[Fall, ...]:
    """The example runs down the steps by the money rules themselves: each prefix of the split, then the rest."""
    left, found = fee, []
    split = _split_of(contract)
    for index, step in enumerate(split):
        after = _left_after(conn, chain, contract, split[: index + 1], fee, now_ms)
        found.append(Fall(step, left - after, after, _standing(conn, chain, contract, step, now_ms)))
        left = after
    if left:
        raise InvariantError(f"the split of {contract.name} leaves {left} nano")
    return tuple(found)


def _split_of(contract: Contract) -> tuple[Step, ...]:
    """The steps; of a pool, what the last of them leaves is the collector's."""
    if contract.pool is None or contract.split[-1].takes_rest:
        return contract.split
    return (*contract.split, Step(((contract.collector, 1),)))


def _left_after(conn: Connection, chain: H32, contract: Contract, steps: Sequence[Step], fee: int, now_ms: int) -> int:
    """What the first steps leave of a fee, with the counters as they stand now; a group of members stands as one."""
    placed = [step if step.group is None else replace(step, to=((_MEMBERS, 1),), group=None) for step in steps]
    parties = [*(party.id for party in contract.parties), _MEMBERS, _NOBODY]
    flow = waterfall_of((*placed, Step(to=((_NOBODY, 1),))), parties)
    values = []
    for one in flow.counters:
        period = period_of(contract, now_ms) if one.scope is Scope.PERIOD else None
        values.append(_value(conn, counter_key(chain, "split", one.name, None, period)))
    shares = flow.divide(fee, _EXAMPLE_USE, True, values)
    return shares[flow.beneficiaries.index(_NOBODY)]


def _standing(conn: Connection, chain: H32, contract: Contract, step: Step, now_ms: int) -> int | None:
    if step.cap is None or step.counter is None:
        return None
    period = period_of(contract, now_ms) if step.cap_per is Scope.PERIOD else None
    return _value(conn, counter_key(chain, "split", step.counter, None, period))


def _value(conn: Connection, key: H32) -> int:
    found = conn.execute(select(counter.c.value).where(counter.c.counter == key)).scalar_one_or_none()
    return int(found or 0)
