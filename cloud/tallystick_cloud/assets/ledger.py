"""The ledger of one asset: what its uses brought, who got it, who has a claim on it, and what is still open.

It only reads, and names nobody who uses the asset: how many payers there were is enough here.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from tallystick_protocol.money.contract import Contract, version_at
from tallystick_protocol.money.split import Scope

from tallystick_cloud.contracts.store import book
from tallystick_cloud.errors import NotFound
from tallystick_cloud.http.month import Month
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.owner.service import standing
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.schema import asset, channel, exception, in_order, standing_at


@dataclass(slots=True)
class MonthOfAsset:
    """Money in nano; `revenue` is the sum of `shares`. Shadow and test uses are in `uses` of no month."""

    month: str
    uses: int = 0
    payers: int = 0
    revenue: int = 0
    shares: dict[str, int] = field(default_factory=dict)  # by name


@dataclass(frozen=True, slots=True)
class Claim:
    """A capped step of the split: who has it, how much of the cap was taken, per contract's lifetime or period."""

    contract: str
    counter: str
    holders: tuple[str, ...]
    per: str
    taken: int
    cap: int


@dataclass(frozen=True, slots=True)
class AssetLedger:
    """As known at `as_of_ms`: nothing recorded later is in it."""

    id: str
    name: str
    kind: str
    owner: str | None
    unit: str
    as_of_ms: int
    months: tuple[MonthOfAsset, ...]
    claims: tuple[Claim, ...]
    contracts: tuple[str, ...]
    shadow_uses: int
    open_spans: int  # counts that wait for a person's decision

    @property
    def revenue(self) -> int:
        return sum(one.revenue for one in self.months)

    @property
    def shares(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for one in self.months:
            for name, nano in one.shares.items():
                found[name] += nano
        return dict(found)


def ledger_of(conn: Connection, community: str, asset_id: str, zone: str, unit: str, as_of_ms: int) -> AssetLedger:
    """Raises NotFound."""
    row = conn.execute(select(asset).where(asset.c.community == community, asset.c.id == asset_id)).one_or_none()
    if row is None:
        raise NotFound("asset", f"{asset_id!r} is not an asset of {community}; see `tallystick asset list`")
    names = names_by_id(conn, community)
    uses = _uses(conn, community, asset_id, as_of_ms)
    contracts = _contracts(conn, community, asset_id, as_of_ms)
    claims = [claim for chain, one in contracts for claim in _claims(conn, chain, one, names, as_of_ms)]
    return AssetLedger(
        asset_id,
        row.name,
        row.kind,
        None if row.owner is None else names.get(bytes(row.owner)),
        unit,
        as_of_ms,
        tuple(_months((one for one in uses if one.kind == "live"), names, zone)),
        tuple(claims),
        tuple(sorted(one.name for _, one in contracts)),
        sum(one.kind == "shadow" for one in uses),
        _open_spans(conn, community, asset_id, as_of_ms),
    )


def _uses(conn: Connection, community: str, asset_id: str, as_of_ms: int) -> list[Any]:
    """Uses with the rating that stood then."""
    stood = standing_at(as_of_ms)
    return list(
        conn.execute(
            select(
                stood.c.kind, stood.c.end_ms, stood.c.payer, stood.c.form, stood.c.fee, stood.c.parties, stood.c.shares
            )
            .where(stood.c.community == community, stood.c.asset == asset_id)
            .order_by(*in_order(stood))
        )
    )


def _months(uses: Iterable[Any], names: dict[bytes, str], zone: str) -> list[MonthOfAsset]:
    found: dict[str, MonthOfAsset] = {}
    payers: dict[str, set[bytes]] = defaultdict(set)
    for row in uses:
        text = Month.of(row.end_ms - 1, zone).text  # a use that ends at midnight belongs to the day before
        month = found.setdefault(text, MonthOfAsset(text))
        month.uses += 1
        month.revenue += row.fee
        payers[text].add(bytes(row.payer))
        for party, nano in shares_of(row):
            name = names.get(bytes(party), bytes(party).hex())
            month.shares[name] = month.shares.get(name, 0) + nano
    for text, month in found.items():
        month.payers = len(payers[text])
    return [found[text] for text in sorted(found)]


def _contracts(conn: Connection, community: str, asset_id: str, at_ms: int) -> list[tuple[bytes, Contract]]:
    """(chain, version that holds then) of the contracts that price the asset."""
    chains: dict[bytes, list[Contract]] = {}
    for version in book(conn, community).versions:
        chains.setdefault(version.chain, []).append(version.contract)
    holding = [(chain, version_at(versions, at_ms)) for chain, versions in sorted(chains.items())]
    return [(chain, one) for chain, one in holding if one and any(terms.asset == asset_id for terms in one.assets)]


def _claims(conn: Connection, chain: bytes, contract: Contract, names: dict[bytes, str], at_ms: int) -> Iterable[Claim]:
    for step in contract.split:
        if step.cap is not None and step.counter is not None and step.cap_per is not None:
            holders = tuple(names.get(bytes(party), bytes(party).hex()) for party, _ in step.to)
            taken = standing(conn, chain, contract, step, at_ms)
            per = "lifetime" if step.cap_per is Scope.LIFETIME else contract.terms.rating_period.value
            yield Claim(contract.name, step.counter, holders, per, taken, step.cap.nano())


def _open_spans(conn: Connection, community: str, asset_id: str, at_ms: int) -> int:
    return conn.execute(
        select(func.count())
        .select_from(exception)
        .join(channel, channel.c.channel_hash == exception.c.channel_hash)
        .where(exception.c.community == community, channel.c.asset == asset_id, exception.c.opened_ms <= at_ms)
        .where(exception.c.state != "quarantined")
        .where(exception.c.closed_ms.is_(None) | (exception.c.closed_ms > at_ms))
    ).scalar_one()
