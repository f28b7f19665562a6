"""SQL of assets, meters and sites.

It never moves an asset: what measures it is bound for a period.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update

from tallystick_cloud.errors import Conflict, NotFound
from tallystick_cloud.schema import asset, meter, site

from .model import NewAsset, NewSite, Plan, PlannedChannel, extended, meters_of, plan_from_json


def insert_asset(conn: Connection, community: str, new: NewAsset, now_ms: int) -> None:
    row = {
        "id": new.id,
        "name": new.name,
        "kind": new.kind,
        "site": new.site,
        "owner": new.owner,
        "user": new.user,
        "essential": new.essential,
        "latitude_e7": new.latitude_e7,
        "longitude_e7": new.longitude_e7,
    }
    conn.execute(insert(asset), {**row, "community": community, "created_ms": now_ms})


def insert_site(conn: Connection, community: str, new: NewSite, now_ms: int) -> None:
    """The site with its meter plan and the meters in it; raises Conflict for a meter that hangs elsewhere."""
    _check_free(conn, community, new.id, new.plan)
    row = {
        "id": new.id,
        "name": new.name,
        "address": new.address,
        "latitude_e7": new.latitude_e7,
        "longitude_e7": new.longitude_e7,
        "plan": new.plan.to_json(),
    }
    conn.execute(insert(site), {**row, "community": community, "created_ms": now_ms})
    _insert_meters(conn, community, new.id, new.plan, now_ms)


def extend_site(
    conn: Connection, community: str, site_id: str, wanted: Sequence[PlannedChannel], since_ms: int, now_ms: int
) -> tuple[PlannedChannel, ...]:
    """Channels and meters that the site's plan does not have yet, put into it; those that are new.

    Raises NotFound for a site that is not there, BadInput or Conflict for a plan that it cannot become."""
    plan, fresh = extended(plan_of(conn, community, site_id), wanted, since_ms)
    known = set(
        conn.execute(select(meter.c.id).where(meter.c.community == community, meter.c.site == site_id)).scalars()
    )
    meters = Plan(tuple(one for one in fresh if one.meter not in known))
    _check_free(conn, community, site_id, meters)
    where = (site.c.community == community) & (site.c.id == site_id)
    conn.execute(update(site).where(where).values(plan=plan.to_json()))
    _insert_meters(conn, community, site_id, meters, now_ms)
    return fresh


def _check_free(conn: Connection, community: str, site_id: str, plan: Plan) -> None:
    for planned in meters_of(plan):
        elsewhere = _site_of_meter(conn, community, planned.meter)
        if elsewhere is not None:
            reason = f"{planned.meter!r} is a meter of site {elsewhere!r} already; give this one another id"
            raise Conflict(f"site {site_id!r}, channel {planned.number}, meter", reason)


def _insert_meters(conn: Connection, community: str, site_id: str, plan: Plan, now_ms: int) -> None:
    for planned in meters_of(plan):
        bound = {
            "id": planned.meter,
            "community": community,
            "site": site_id,
            "asset": planned.asset,
            "serial": planned.serial,
            "profile": planned.profile,
            "type_approval": planned.type_approval,
            "accuracy_class": planned.accuracy_class,
            "verified_until_ms": planned.verified_until_ms,
            "bound_from_ms": now_ms,
        }
        conn.execute(insert(meter), bound)


def plan_of(conn: Connection, community: str, site_id: str) -> Plan:
    """The meter plan of a site; raises NotFound."""
    text = conn.execute(
        select(site.c.plan).where(site.c.community == community, site.c.id == site_id)
    ).scalar_one_or_none()
    if text is None:
        raise NotFound("site", f"{site_id!r} is not a site of {community}; see `tallystick site new --help`")
    return plan_from_json(text)


def bind_meters(conn: Connection, community: str, site_id: str, gid: bytes) -> None:
    conn.execute(update(meter).where(meter.c.community == community, meter.c.site == site_id).values(gid=gid))


def asset_ids(conn: Connection, community: str) -> set[str]:
    return set(conn.execute(select(asset.c.id).where(asset.c.community == community)).scalars())


def names(conn: Connection, community: str) -> list[tuple[str, str]]:
    """(id, name) of all assets, by name."""
    query = select(asset.c.id, asset.c.name).where(asset.c.community == community).order_by(asset.c.name, asset.c.id)
    return [(row.id, row.name) for row in conn.execute(query)]


def has_site(conn: Connection, community: str, site_id: str) -> bool:
    found = conn.execute(select(site.c.id).where(site.c.community == community, site.c.id == site_id))
    return found.first() is not None


def _site_of_meter(conn: Connection, community: str, meter_id: str) -> str | None:
    found = select(meter.c.site).where(meter.c.community == community, meter.c.id == meter_id)
    return conn.execute(found).scalar_one_or_none()
