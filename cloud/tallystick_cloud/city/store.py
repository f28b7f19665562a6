"""The SQL of the situation room: a few short reads over one snapshot, and the one write that takes an alarm.

It never sums money in another way than the ledger does: fees and shares are its postings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, case, func, literal_column, not_, select, update
from sqlalchemy.engine import Row
from tallystick_protocol.money.usage import AT_CLOSE

from tallystick_cloud import schema
from tallystick_cloud.city.model import BUCKET_MS, Community, Place, Share, Slowest
from tallystick_cloud.schema.books import MOVING

FIND_MAX = 20
"""Rows of one kind that a search shows; more is a reason to type another letter."""
LIKE_ESCAPE = "\\"
_BUCKET = literal_column(str(BUCKET_MS), BigInteger)
"""Written into the statement: PostgreSQL takes two bound values in SELECT and GROUP BY for two expressions."""


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A gateway as stored, with its site and last contact."""

    gid: bytes
    name: str
    site: str
    place: Place | None
    software: str
    last_seen_ms: int | None


@dataclass(frozen=True, slots=True)
class AssetRow:
    """An asset with the gateway that measures it, if any."""

    id: str
    name: str
    kind: str
    site: str
    gid: bytes | None
    gateway: str | None


def find_community(conn: Connection, community: str) -> Community | None:
    """The community itself."""
    table = schema.community
    row = conn.execute(select(table).where(table.c.id == community)).one_or_none()
    if row is None:
        return None
    return Community(row.id, row.name, row.zone, row.unit, _place(row))


def gateways(conn: Connection, community: str) -> list[GatewayRow]:
    """Active gateways in order of name."""
    gateway, site, contact = schema.gateway, schema.site, schema.gateway_contact
    rows = conn.execute(
        select(
            gateway.c.gid,
            gateway.c.name,
            gateway.c.software,
            gateway.c.site,
            site.c.name.label("site_name"),
            site.c.latitude_e7,
            site.c.longitude_e7,
            contact.c.last_seen_ms,
        )
        .outerjoin(site, and_(site.c.community == gateway.c.community, site.c.id == gateway.c.site))
        .outerjoin(contact, contact.c.gid == gateway.c.gid)
        .where(gateway.c.community == community, gateway.c.state == "active")
        .order_by(gateway.c.name, gateway.c.gid)
    )
    return [
        GatewayRow(row.gid, row.name, row.site_name or row.site, _place(row), row.software, row.last_seen_ms)
        for row in rows
    ]


def open_alarms(conn: Connection, community: str) -> Sequence[Row[Any]]:
    """All alarms that are not over, whatever their age; test alarms are not the operators'."""
    alarm, party = schema.alarm, schema.party
    return conn.execute(
        select(alarm, party.c.name.label("taken_name"))
        .outerjoin(party, party.c.id == alarm.c.taken_by)
        .where(alarm.c.community == community, alarm.c.cleared_ms.is_(None), alarm.c.test.is_(False))
    ).all()


def batches_since(conn: Connection, community: str, since_ms: int) -> tuple[int, int]:
    """(batches posted, readings in them) received since then."""
    batch = schema.batch.c
    row = conn.execute(
        select(func.count(), func.coalesce(func.sum(batch.readings), 0)).where(
            batch.community == community, batch.received_ms >= since_ms, batch.standing == "posted"
        )
    ).one()
    return int(row[0]), int(row[1])


def slowest_since(conn: Connection, community: str, since_ms: int) -> Slowest | None:
    """The batch that took longest from sealing to receipt; a clock ahead of ours counts as no time."""
    batch, gateway = schema.batch.c, schema.gateway.c
    took = batch.received_ms - batch.created_ms
    row = conn.execute(
        select(took.label("took"), gateway.name, batch.received_ms)
        .join(schema.gateway, gateway.gid == batch.gid)
        .where(batch.community == community, batch.received_ms >= since_ms, batch.standing == "posted")
        .order_by(took.desc())
        .limit(1)
    ).one_or_none()
    return Slowest(max(0, int(row.took)), row.name, row.received_ms) if row else None


def uses_since(conn: Connection, community: str, since_ms: int) -> list[tuple[bytes | None, str, int, int]]:
    """(gateway, kind, uses, fees in nano by their standing rating) per gateway and kind, recorded since then."""
    use = schema.standing.c
    rows = conn.execute(
        select(use.gid, use.kind, func.sum(case((use.form.in_(AT_CLOSE), 0), else_=1)), _fees())
        .where(use.community == community, use.recorded_ms >= since_ms)
        .group_by(use.gid, use.kind)
    )
    return [(row[0], row[1], int(row[2]), int(row[3])) for row in rows]


def uses_by_bucket(conn: Connection, community: str, since_ms: int) -> dict[int, tuple[int, int]]:
    """Bucket number -> (live uses, their fees), by metered end."""
    use = schema.standing.c
    bucket = (use.end_ms - use.end_ms % _BUCKET).label("bucket")
    rows = conn.execute(
        select(bucket, func.count(), _fees())
        .where(use.community == community, use.recorded_ms >= since_ms, use.end_ms >= since_ms)
        .where(use.kind == "live", use.form.not_in(AT_CLOSE))
        .group_by(bucket)
    )
    return {int(row[0]) // BUCKET_MS: (int(row[1]), int(row[2])) for row in rows}


def sealed_buckets(conn: Connection, community: str, since_ms: int) -> frozenset[int]:
    """Bucket numbers in which some gateway sealed a batch that we hold."""
    batch = schema.batch.c
    bucket = (batch.created_ms - batch.created_ms % _BUCKET).label("bucket")
    rows = conn.execute(
        select(bucket)
        .where(batch.community == community, batch.received_ms >= since_ms, batch.created_ms >= since_ms)
        .distinct()
    )
    return frozenset(int(row[0]) // BUCKET_MS for row in rows)


def postings_since(conn: Connection, community: str, since_ms: int, unit: str) -> tuple[int, list[Share]]:
    """(fees charged, what each party got of them), recorded since then; both sides are equal. Money that was paid, paid
    out or collected is none of them."""
    journal, posting, party = schema.journal.c, schema.posting.c, schema.party.c
    is_fee = posting.account == "receivable"
    rows = conn.execute(
        select(
            party.name,
            func.sum(case((is_fee, posting.amount), else_=0)),
            func.sum(case((is_fee, 0), else_=posting.amount)),
        )
        .select_from(
            schema.posting.join(schema.journal, journal.id == posting.journal).outerjoin(
                schema.party, party.id == posting.party
            )
        )
        .where(journal.community == community, journal.recorded_ms >= since_ms, posting.unit == unit)
        .where(*(not_(journal.cause.startswith(beginning)) for beginning in MOVING))
        .group_by(party.name)
    ).all()
    return sum(int(row[1]) for row in rows), [Share(row[0] or "", -int(row[2])) for row in rows if row[2]]


def imbalance_nano(conn: Connection, community: str) -> int:
    """The largest sum of all balances of one unit; anything but 0 is a fault of the books."""
    balance = schema.balance.c
    rows = conn.execute(select(func.sum(balance.amount)).where(balance.community == community).group_by(balance.unit))
    return max((abs(int(row[0])) for row in rows), default=0)


def log_head(conn: Connection, community: str) -> tuple[int, bytes]:
    """(size, root) of the community's log."""
    table = schema.log_head.c
    row = conn.execute(select(table.size, table.root).where(table.community == community)).one_or_none()
    return (int(row.size), bytes(row.root)) if row else (0, b"")


def quarantined(conn: Connection, community: str) -> int:
    """How many spans wait for a person's decision."""
    table = schema.exception.c
    found = conn.execute(
        select(func.count()).where(table.community == community, table.state == "quarantined")
    ).scalar_one()
    return int(found)


def find_assets(conn: Connection, community: str, text: str) -> list[AssetRow]:
    """Assets whose name, id or kind contains the text."""
    asset, site, channel, gateway = schema.asset, schema.site, schema.channel, schema.gateway
    pattern = contains(text)
    metered = (
        select(channel.c.gid)
        .where(channel.c.community == community, channel.c.asset == asset.c.id)
        .order_by(channel.c.gid)
        .limit(1)
        .scalar_subquery()
    )
    rows = conn.execute(
        select(
            asset.c.id,
            asset.c.name,
            asset.c.kind,
            site.c.name.label("site"),
            gateway.c.gid,
            gateway.c.name.label("gateway"),
        )
        .outerjoin(site, and_(site.c.community == asset.c.community, site.c.id == asset.c.site))
        .outerjoin(gateway, gateway.c.gid == metered)
        .where(asset.c.community == community)
        .where(
            func.lower(asset.c.name).like(pattern, escape=LIKE_ESCAPE)
            | func.lower(asset.c.id).like(pattern, escape=LIKE_ESCAPE)
            | func.lower(asset.c.kind).like(pattern, escape=LIKE_ESCAPE)
        )
        .order_by(asset.c.name)
        .limit(FIND_MAX)
    )
    return [AssetRow(row.id, row.name, row.kind, row.site or "", row.gid, row.gateway) for row in rows]


def alarm_row(conn: Connection, community: str, alarm_id: int) -> Row[Any] | None:
    """One alarm of this community, over or not."""
    alarm = schema.alarm
    return conn.execute(select(alarm).where(alarm.c.community == community, alarm.c.id == alarm_id)).one_or_none()


def take_alarm(conn: Connection, community: str, alarm_id: int, party: bytes, now_ms: int) -> bool:
    """Whether the alarm was free, and is now this party's; in one statement, so that two cannot both win."""
    alarm = schema.alarm.c
    done = conn.execute(
        update(schema.alarm)
        .where(alarm.community == community, alarm.id == alarm_id)
        .where(alarm.taken_by.is_(None), alarm.cleared_ms.is_(None))
        .values(taken_by=party, taken_ms=now_ms)
    )
    return done.rowcount == 1


def close_alarm(conn: Connection, community: str, alarm_id: int, party: bytes, cause: str, now_ms: int) -> bool:
    """Whether it was open, and is now closed by this party."""
    alarm = schema.alarm.c
    done = conn.execute(
        update(schema.alarm)
        .where(alarm.community == community, alarm.id == alarm_id, alarm.cleared_ms.is_(None))
        .values(cleared_ms=now_ms, closed_by=party, cause=cause)
    )
    return done.rowcount == 1


def last_readings(conn: Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """channel hash -> when its last reading was taken."""
    channel = schema.channel.c
    rows = conn.execute(
        select(channel.channel_hash, channel.last_reading_ms).where(
            channel.channel_hash.in_(list(hashes)), channel.last_reading_ms.is_not(None)
        )
    )
    return {bytes(h): int(ms) for h, ms in rows}


def contains(text: str) -> str:
    """A LIKE pattern for text as typed; what LIKE takes for signs is text here."""
    plain = text.lower()
    for sign in (LIKE_ESCAPE, "%", "_"):
        plain = plain.replace(sign, LIKE_ESCAPE + sign)
    return f"%{plain}%"


def _fees() -> Any:
    return func.coalesce(func.sum(schema.standing.c.fee), 0)


def _place(row: Any) -> Place | None:
    if row.latitude_e7 is None or row.longitude_e7 is None:
        return None
    return Place(row.latitude_e7, row.longitude_e7)
