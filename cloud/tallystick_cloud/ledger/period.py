"""Closing a rating period: the minimum of every payer of every live contract, used or not, once.

It never closes a period that is not over, and closing again changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update
from tallystick_protocol.ids import H32
from tallystick_protocol.money.calendar import Period, period_of
from tallystick_protocol.money.contract import version_at
from tallystick_protocol.money.rating import minimum_usage
from tallystick_protocol.money.zone import offsets_of

from tallystick_cloud.contracts.model import Version
from tallystick_cloud.contracts.store import book_to_price
from tallystick_cloud.errors import Conflict
from tallystick_cloud.ledger.lot import Booked, Cause
from tallystick_cloud.ledger.model import FreshUse, Kind, counter_scope
from tallystick_cloud.ledger.service import book
from tallystick_cloud.ledger.store import lock_chains
from tallystick_cloud.schema import period_close, posting_period


@dataclass(frozen=True, slots=True)
class Closed:
    chain: bytes
    period: Period
    minimums: int
    again: bool  # it was closed before; nothing changed


def close(
    conn: Connection, community: str, at_ms: int, now_ms: int, only: Collection[bytes] | None = None
) -> list[Closed]:
    """Close, for every contract or those named, the rating period that holds `at_ms`.

    Raises Conflict when one is not over.
    """
    chains: dict[bytes, list[Version]] = {}
    for version in book_to_price(conn, community).versions:
        if only is None or version.chain in only:
            chains.setdefault(version.chain, []).append(version)
    lock_chains(conn, chains)  # nobody posts to the posting period while it is being closed
    closed = []
    for chain in sorted(chains):
        contract = version_at([version.contract for version in chains[chain]], at_ms)
        if contract is not None:
            closed.append(_close_chain(conn, community, chains[chain], period_of(contract, at_ms), now_ms))
    if any(not one.again for one in closed):
        _next_posting_period(conn, community, now_ms)
    return closed


def _close_chain(conn: Connection, community: str, versions: list[Version], period: Period, now_ms: int) -> Closed:
    chain = versions[0].chain
    if now_ms < period.to_ms:
        contract = versions[-1].contract
        last_ms = offsets_of(contract.zone).local(period.to_ms - 1)
        last = datetime.fromtimestamp(last_ms / 1000, UTC).date()
        raise Conflict("period", f"of {contract.name} ends with {last}; close it when it is over")
    done = conn.execute(
        select(period_close.c.chain).where(period_close.c.chain == chain, period_close.c.from_ms == period.from_ms)
    ).first()
    if done is not None:
        return Closed(chain, period, 0, again=True)
    booked = _book_minimums(conn, community, versions, period, now_ms)
    conn.execute(
        insert(period_close),
        {
            "chain": chain,
            "from_ms": period.from_ms,
            "community": community,
            "to_ms": period.to_ms,
            "closed_ms": now_ms,
            "uses": len(booked),
        },
    )
    return Closed(chain, period, len(booked), again=False)


def _book_minimums(
    conn: Connection, community: str, versions: list[Version], period: Period, now_ms: int
) -> list[Booked]:
    """A pseudo use per payer at the end of the period; a late use before it corrects it like any other."""
    last = version_at([version.contract for version in versions], period.to_ms - 1)
    version = next((one for one in versions if one.contract is last), None)
    if version is None or last is None or last.tariff.minimum is None or not version.prices:
        return []
    kind = Kind.LIVE if version.live else Kind.SHADOW
    scope = counter_scope(version.chain, kind)
    fresh = [
        FreshUse(
            usage=minimum_usage(scope, last, payer, period),
            contract=H32(version.h),
            chain=H32(version.chain),
            kind=kind,
            gid=None,
            subject=None,
            level=0,
            batch=None,
        )
        for payer in sorted(version.minimum_payers)
    ]
    cause = Cause(f"period:{version.chain.hex()}:{period.from_ms}", "period-close", version.h, now_ms)
    return book(conn, community, fresh, {one.h: one for one in versions}, cause)


def _next_posting_period(conn: Connection, community: str, now_ms: int) -> None:
    """What is posted from now on belongs to the next posting period; a closed one never changes."""
    conn.execute(
        update(posting_period)
        .where(posting_period.c.community == community, posting_period.c.closed_ms.is_(None))
        .values(closed_ms=now_ms)
    )
    conn.execute(insert(posting_period), {"community": community, "opened_ms": now_ms})
