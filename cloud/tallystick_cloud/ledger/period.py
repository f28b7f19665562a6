"""Closing a rating period: standing charge, rebate and minimum of every payer of every contract, used or not, once.

It never closes a period that is not over, and closing again changes nothing. Periods before it that nobody closed are
closed with it, or their minimums would be owed by nobody.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from sqlalchemy import Connection, func, insert, select, update
from tallystick_protocol.ids import H32, PartyId
from tallystick_protocol.money.calendar import Period, days_in, period_of
from tallystick_protocol.money.contract import Contract, ContractState, InForce, in_force, version_at
from tallystick_protocol.money.rating import Usage, minimum_usage, rebate_usage, standing_usage
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.contracts.model import Version, held_until
from tallystick_cloud.contracts.store import book_to_price
from tallystick_cloud.errors import Conflict
from tallystick_cloud.ledger.lot import Cause
from tallystick_cloud.ledger.model import FreshUse, Kind, counter_scope
from tallystick_cloud.ledger.service import book
from tallystick_cloud.ledger.store import first_end, lock_chains
from tallystick_cloud.schema import contract_version, period_close, posting_period, use


@dataclass(frozen=True, slots=True)
class Closed:
    chain: bytes
    period: Period
    standing: int  # charges
    rebates: int
    minimums: int
    again: bool  # it was closed before; nothing changed


def close(
    conn: Connection, community: str, at_ms: int, now_ms: int, only: Collection[bytes] | None = None
) -> list[Closed]:
    """Close, for every contract or those named, the rating period that holds `at_ms` and those before it that are open.

    Of a contract that has ended it is the period in which it did. Raises Conflict when one is not over.
    """
    chains: dict[bytes, list[Version]] = {}
    for version in book_to_price(conn, community).versions:
        if only is None or version.chain in only:
            chains.setdefault(version.chain, []).append(version)
    lock_chains(conn, chains)  # nobody posts to the posting period while it is being closed
    closed = []
    for chain in sorted(chains):
        held = held_until([version.contract for version in chains[chain]], at_ms)
        if held is not None:
            last = period_of(*held)
            _check_over(chains[chain][-1].contract, last, now_ms)
            for period in _open_until(conn, chains[chain], last):
                closed.append(_close_chain(conn, community, chains[chain], period, now_ms))
    if any(not one.again for one in closed):
        _next_posting_period(conn, community, now_ms)
    return closed


def first_ms(conn: Connection, chain: bytes, period: Period) -> int:
    """When the first period began that was closed of a contract; this one's begin where none was before it."""
    first = conn.execute(select(func.min(period_close.c.from_ms)).where(period_close.c.chain == chain)).scalar_one()
    return period.from_ms if first is None else min(first, period.from_ms)


def _check_over(contract: Contract, period: Period, now_ms: int) -> None:
    if now_ms < period.to_ms:
        last_ms = offsets_of(contract.zone).local(period.to_ms - 1)
        last = datetime.fromtimestamp(last_ms / 1000, UTC).date()
        raise Conflict("period", f"of {contract.name} ends with {last}; close it when it is over")


def _open_until(conn: Connection, versions: Sequence[Version], last: Period) -> list[Period]:
    """The periods of a contract that nobody closed, up to this one, which is among them in any case: those after the
    newest closed one or, without any, since the contract was agreed, and not before it began; and those before them in
    which it priced something, as when it was agreed for days that were past."""
    chain, contracts = versions[0].chain, [one.contract for one in versions]
    of = period_close.c
    first_ms, next_ms = conn.execute(select(func.min(of.from_ms), func.max(of.to_ms)).where(of.chain == chain)).one()
    if next_ms is None:
        agreed = select(func.min(contract_version.c.in_force_ms)).where(contract_version.c.chain == chain)
        next_ms = max(conn.execute(agreed).scalar_one() or last.from_ms, contracts[0].effective_from_ms)
        first_ms = min(next_ms, last.from_ms)
    used_ms = first_end(conn, chain)
    earlier = [] if used_ms is None else _periods(contracts, used_ms - 1, first_ms)
    since_ms = max([next_ms, *(one.to_ms for one in earlier)])
    return [*earlier, *_periods(contracts, since_ms, last.from_ms), last]


def _periods(contracts: Sequence[Contract], from_ms: int, to_ms: int) -> list[Period]:
    """The rating periods that begin before `to_ms`, from the one that holds `from_ms` on, of the versions then."""
    found: list[Period] = []
    while from_ms < to_ms:
        contract = version_at(contracts, from_ms)
        if contract is None:
            from_ms = min(
                (one.effective_from_ms for one in contracts if one.effective_from_ms > from_ms), default=to_ms
            )
            continue
        found.append(period_of(contract, from_ms))
        from_ms = found[-1].to_ms
    return found


def _close_chain(conn: Connection, community: str, versions: list[Version], period: Period, now_ms: int) -> Closed:
    chain = versions[0].chain
    done = conn.execute(
        select(period_close.c.chain).where(period_close.c.chain == chain, period_close.c.from_ms == period.from_ms)
    ).first()
    if done is not None:
        return Closed(chain, period, 0, 0, 0, again=True)
    users = cache(lambda kind: _users(conn, chain, kind, period))
    stood, given = standing_charges(versions, period, users), rebates(versions, period, users)
    owed = _minimums(versions, period)
    fresh = [*stood, *given, *owed]
    if fresh:
        cause = Cause(f"period:{chain.hex()}:{period.from_ms}", "period-close", fresh[-1].contract, now_ms)
        book(conn, community, fresh, {one.h: one for one in versions}, cause)
    conn.execute(
        insert(period_close),
        {
            "chain": chain,
            "from_ms": period.from_ms,
            "community": community,
            "to_ms": period.to_ms,
            "closed_ms": now_ms,
            "uses": len(fresh),
        },
    )
    return Closed(chain, period, len(stood), len(given), len(owed), again=False)


Users = Callable[[Kind], Collection[tuple[bytes, PartyId]]]
"""Who pays for uses of a kind in a period, and by which version: also those whom a version no longer knows, because
they were erased."""


def rebates(versions: Sequence[Version], period: Period, users: Users = lambda _: ()) -> list[FreshUse]:
    """A pseudo use at the end of the period for everybody who paid under any version of it, by the last one's tiers;
    and for those of the version before it, because a use that ran when the period began is counted in it, and those
    who used something."""
    by_contract = {id(one.contract): one for one in versions}
    before = version_at([one.contract for one in versions], period.from_ms - 1)
    found: list[FreshUse] = []
    for kind, spans in _spans(versions, period):
        last = spans[0]
        if not last.contract.tariff.has_rebate:
            continue
        scope = counter_scope(versions[0].chain, kind)
        stood = [span.contract for span in spans]
        if before is not None and before.state is last.contract.state:
            stood.append(before)
        used = frozenset(payer for _, payer in users(kind))
        payers = used.union(*(by_contract[id(one)].payers for one in stood))
        usages = [rebate_usage(scope, payer, period, last.until_ms) for payer in sorted(payers)]
        found += _fresh(by_contract[id(last.contract)], kind, usages)
    return found


def _users(conn: Connection, chain: bytes, kind: Kind, period: Period) -> Collection[tuple[bytes, PartyId]]:
    mine = use.c.chain == chain, use.c.kind == kind.value, use.c.end_ms > period.from_ms, use.c.end_ms <= period.to_ms
    rows = conn.execute(select(use.c.contract, use.c.payer).where(*mine).distinct())
    return {(bytes(contract), PartyId(bytes(payer))) for contract, payer in rows}


def standing_charges(versions: Sequence[Version], period: Period, users: Users = lambda _: ()) -> list[FreshUse]:
    """A pseudo use at the end of the period for every version that stood in it and everybody who owed its charge then:
    for the days in which it did, so that who came or went in the middle owes a part. Where nobody shares, whoever used
    something owes it."""
    by_contract = {id(one.contract): one for one in versions}
    found: list[FreshUse] = []
    for kind, spans in _spans(versions, period):
        scope = counter_scope(versions[0].chain, kind)
        for contract, from_ms, until_ms in reversed(spans):
            offsets = offsets_of(contract.zone)
            days = days_in(period, from_ms, offsets), days_in(period, until_ms, offsets)
            if contract.tariff.standing_charge is None or days[0] == days[1]:
                continue
            version = by_contract[id(contract)]
            owing = version.period_payers
            if not contract.has_sharers:
                owing |= {payer for h, payer in users(kind) if h == version.h}
            usages = [standing_usage(scope, one, period, from_ms, days) for one in sorted(owing)]
            found += _fresh(version, kind, usages)
    return found


def _spans(versions: Sequence[Version], period: Period) -> list[tuple[Kind, list[InForce]]]:
    """Which versions priced anything in the period, by what their uses were; none without any."""
    contracts = [one.contract for one in versions]
    kinds = (ContractState.LIVE, Kind.LIVE), (ContractState.SHADOW, Kind.SHADOW)
    found = [(kind, in_force(contracts, state, period.from_ms, period.to_ms)) for state, kind in kinds]
    return [(kind, spans) for kind, spans in found if spans]


def _minimums(versions: Sequence[Version], period: Period) -> list[FreshUse]:
    """A pseudo use at the end of the period for everybody who owes the minimum of its last version."""
    held = held_until([version.contract for version in versions], period.to_ms - 1)
    if held is None or held[1] < period.from_ms or held[0].tariff.minimum is None:
        return []
    last = held[0]
    version = next(one for one in versions if one.contract is last)
    if not version.prices:
        return []
    kind = Kind.LIVE if version.live else Kind.SHADOW
    scope = counter_scope(version.chain, kind)
    return _fresh(version, kind, [minimum_usage(scope, last, one, period) for one in sorted(version.period_payers)])


def _fresh(version: Version, kind: Kind, usages: Iterable[Usage]) -> list[FreshUse]:
    """Nothing that a gateway told; a late use before them corrects them like any other."""
    h, chain = H32(version.h), H32(version.chain)
    return [FreshUse(usage, h, chain, kind, gid=None, subject=None, level=0, batch=None) for usage in usages]


def _next_posting_period(conn: Connection, community: str, now_ms: int) -> None:
    """What is posted from now on belongs to the next posting period; a closed one never changes."""
    conn.execute(
        update(posting_period)
        .where(posting_period.c.community == community, posting_period.c.closed_ms.is_(None))
        .values(closed_ms=now_ms)
    )
    conn.execute(insert(posting_period), {"community": community, "opened_ms": now_ms})
