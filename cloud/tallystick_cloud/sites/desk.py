"""What a site file comes to: a new site, or new channels in the plan of one that runs. Shown first, then done.

It never shows what would not happen: the preview is the thing itself, undone.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import NewSite, Plan, PlannedChannel
from tallystick_cloud.assets.service import add_site
from tallystick_cloud.db import savepoint
from tallystick_cloud.gateways import extend as extension
from tallystick_cloud.gateways.look import SiteView, sites
from tallystick_cloud.ingest.retry import Retried
from tallystick_cloud.settlement.office import Office


@dataclass(frozen=True, slots=True)
class Put:
    """What came of a site file, or would: `fresh` channels beside those that were there, gateways that hear of them,
    and what of theirs had waited for it."""

    site: NewSite
    is_new: bool
    fresh: tuple[PlannedChannel, ...]
    gateways: int
    waited: Retried

    @property
    def known(self) -> Sequence[PlannedChannel]:
        """Channels of the file that the plan has already."""
        numbers = {channel.number for channel in self.fresh}
        return [channel for channel in self.site.plan.channels if channel.number not in numbers]


def put(conn: Connection, office: Office, site: NewSite, since_ms: int, now_ms: int) -> Put:
    """`since_ms`: from when on channels that come to a running site are billed. Raises BadInput or Conflict."""
    if not assets.has_site(conn, office.context.community, site.id):
        add_site(conn, office.context.community, site, now_ms)
        return Put(site, True, site.plan.channels, 0, Retried())
    what = office.context, office.entropy, site.id, site.plan.channels, since_ms, now_ms
    done = extension.extend(conn, *what)
    return Put(site, False, done.channels, len(done.gateways), done.retried)


def preview(conn: Connection, office: Office, site: NewSite, since_ms: int, now_ms: int) -> Put:
    """The same, and nothing is done."""
    found: list[Put] = []
    with suppress(_Undone), savepoint(conn):
        found.append(put(conn, office, site, since_ms, now_ms))
        raise _Undone
    return found[0]


class _Undone(Exception):
    """Ends a preview."""


def listed(conn: Connection, community: str, now_ms: int) -> list[tuple[SiteView, Plan]]:
    """All sites by name with their plans."""
    return [(one, assets.plan_of(conn, community, one.id)) for one in sites(conn, community, now_ms)]
