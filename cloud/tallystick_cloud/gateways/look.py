"""What the page of one gateway shows, as plain values, and the SQL that reads them.

It never changes anything and names no user."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select
from tallystick_protocol import cose
from tallystick_protocol.batch import read_batch
from tallystick_protocol.codes import TimeQuality

from tallystick_cloud.city.model import GatewayState, state_of
from tallystick_cloud.errors import NotFound
from tallystick_cloud.schema import (
    alarm,
    asset,
    batch,
    channel,
    claim,
    descriptor,
    exception,
    gateway,
    gateway_contact,
    gateway_head,
    party,
    site,
)

SLOT_MS = 15 * 60_000
"""Width of a cell of the strip: a gateway that runs seals at least once in it."""
SLOTS = 96


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One channel with its meter and its last reading; `unit` with 10^exponent, `open_count` not billed yet."""

    number: int
    asset: str
    meter: str
    serial: str
    profile: str
    quantity: str
    unit: str
    exponent: int
    last_total: int | None
    last_ms: int | None
    open_count: int


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An open alarm of the gateway."""

    id: int
    code: str
    severity: str
    text: str
    raised_ms: int
    times: int
    taken_by: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A quarter of an hour: how many batches were sealed in it; None before the gateway was enrolled."""

    start_ms: int
    batches: int | None


@dataclass(frozen=True, slots=True)
class GatewayPage:
    """Everything of the page. Times in ms UTC; `slowest_ms`: from sealing to receipt within the strip."""

    gid: bytes
    name: str
    site: str
    address: str
    state: GatewayState
    serial: str
    software: str
    storage: str
    enrolled_ms: int
    certificate_ms: int | None
    last_seen_ms: int | None
    last_batch_ms: int | None
    transport: str
    clock_error_ms: int | None
    clock: TimeQuality | None
    batches: int
    readings: int
    epoch: int
    next_seq: int
    forks: int
    slowest_ms: int | None
    waiting: int
    channels: tuple[ChannelView, ...]
    alarms: tuple[AlarmRow, ...]
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site for which a claim can be made; `gateway` is the one there now, `open_until_ms` of an unused claim."""

    id: str
    name: str
    gateway: str
    open_until_ms: int | None


def look(conn: Connection, community: str, gid: bytes, now_ms: int) -> GatewayPage:
    """One gateway of the community; NotFound for any other."""
    row = conn.execute(
        select(gateway, site.c.name.label("site_name"), site.c.address, gateway_contact, gateway_head.c.epoch,
               gateway_head.c.next_seq, gateway_head.c.forks)
        .outerjoin(site, and_(site.c.community == gateway.c.community, site.c.id == gateway.c.site))
        .outerjoin(gateway_contact, gateway_contact.c.gid == gateway.c.gid)
        .outerjoin(gateway_head, gateway_head.c.gid == gateway.c.gid)
        .where(gateway.c.community == community, gateway.c.gid == gid)
    ).one_or_none()  # fmt: skip
    if row is None:
        raise NotFound("gateway", f"{gid.hex()[:12]} is not a gateway of this community")
    alarms = _alarms(conn, community, gid)
    critical = any(one.severity == "critical" for one in alarms)
    slots, slowest_ms = _slots(conn, gid, row.enrolled_ms, now_ms)
    return GatewayPage(
        gid=gid,
        name=row.name,
        site=row.site_name or row.site,
        address=row.address or "",
        state=state_of(row.last_seen_ms, critical, now_ms),
        serial=row.serial,
        software=row.software,
        storage=row.storage_class,
        enrolled_ms=row.enrolled_ms,
        certificate_ms=row.certificate_expires_ms,
        last_seen_ms=row.last_seen_ms,
        last_batch_ms=row.last_batch_ms,
        transport=row.transport or "",
        clock_error_ms=row.clock_error_ms,
        clock=_clock(conn, gid),
        batches=row.batches or 0,
        readings=row.readings or 0,
        epoch=row.epoch or 1,
        next_seq=row.next_seq or 1,
        forks=row.forks or 0,
        slowest_ms=slowest_ms,
        waiting=_waiting(conn, community, gid),
        channels=_channels(conn, gid),
        alarms=alarms,
        slots=slots,
    )


def sites(conn: Connection, community: str, now_ms: int) -> list[SiteView]:
    """All sites by name, with the gateway and an open claim if there are."""
    gateways = {row.site: row.name for row in conn.execute(select(gateway).where(gateway.c.community == community))}
    claims = conn.execute(
        select(claim.c.site, func.max(claim.c.expires_ms))
        .where(claim.c.community == community, claim.c.burned_ms.is_(None), claim.c.expires_ms > now_ms)
        .group_by(claim.c.site)
    )
    until = {name: int(ms) for name, ms in claims}
    rows = conn.execute(select(site.c.id, site.c.name).where(site.c.community == community).order_by(site.c.name))
    return [SiteView(row.id, row.name, gateways.get(row.id, ""), until.get(row.id)) for row in rows]


def _clock(conn: Connection, gid: bytes) -> TimeQuality | None:
    """What the newest batch says of the gateway's own clock; None before any."""
    envelope = conn.execute(
        select(batch.c.envelope)
        .where(batch.c.gid == gid, batch.c.standing == "posted")
        .order_by(batch.c.epoch.desc(), batch.c.seq.desc())
        .limit(1)
    ).scalar_one_or_none()
    if not envelope:
        return None
    _, opened, _ = read_batch(cose.parse(bytes(envelope)).payload)
    return None if opened is None else TimeQuality(opened.quality)


def _alarms(conn: Connection, community: str, gid: bytes) -> tuple[AlarmRow, ...]:
    """Worst first, then newest."""
    rows = conn.execute(
        select(alarm, party.c.name.label("taken_name"))
        .outerjoin(party, party.c.id == alarm.c.taken_by)
        .where(
            alarm.c.community == community, alarm.c.gid == gid, alarm.c.cleared_ms.is_(None), alarm.c.test.is_(False)
        )
    )
    found = [
        AlarmRow(row.id, row.code, row.severity, row.text, row.raised_ms, row.times, row.taken_name) for row in rows
    ]
    weight = {"critical": 0, "warning": 1}
    return tuple(sorted(found, key=lambda one: (weight.get(one.severity, 2), -one.raised_ms)))


def _channels(conn: Connection, gid: bytes) -> tuple[ChannelView, ...]:
    papers = {
        row.channel: row
        for row in conn.execute(select(descriptor).where(descriptor.c.gid == gid).order_by(descriptor.c.leaf))
    }
    rows: Sequence[Any] = conn.execute(
        select(channel, asset.c.name.label("asset_name"))
        .outerjoin(asset, and_(asset.c.community == channel.c.community, asset.c.id == channel.c.asset))
        .where(channel.c.gid == gid)
        .order_by(channel.c.channel)
    ).all()
    return tuple(_channel(row, papers.get(row.channel)) for row in rows)


def _channel(row: Any, paper: Any) -> ChannelView:
    return ChannelView(
        row.channel, row.asset_name or row.asset, row.meter, row.serial or getattr(paper, "serial", None) or "",
        getattr(paper, "profile", ""), row.quantity, row.unit, row.exponent, row.last_total, row.last_reading_ms,
        0 if row.last_total is None or row.billed_total is None else row.last_total - row.billed_total,
    )  # fmt: skip


def _slots(conn: Connection, gid: bytes, enrolled_ms: int, now_ms: int) -> tuple[tuple[Slot, ...], int | None]:
    """The last 24 h in quarters, and the slowest batch within them."""
    first = (now_ms // SLOT_MS - SLOTS + 1) * SLOT_MS
    number = (batch.c.created_ms - batch.c.created_ms % SLOT_MS).label("slot")
    rows = conn.execute(
        select(number, func.count(), func.max(batch.c.received_ms - batch.c.created_ms))
        .where(batch.c.gid == gid, batch.c.created_ms >= first)
        .group_by(number)
    ).all()
    counts = {int(row[0]): int(row[1]) for row in rows}
    slowest = max((int(row[2]) for row in rows), default=None)
    slots = []
    for start in range(first, now_ms + 1, SLOT_MS):
        begun = start + SLOT_MS > enrolled_ms or start in counts
        slots.append(Slot(start, counts.get(start, 0) if begun else None))
    return tuple(slots), None if slowest is None else max(0, slowest)


def _waiting(conn: Connection, community: str, gid: bytes) -> int:
    """Spans of this gateway that wait for a person."""
    found = conn.execute(
        select(func.count()).where(
            exception.c.community == community, exception.c.gid == gid, exception.c.state != "closed"
        )
    ).scalar_one()
    return int(found)
