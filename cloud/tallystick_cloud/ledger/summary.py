"""The figures of a community: what was read, billed, split and set aside, per channel and in all.

It only reads, and it names no user beyond the parties of the split.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, cast, func, select

from tallystick_cloud.ledger.model import Account, Kind
from tallystick_cloud.ledger.rows import shares_of
from tallystick_cloud.log import store as log_store
from tallystick_cloud.parties.store import names_by_id
from tallystick_cloud.schema import (
    balance,
    batch,
    channel,
    exception,
    gateway,
    gateway_contact,
    in_order,
    meter,
    posting,
    standing,
    use,
)

LATEST_MAX = 20  # charges shown as examples; all of them are pages of their own


@dataclass(frozen=True, slots=True)
class ChannelLedger:
    """Law 15 of one channel, in counts: open before + span = billed + exceptions + open after.

    `programmes`: billed counts by programme, where uses have one."""

    gid: str
    gateway: str
    channel: int
    meter: str
    asset: str
    quantity: str
    unit: str
    exponent: int
    first_total: int | None
    last_total: int | None
    billed: int
    exceptions: int
    open: int
    programmes: dict[str, int]


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    gid: str
    name: str
    site: str
    batches: int
    readings: int
    last_seen_ms: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One priced use; amounts in nano as strings, because JSON numbers are not exact."""

    use_id: str
    kind: str
    asset: str
    number: int
    programme: str | None
    end_ms: int
    fee_nano: str
    shares_nano: dict[str, str]


@dataclass(frozen=True, slots=True)
class LogFigures:
    size: int
    root: str


@dataclass(frozen=True, slots=True)
class Summary:
    """fees, splits and uses are of live uses; shadow ones stand apart, for nothing of them is payable."""

    community: str
    gateways: list[GatewayFigures]
    meters: int
    readings: int
    batches: int
    receipts: int
    uses: int
    shadow_uses: int
    fees_nano: str
    shadow_fees_nano: str
    splits_nano: dict[str, str]
    imbalance_nano: str
    unclaimed_nano: str  # owed for long to whom nobody could pay; see `tallystick unclaimed list`
    quarantined: int
    ledger: list[ChannelLedger]
    first_charge: Charge | None
    latest_charges: list[Charge]
    log: LogFigures


def summary(conn: Connection, community: str) -> Summary:
    """All figures at one moment."""
    names = names_by_id(conn, community)
    live, shadow = _sums(conn, community, Kind.LIVE), _sums(conn, community, Kind.SHADOW)
    first, latest = _charges(conn, community, names)
    gateways = _gateways(conn, community)
    head = log_store.read_head(conn, community)
    batches = _count(conn, batch, community)
    return Summary(
        community=community,
        gateways=gateways,
        meters=_count(conn, meter, community),
        readings=sum(one.readings for one in gateways),
        batches=batches,
        receipts=batches,
        uses=sum(one.uses for one in live),
        shadow_uses=sum(one.uses for one in shadow),
        fees_nano=str(sum(one.fee for one in live)),
        shadow_fees_nano=str(sum(one.fee for one in shadow)),
        splits_nano={name: str(amount) for name, amount in sorted(_splits(conn, community, names, live).items())},
        imbalance_nano=str(imbalance(conn, community)),
        unclaimed_nano=str(_unclaimed(conn, community)),
        quarantined=_quarantined(conn, community),
        ledger=channel_ledgers(conn, community),
        first_charge=first,
        latest_charges=latest,
        log=LogFigures(0, "") if head is None else LogFigures(head.size, head.root.hex()),
    )


def imbalance(conn: Connection, community: str) -> int:
    """Sum of the absolute sums of all postings per unit: 0, or the books are wrong."""
    rows = conn.execute(
        select(posting.c.unit, func.sum(posting.c.amount))
        .where(posting.c.community == community)
        .group_by(posting.c.unit)
    )
    return sum(abs(int(amount)) for _, amount in rows)


def _unclaimed(conn: Connection, community: str) -> int:
    where = balance.c.community == community, balance.c.account == Account.UNCLAIMED.value
    return -int(conn.execute(select(func.coalesce(func.sum(balance.c.amount), 0)).where(*where)).scalar_one())


def channel_ledgers(conn: Connection, community: str) -> list[ChannelLedger]:
    """Every channel that was heard of, by gateway and number."""
    billed = _billed(conn, community)
    excepted = _excepted(conn, community)
    programmes = _programmes(conn, community)
    rows = conn.execute(
        select(channel, gateway.c.name.label("gateway_name"))
        .join(gateway, gateway.c.gid == channel.c.gid)
        .where(channel.c.community == community, channel.c.first_total.is_not(None))
        .order_by(gateway.c.name, channel.c.channel)
    )
    return [
        ChannelLedger(
            gid=bytes(row.gid).hex(),
            gateway=row.gateway_name,
            channel=row.channel,
            meter=row.meter,
            asset=row.asset,
            quantity=row.quantity,
            unit=row.unit,
            exponent=row.exponent,
            first_total=row.first_total,
            last_total=row.last_total,
            billed=billed.get(bytes(row.channel_hash), 0),
            exceptions=excepted.get(bytes(row.channel_hash), 0),
            open=row.last_total - row.billed_total,
            programmes=programmes.get(bytes(row.channel_hash), {}),
        )
        for row in rows
    ]


def _billed(conn: Connection, community: str) -> dict[bytes, int]:
    rows = conn.execute(
        select(use.c.channel_hash, func.sum(use.c.to_total - use.c.from_total))
        .where(use.c.community == community, use.c.gid.is_not(None))
        .group_by(use.c.channel_hash)
    )
    return {bytes(h): int(counts) for h, counts in rows}


def _programmes(conn: Connection, community: str) -> dict[bytes, dict[str, int]]:
    rows = conn.execute(
        select(use.c.channel_hash, use.c.programme, func.sum(use.c.to_total - use.c.from_total))
        .where(use.c.community == community, use.c.programme.is_not(None), use.c.aborted.is_(False))
        .group_by(use.c.channel_hash, use.c.programme)
        .order_by(use.c.programme)
    )
    found: dict[bytes, dict[str, int]] = defaultdict(dict)
    for h, programme, counts in rows:
        found[bytes(h)][programme] = int(counts)
    return found


def _excepted(conn: Connection, community: str) -> dict[bytes, int]:
    """Counts at or below the mark that no use bills: each stands in an exception row with its reason."""
    rows = conn.execute(
        select(exception.c.channel_hash, func.sum(exception.c.to_total - exception.c.from_total))
        .where(
            exception.c.community == community,
            exception.c.state == "open",
            exception.c.channel_hash.is_not(None),
            exception.c.to_total.is_not(None),
            exception.c.from_total.is_not(None),
        )
        .group_by(exception.c.channel_hash)
    )
    return {bytes(h): int(counts) for h, counts in rows}


@dataclass(frozen=True, slots=True)
class _Sum:
    """Uses of one split."""

    parties: str  # as in their frames
    uses: int
    fee: int


def _sums(conn: Connection, community: str, kind: Kind) -> list[_Sum]:
    """With the price that stands."""
    of = standing.c
    rows = conn.execute(
        select(of.parties, func.count(), func.sum(of.fee))
        .where(of.community == community, of.kind == kind.value)
        .group_by(of.parties)
    )
    return [_Sum(parties, int(uses), int(fee)) for parties, uses, fee in rows]


def _splits(conn: Connection, community: str, names: dict[bytes, str], live: list[_Sum]) -> dict[str, int]:
    """Nano by the name of each party that a split of live uses names."""
    of, found = standing.c, defaultdict[str, int](int)
    for one in live:
        parties = [bytes.fromhex(party) for party in one.parties.split()]
        parts = [func.sum(cast(func.split_part(of.shares, " ", at + 1), BigInteger)) for at in range(len(parties))]
        mine = of.community == community, of.kind == Kind.LIVE.value, of.parties == one.parties
        amounts = conn.execute(select(*parts).where(*mine)).one() if parts else ()
        for party, amount in zip(parties, amounts, strict=True):
            found[names.get(party, party.hex())] += int(amount)
    return found


def _charges(conn: Connection, community: str, names: dict[bytes, str]) -> tuple[Charge | None, list[Charge]]:
    """The first live use in canonical order, and the last of them, with the prices that stand."""
    live = select(standing).where(standing.c.community == community, standing.c.kind == Kind.LIVE.value)
    order = in_order(standing)
    first = conn.execute(live.order_by(*order).limit(1)).one_or_none()
    latest = conn.execute(live.order_by(*(column.desc() for column in order)).limit(LATEST_MAX)).all()
    return None if first is None else _charge(first, names), [_charge(row, names) for row in reversed(latest)]


def _charge(row: Any, names: dict[bytes, str]) -> Charge:
    return Charge(
        use_id=bytes(row.use_id).hex(),
        kind=row.kind,
        asset=row.asset,
        number=row.number,
        programme=row.programme,
        end_ms=row.end_ms,
        fee_nano=str(row.fee),
        shares_nano={names.get(party, party.hex()): str(amount) for party, amount in shares_of(row)},
    )


def _gateways(conn: Connection, community: str) -> list[GatewayFigures]:
    rows = conn.execute(
        select(
            gateway.c.gid,
            gateway.c.name,
            gateway.c.site,
            gateway_contact.c.batches,
            gateway_contact.c.readings,
            gateway_contact.c.last_seen_ms,
        )
        .join(gateway_contact, gateway_contact.c.gid == gateway.c.gid)
        .where(gateway.c.community == community)
        .order_by(gateway.c.name)
    )
    return [
        GatewayFigures(bytes(gid).hex(), name, site, batches, readings, seen)
        for gid, name, site, batches, readings, seen in rows
    ]


def _quarantined(conn: Connection, community: str) -> int:
    found = conn.execute(
        select(func.count()).where(exception.c.community == community, exception.c.state == "quarantined")
    )
    return int(found.scalar_one())


def _count(conn: Connection, table: object, community: str) -> int:
    return int(conn.execute(select(func.count()).where(table.c.community == community)).scalar_one())  # type: ignore[attr-defined]
