"""The use cases of the situation room, each a synchronous function over a connection.

It never formats anything and never opens a transaction of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from tallystick_cloud.alarms import QUIET_MS, Ends, Severity, clear_alarm, ends_of, raise_alarm
from tallystick_cloud.alarms import Alarm as NewAlarm
from tallystick_cloud.city import store
from tallystick_cloud.city.errors import AlarmTaken, NoSuchAlarm
from tallystick_cloud.city.model import (
    Alarm,
    Community,
    Gateway,
    GatewayState,
    Period,
    Situation,
    Today,
    buckets_of,
    day_start_ms,
    first_bucket_ms,
    main_shares,
    state_of,
)
from tallystick_cloud.errors import NotFound

NO_CONTACT = "no-contact"
"""Code of the alarm this module raises itself: silence is the one thing a gateway cannot report."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, at most store.FIND_MAX of each."""

    assets: tuple[store.AssetRow, ...]
    gateways: tuple[Gateway, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Alarms of silence to raise, and keys of alarms that are over by their own rule."""

    silent: tuple[NewAlarm, ...]
    over: tuple[str, ...]


def place(conn: Connection, community: str) -> Community:
    """The community; raises NotFound for an unknown one."""
    found = store.find_community(conn, community)
    if found is None:
        raise NotFound("community", f"{community} does not exist; see `tallystick community import`")
    return found


def look(conn: Connection, community: str, now_ms: int) -> Situation:
    """Everything the situation room shows, from one snapshot; raises NotFound for an unknown community."""
    here = place(conn, community)
    day_ms = day_start_ms(now_ms, here.zone)
    alarms = _alarms(conn, community)
    uses = store.uses_since(conn, community, day_ms)
    fees, shares = store.postings_since(conn, community, day_ms, here.unit)
    first_ms = first_bucket_ms(now_ms, Period.DAY)
    return Situation(
        community=here,
        now_ms=now_ms,
        day_ms=day_ms,
        today=_today(conn, community, day_ms, uses, fees),
        gateways=_gateways(conn, community, alarms, uses, now_ms),
        alarms=alarms,
        shares=main_shares(shares),
        buckets=buckets_of(
            first_ms,
            now_ms,
            store.uses_by_bucket(conn, community, first_ms),
            store.sealed_buckets(conn, community, first_ms),
        ),
    )


def find(conn: Connection, community: str, text: str, now_ms: int) -> Found:
    """Assets and gateways of the community that match what was typed."""
    wanted = text.strip().lower()
    gateways = tuple(
        one
        for one in _gateways(conn, community, _alarms(conn, community), [], now_ms)
        if wanted in one.name.lower() or wanted in one.site.lower() or one.id.startswith(wanted)
    )
    return Found(tuple(store.find_assets(conn, community, wanted)), gateways[: store.FIND_MAX])


def take(conn: Connection, community: str, alarm_id: int, party: bytes, now_ms: int) -> Alarm:
    """Make the alarm this party's; taking it twice is once. Raises NoSuchAlarm or AlarmTaken."""
    row = store.alarm_row(conn, community, alarm_id)
    if row is None:
        raise NoSuchAlarm("alarm", f"{alarm_id} does not exist in this community; load the page again")
    if row.cleared_ms is not None:
        raise AlarmTaken("alarm", f"{alarm_id} is over already; nothing is left to do")
    if row.taken_by != party and not store.take_alarm(conn, community, alarm_id, party, now_ms):
        raise AlarmTaken("alarm", f"{alarm_id} was taken by somebody else; load the page again to see who")
    return next(one for one in _alarms(conn, community) if one.id == alarm_id)


def close(conn: Connection, community: str, alarm_id: int, party: bytes, cause: str, now_ms: int) -> None:
    """Close it with what this person found. Raises NoSuchAlarm or AlarmTaken (over already)."""
    if store.alarm_row(conn, community, alarm_id) is None:
        raise NoSuchAlarm("alarm", f"{alarm_id} does not exist in this community; load the page again")
    if not store.close_alarm(conn, community, alarm_id, party, cause, now_ms):
        raise AlarmTaken("alarm", f"{alarm_id} is over already; nothing is left to do")


def contact_changes(conn: Connection, community: str, now_ms: int) -> Changes:
    """Which gateways fell silent and have no alarm, and which alarms are over by themselves; only reads."""
    alarms = store.open_alarms(conn, community)
    silent, heard = [], _over(conn, alarms, now_ms)
    open_keys = {row.subject_key for row in alarms if row.code == NO_CONTACT}
    for one in store.gateways(conn, community):
        key = f"{NO_CONTACT}:{one.gid.hex()}"
        is_silent = one.last_seen_ms is not None and state_of(one.last_seen_ms, False, now_ms) is GatewayState.OFFLINE
        if is_silent and key not in open_keys:
            silent.append(NewAlarm(NO_CONTACT, Severity.WARNING, "two heartbeats missed", key, gid=one.gid))
        if not is_silent and key in open_keys:
            heard.append(key)
    return Changes(tuple(silent), tuple(heard))


def _over(conn: Connection, alarms: Sequence[Any], now_ms: int) -> list[str]:
    """Keys of alarms that ended by a quiet day or by readings; the other rules are carried out where they happen."""
    quiet = [row.subject_key for row in alarms if ends_of(row.code) is Ends.QUIET and now_ms - row.last_ms >= QUIET_MS]
    gaps = [row for row in alarms if ends_of(row.code) is Ends.READINGS and row.channel_hash is not None]
    if not gaps:
        return quiet
    read = store.last_readings(conn, [bytes(row.channel_hash) for row in gaps])
    return quiet + [row.subject_key for row in gaps if read.get(bytes(row.channel_hash), 0) > row.last_ms]


def watch_contacts(conn: Connection, community: str, now_ms: int) -> int:
    """Raise an alarm for each gateway that fell silent, clear what is over by itself; returns changes."""
    changes = contact_changes(conn, community, now_ms)
    for new in changes.silent:
        raise_alarm(conn, community, new, now_ms)
    for key in changes.over:
        clear_alarm(conn, community, key, now_ms)
    return len(changes.silent) + len(changes.over)


def _today(
    conn: Connection, community: str, day_ms: int, uses: list[tuple[bytes | None, str, int, int]], fees: int
) -> Today:
    batches, readings = store.batches_since(conn, community, day_ms)
    log_size, log_root = store.log_head(conn, community)
    return Today(
        batches=batches,
        readings=readings,
        uses=sum(count for _, kind, count, _ in uses if kind == "live"),
        shadow_uses=sum(count for _, kind, count, _ in uses if kind == "shadow"),
        fees_nano=fees,
        slowest=store.slowest_since(conn, community, day_ms),
        imbalance_nano=store.imbalance_nano(conn, community),
        log_size=log_size,
        log_root=log_root,
        quarantined=store.quarantined(conn, community),
    )


def _gateways(
    conn: Connection,
    community: str,
    alarms: tuple[Alarm, ...],
    uses: list[tuple[bytes | None, str, int, int]],
    now_ms: int,
) -> tuple[Gateway, ...]:
    critical = {one.gid for one in alarms if one.severity == "critical"}
    found = []
    for row in store.gateways(conn, community):
        mine = [(count, fees) for gid, kind, count, fees in uses if gid == row.gid and kind == "live"]
        found.append(
            Gateway(
                gid=row.gid,
                name=row.name,
                site=row.site,
                place=row.place,
                software=row.software,
                state=state_of(row.last_seen_ms, row.gid in critical, now_ms),
                last_seen_ms=row.last_seen_ms,
                uses=sum(count for count, _ in mine),
                fees_nano=sum(fees for _, fees in mine),
            )
        )
    return tuple(found)


def _alarms(conn: Connection, community: str) -> tuple[Alarm, ...]:
    names = {row.gid: (row.name, row.site) for row in store.gateways(conn, community)}
    found = []
    for row in store.open_alarms(conn, community):
        gateway, site = names.get(row.gid, ("", ""))
        found.append(
            Alarm(
                id=row.id,
                code=row.code,
                severity=row.severity,
                text=row.text,
                gid=row.gid,
                gateway=gateway,
                site=site or row.asset or "",
                raised_ms=row.raised_ms,
                times=row.times,
                taken_by=(row.taken_name or "somebody") if row.taken_by else None,
            )
        )
    return tuple(sorted(found, key=lambda one: one.rank, reverse=True))
