"""`tallystick site new`: a site from a file with one [site], and its claim.

It never changes a site that exists.
"""

import argparse
from pathlib import Path

from sqlalchemy import Connection

from tallystick_cloud.assets import store as assets
from tallystick_cloud.assets.model import NewSite
from tallystick_cloud.commands.common import Commands, add_community, command, community_of, group, opened
from tallystick_cloud.contracts.fitting import check_plan
from tallystick_cloud.errors import BadInput
from tallystick_cloud.gateways import claims
from tallystick_cloud.gateways.claim_files import claim_files
from tallystick_cloud.ports import Entropy
from tallystick_cloud.town.model import TownSite
from tallystick_cloud.town.toml import load_site


def add(commands: Commands) -> None:
    words = group(commands, "site", "Sites and their meter plans.")
    found = command(
        words,
        "new",
        new,
        "Add a site with its meter plan, or make a new claim for one that exists.",
        "  tallystick site new attic.toml --claims claims --server https://localhost:8443 --data D\n"
        "  (attic.toml: version = 1, then one [site] as in a town file)\n",
    )
    found.add_argument("file", type=Path, metavar="FILE", help="the site file (TOML)")
    add_community(found)
    found.add_argument("--claims", type=Path, metavar="DIR", required=True, help="where the claim file goes")
    found.add_argument("--server", required=True, metavar="URL", help="how gateways reach this server")
    found.add_argument("--mqtt", metavar="HOST:PORT", help="the broker that gateways may use instead")


def new(parsed: argparse.Namespace) -> int:
    site = load_site(parsed.file)
    files = claim_files(parsed.claims, parsed.server, parsed.mqtt, [site.id])
    options = opened(parsed)
    try:
        community = community_of(options, parsed.community)
        claim = options.database.write_now(_add, community, site, options.entropy, options.clock.utc_ms())
    finally:
        options.database.close()
    files.write(site.id, claim, options.aggregator.authority.pem.decode())
    print(f"{site.id}: {len(site.plan.channels)} channels, claim in {files.path(site.id)}")
    return 0


def _add(conn: Connection, community: str, site: TownSite, entropy: Entropy, now_ms: int) -> str:
    known = assets.asset_ids(conn, community)
    for channel in site.plan.channels:
        if channel.asset not in known:
            raise BadInput(f"channel {channel.number}, asset", f"{channel.asset!r} is not an asset of {community}")
    row = NewSite(site.id, site.name, site.address, site.latitude_e7, site.longitude_e7, site.plan)
    if not assets.has_site(conn, community, site.id):
        check_plan(conn, community, site.id, site.plan, now_ms)
        assets.insert_site(conn, community, row, now_ms)
    return claims.issue(conn, community, site.id, entropy, now_ms)
