"""New channels in the plan of a site whose gateway runs: signed, logged, told to it, and what had waited is taken in.

It never changes a channel that is there: what was signed under it keeps its meaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from tallystick_protocol.codes import CommandType
from tallystick_protocol.ids import Gid

from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import Plan, PlannedChannel
from tallystick_cloud.context import Context
from tallystick_cloud.contracts.fitting import check_plan
from tallystick_cloud.errors import BadInput
from tallystick_cloud.ingest.retry import Retried, retry
from tallystick_cloud.ingest.store import lock_all_chains
from tallystick_cloud.log import service as log
from tallystick_cloud.ports import Entropy

from . import commands, records, store

DAY_MS = 24 * 3_600_000
AHEAD_MS_MAX = 366 * DAY_MS  # a meter that is to be installed next year is planned next year
TOLD_FOR_MS = 366 * DAY_MS  # a gateway that comes back after months hears of it still


@dataclass(frozen=True, slots=True)
class Extended:
    """What came of it: the new channels, the gateways that are told, and what of theirs had waited."""

    channels: tuple[PlannedChannel, ...]
    gateways: tuple[bytes, ...]
    retried: Retried


def extend(
    conn: Connection,
    context: Context,
    entropy: Entropy,
    site: str,
    wanted: Sequence[PlannedChannel],
    since_ms: int,
    now_ms: int,
) -> Extended:
    """`wanted`: channels of the site's file, old and new; `since_ms`: from when on the new ones are billed.

    Raises NotFound for a site that is not there, BadInput or Conflict for what the plan cannot become; then nothing
    changed.
    """
    community = context.community
    if since_ms > now_ms + AHEAD_MS_MAX:
        raise BadInput("--from", "is more than a year ahead; extend the plan when the meter is there")
    known = assets.asset_ids(conn, community)
    for channel in wanted:
        if channel.asset not in known:
            step = "add it with `tallystick asset add`, or correct the name"
            raise BadInput(f"channel {channel.number}, asset", f"{channel.asset!r} is no asset of {community}; {step}")
    gateways = store.active_at(conn, community, site)
    heads = [head for gid in gateways if (head := store.lock_head(conn, gid)) is not None]
    if heads:
        lock_all_chains(conn, community)  # what waited is booked after the log's head is taken, which is the last lock
    fresh = assets.extend_site(conn, community, site, wanted, since_ms, now_ms)
    if not fresh:
        raise BadInput("channel", f"none is new at {site!r}; the plan has all of them already")
    check_plan(conn, community, site, Plan(fresh), now_ms)
    done = Retried()
    for head in heads:
        _describe(conn, context, Gid(head.gid), fresh, now_ms)
        assets.bind_meters(conn, community, site, head.gid)
        commands.issue(conn, context, entropy, head.gid, CommandType.RENEW_CERTIFICATE, (), TOLD_FOR_MS, now_ms)
        done = done.plus(retry(conn, head, now_ms))
    return Extended(fresh, tuple(gateways), done)


def _describe(conn: Connection, context: Context, gid: Gid, fresh: Sequence[PlannedChannel], now_ms: int) -> None:
    made = [records.descriptor(context.keys.root, gid, channel) for channel in fresh]
    leaves = log.append(conn, context.community, [one.entry for one in made], now_ms)
    for channel, signed, leaf in zip(fresh, made, leaves, strict=True):
        records.store_descriptor(conn, context.community, gid, channel, signed, leaf, now_ms)
